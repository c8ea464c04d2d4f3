// The load of figures b and h: `GET /api/v4/personal_access_tokens/self` against one server process, by the second and by the
// second of CPU that the process used.
import { median, ROUNDS, SECONDS } from './figure.ts';
import { load } from './load.ts';
import { cpuSeconds } from './processes.ts';
import { ROOT_TOKEN } from './server.ts';

export interface Target {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
}

export interface Rates {
  readonly name: string;
  /** answers per second; the median of the rounds */
  readonly rate: number;
  /** answers per second of CPU of the server process; the median of the rounds */
  readonly perCpu: number;
}

/** Enough requests at once that the server is what everybody waits for. */
export const MANY = 32;

/** Measures the targets in turns, so that what else the machine does meets all of them alike. */
export async function compare(targets: readonly Target[], connections = MANY): Promise<Rates[]> {
  const rates = targets.map(() => ({ rate: [] as number[], perCpu: [] as number[] }));
  const headers = { 'PRIVATE-TOKEN': ROOT_TOKEN };
  const path = '/api/v4/personal_access_tokens/self';
  for (const { url } of targets) await load({ url: url + path, headers, seconds: 2, connections });
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, { url, pid }] of targets.entries()) {
      const before = cpuSeconds(pid);
      const { rate, answers } = await load({ url: url + path, headers, seconds: SECONDS, connections });
      rates[index]!.rate.push(rate);
      rates[index]!.perCpu.push(answers / (cpuSeconds(pid) - before));
    }
  }
  return targets.map(({ name }, index) => ({
    name,
    rate: median(rates[index]!.rate),
    perCpu: median(rates[index]!.perCpu),
  }));
}

// Figure g: list routes over a million keys and a hundred thousand projects: how long an answer takes, and how long the main loop
// stands still meanwhile, which is what everyone else waits for.
import { join } from 'node:path';
import { type Figure, percentile, SECONDS, text } from './support/figure.ts';
import { load } from './support/load.ts';
import { inFolder } from './support/processes.ts';
import { KEYS, PROJECTS, seed } from './support/seed.ts';
import { ROOT_TOKEN, startServer } from './support/server.ts';

/** Path, and whose question it is. The first one is the yardstick: no list at all. */
const ROUTES: readonly (readonly [string, 'root' | 'user'])[] = [
  ['/personal_access_tokens/self', 'root'],
  ['/personal_access_tokens?per_page=100', 'root'],
  ['/personal_access_tokens?per_page=100&state=active&search=999', 'root'],
  ['/personal_access_tokens?per_page=100', 'user'],
  ['/keyward/credentials?per_page=100', 'root'],
  ['/keyward/credentials?per_page=100&sort=last_used_asc', 'root'],
  ['/keyward/credentials?per_page=100', 'user'],
  ['/projects?per_page=100', 'root'],
  ['/projects?per_page=100&search=project9', 'root'],
  ['/projects?per_page=100', 'user'],
  ['/projects?per_page=100&membership=true&order_by=last_activity_at', 'user'],
  ['/groups?per_page=100', 'user'],
  ['/users?per_page=100', 'root'],
  ['/deploy_tokens?per_page=100', 'root'],
];
const CONNECTIONS = 2;

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const data = join(folder, 'data');
    const { userToken } = await seed(data);
    const server = await startServer({ data, watched: true });
    const table: string[][] = [['route', 'as', 'answers', 'p50 ms', 'p99 ms', 'pause, CPU ms', 'pause, wall ms']];
    let [longest, worst] = [0, 0];
    for (const [index, [path, who]] of ROUTES.entries()) {
      const url = `${server.url}/api/v4${path}`;
      const headers = { 'PRIVATE-TOKEN': who === 'root' ? ROOT_TOKEN : userToken };
      try {
        await load({ url, headers, seconds: 1, requests: 4, connections: 1 });
        await server.pause();
        const { latencies } = await load({ url, headers, seconds: SECONDS * 1.5, connections: CONNECTIONS });
        const { cpu, wall } = await server.pause();
        const p99 = percentile(latencies, 0.99);
        if (index > 0) [longest, worst] = [Math.max(longest, cpu), Math.max(worst, p99)];
        const numbers = [percentile(latencies, 0.5), p99, cpu, wall].map((one) => text(one, 1));
        table.push([path, who, String(latencies.length), ...numbers]);
      } catch (error) {
        longest = Number.POSITIVE_INFINITY;
        const [status] = /HTTP\/1\.1 \d+/.exec(String(error)) ?? ['no answer'];
        table.push([path, who, status, '', '', text((await server.pause()).cpu, 1), '']);
      }
    }
    await server.stop();
    return {
      letter: 'g',
      title: `List routes at ${KEYS} keys and ${PROJECTS} projects`,
      goal: 'longest pause of the main loop < 20 ms',
      value: Number.isFinite(longest) ? `${text(longest, 1)} ms (p99 up to ${text(worst)} ms)` : 'a route failed',
      met: longest < 20,
      table,
      notes: [
        `${CONNECTIONS} connections. The pause by CPU is what the main thread computed in one go; by the wall it also counts what`,
        'neighbours on the machine took. The first row is no list: what a pause is without one.',
      ],
    };
  });
}

// Figure g: list routes over a million keys and a hundred thousand projects: how long an answer takes, and how long the main loop
// stands still meanwhile, which is what everyone else waits for.
import { join } from 'node:path';
import { startPostgres } from '../test/support/postgres.ts';
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

interface Measured {
  /** text of p50 and p99 in ms, and of the longest pause in ms of CPU and by the wall */
  readonly cells: readonly string[];
  /** milliseconds; infinite where there was no answer */
  readonly pause: number;
  readonly p99: number;
}

export async function run(): Promise<Figure> {
  const sqlite = await inFolder((folder) => measure(join(folder, 'data')));
  const server = await startPostgres();
  let postgres: Measured[];
  try {
    postgres = await inFolder((folder) => measure(join(folder, 'data'), server.url));
  } finally {
    await server.stop();
  }
  const lists = [...sqlite.slice(1), ...postgres.slice(1)];
  const longest = Math.max(...lists.map(({ pause }) => pause));
  const worst = (all: readonly Measured[]): string => text(Math.max(...all.slice(1).map(({ p99 }) => p99)));
  return {
    letter: 'g',
    title: `List routes at ${KEYS} keys and ${PROJECTS} projects`,
    goal: 'longest pause of the main loop < 20 ms',
    value: Number.isFinite(longest)
      ? `${text(longest, 1)} ms (p99 up to ${worst(sqlite)} ms, on PostgreSQL ${worst(postgres)} ms)`
      : 'a route failed',
    met: longest < 20,
    table: [
      [
        'route',
        'as',
        ...['SQLite: p50 ms', 'p99 ms', 'pause, CPU ms', 'pause, wall ms'],
        ...['PostgreSQL: p50 ms', 'p99 ms', 'pause, CPU ms', 'pause, wall ms'],
      ],
      ...ROUTES.map(([path, who], index) => [path, who, ...sqlite[index]!.cells, ...postgres[index]!.cells]),
    ],
    notes: [
      `${CONNECTIONS} connections. The pause by CPU is what the main thread computed in one go; by the wall it also counts what`,
      'neighbours on the machine took. The first row is no list: what a pause is without one.',
    ],
  };
}

/** All routes in turn, over a database that is made in `data` or behind `databaseUrl`. */
async function measure(data: string, databaseUrl?: string): Promise<Measured[]> {
  const { userToken } = await seed(data, databaseUrl);
  const server = await startServer({ data, watched: true, ...(databaseUrl && { databaseUrl }) });
  const all: Measured[] = [];
  for (const [path, who] of ROUTES) {
    const url = `${server.url}/api/v4${path}`;
    const headers = { 'PRIVATE-TOKEN': who === 'root' ? ROOT_TOKEN : userToken };
    try {
      await load({ url, headers, seconds: 1, requests: 4, connections: 1 });
      await server.pause();
      const { latencies } = await load({ url, headers, seconds: SECONDS * 1.5, connections: CONNECTIONS });
      const { cpu, wall } = await server.pause();
      const p99 = percentile(latencies, 0.99);
      const cells = [percentile(latencies, 0.5), p99, cpu, wall].map((one) => text(one, 1));
      all.push({ cells, pause: cpu, p99 });
    } catch (error) {
      const [status] = /HTTP\/1\.1 \d+/.exec(String(error)) ?? ['no answer'];
      const cells = [status, '', text((await server.pause()).cpu, 1), ''];
      all.push({ cells, pause: Number.POSITIVE_INFINITY, p99: Number.POSITIVE_INFINITY });
    }
  }
  await server.stop();
  return all;
}

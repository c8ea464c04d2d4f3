// Figure h: the request of figure b on PostgreSQL, beside the same one on SQLite in the same run.
import { cpus } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '../test/support/postgres.ts';
import { type Figure, text } from './support/figure.ts';
import { inFolder, keepOn } from './support/processes.ts';
import { compare } from './support/self-route.ts';
import { startServer } from './support/server.ts';

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const core = cpus().length > 1 ? 0 : undefined;
    const postgres = await startPostgres();
    try {
      const sqlite = await startServer({ data: join(folder, 'sqlite'), core });
      const server = await startServer({ data: join(folder, 'postgres'), databaseUrl: postgres.url, core });
      if (core !== undefined) await keepOn('1');
      const rates = await compare([
        { name: 'SQLite', url: sqlite.url, pid: sqlite.pid },
        { name: 'PostgreSQL', url: server.url, pid: server.pid },
      ]);
      if (core !== undefined) await keepOn(`0-${cpus().length - 1}`);
      await sqlite.stop();
      await server.stop();
      return {
        letter: 'h',
        title: 'The request of b on PostgreSQL, beside SQLite',
        goal: '—',
        value: `${text(rates[1]!.rate / rates[0]!.rate, 2)} of SQLite`,
        met: null,
        table: [
          ['', 'answers a second', 'answers a CPU second of the server'],
          ...rates.map(({ name, rate, perCpu }) => [name, text(rate), text(perCpu)]),
        ],
        notes: [
          "PostgreSQL runs on the same machine, over a Unix socket, and shares the client's core; its own CPU is not counted.",
        ],
      };
    } finally {
      await postgres.stop();
    }
  });
}

// Figure e: what eight large clones at once, and then eight large pushes at once, add to the memory of an idle server.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Figure, setting, text } from './support/figure.ts';
import { inFolder, memory, timed } from './support/processes.ts';
import { cloneUrl, gitEnvironment, MEGABYTES, makeProject, makeRepository, push } from './support/repository.ts';
import { type Server, startServer } from './support/server.ts';

const AT_ONCE = setting('BENCH_AT_ONCE', 8);

/** The highest memory (MiB) while `work` runs, looked at twenty times a second. */
async function peak(server: Server, work: Promise<unknown>[]): Promise<{ main: number; all: number; seconds: number }> {
  const begin = performance.now();
  let [main, all, done] = [0, 0, false];
  const ended = Promise.all(work).finally(() => {
    done = true;
  });
  while (!done) {
    const now = memory(server.pid);
    [main, all] = [Math.max(main, now.main), Math.max(all, now.all)];
    await sleep(50);
  }
  await ended;
  return { main, all, seconds: (performance.now() - begin) / 1000 };
}

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const server = await startServer({ data: join(folder, 'data') });
    const source = await makeRepository(folder);
    await makeProject(server, 'large');
    await push(server, source, 'large', folder);
    await sleep(3000);
    const idle = memory(server.pid);
    const numbers = Array.from({ length: AT_ONCE }, (_, index) => index);
    const env = gitEnvironment(folder);
    const target = (index: number) => join(folder, `clone-${index}`);
    const clone = (index: number) =>
      timed('git', ['clone', '--quiet', '--bare', cloneUrl(server, 'large'), target(index)], { env });
    const clones = await peak(server, numbers.map(clone));
    for (const index of numbers) await rm(target(index), { recursive: true });
    for (const index of numbers) await makeProject(server, `push-${index}`);
    const pushes = await peak(
      server,
      numbers.map((index) => push(server, source, `push-${index}`, folder)),
    );
    await server.stop();
    const more = Math.max(clones.main, pushes.main) - idle.main;
    const row = (name: string, one: { main: number; all: number }, took: string) => [
      name,
      `${text(one.main)} MB (+${text(one.main - idle.main)})`,
      `${text(one.all)} MB (+${text(one.all - idle.all)})`,
      took,
    ];
    return {
      letter: 'e',
      title: `Memory of the server during ${AT_ONCE} clones and ${AT_ONCE} pushes of ${MEGABYTES} MB at once, over idle`,
      goal: '≤ +100 MB',
      value: `+${text(more)} MB`,
      met: more <= 100,
      table: [
        ['', 'server process', 'with list reader', ''],
        row('idle', idle, ''),
        row(`${AT_ONCE} clones`, clones, `${text(clones.seconds)} s`),
        row(`${AT_ONCE} pushes`, pushes, `${text(pushes.seconds)} s`),
      ],
      notes: [
        'Resident memory; git is not counted. The second column counts a child that has not yet become git as well: for a moment',
        'it shares all pages with the server, so what it adds there is not used twice.',
      ],
    };
  });
}

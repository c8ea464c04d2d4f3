// Figure f: from `bin/keyward serve` to the first authenticated answer, and what the server weighs when it idles.
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Figure, median, setting, text } from './support/figure.ts';
import { cpuSeconds, freePort, inFolder, memory, start, stop } from './support/processes.ts';
import { environmentOf, ROOT_TOKEN, startServer } from './support/server.ts';

const STARTS = setting('BENCH_STARTS', 5);

/** The status of one authenticated request; 0 when nobody listens yet. */
function ask(port: number): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'private-token': ROOT_TOKEN };
    const path = '/api/v4/personal_access_tokens/self';
    const asked = request({ host: '127.0.0.1', port, path, headers, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    asked.on('error', () => resolve(0));
    asked.end();
  });
}

/** Milliseconds from the start of the launcher to the first 200. */
async function startOnce(data: string, ssh: boolean): Promise<number> {
  const port = await freePort();
  const begin = performance.now();
  const program = fileURLToPath(new URL('../bin/keyward', import.meta.url));
  const launcher = start(process.execPath, [program, 'serve'], { env: environmentOf({ data, port, ssh }) });
  launcher.stdout?.resume();
  launcher.stderr?.resume();
  while ((await ask(port)) !== 200) {
    if (launcher.exitCode !== null) throw new Error(`the server ended with ${launcher.exitCode}`);
    await sleep(3);
  }
  const took = performance.now() - begin;
  await stop(launcher);
  return took;
}

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const data = join(folder, 'data');
    const first = await startOnce(data, false);
    const [later, withSsh]: [number[], number[]] = [[], []];
    for (let count = 0; count < STARTS; count += 1) {
      later.push(await startOnce(data, false));
      withSsh.push(await startOnce(data, true));
    }
    const server = await startServer({ data, ssh: true });
    await server.api('GET', '/personal_access_tokens/self');
    const cpu = cpuSeconds(server.pid);
    await sleep(5000);
    const { main, all } = memory(server.pid);
    await server.stop();
    const ms = median(later);
    return {
      letter: 'f',
      title: 'Start to the first authenticated answer, and idle memory',
      goal: '< 500 ms, < 130 MB',
      value: `${text(ms)} ms, ${text(main)} MB`,
      met: ms < 500 && main < 130,
      table: [
        ['', ''],
        ['first start, empty folder', `${text(first)} ms`],
        [`later starts, median of ${STARTS}, SSH off`, `${text(ms)} ms (best ${text(Math.min(...later))} ms)`],
        ['later starts, SSH on', `${text(median(withSsh))} ms (best ${text(Math.min(...withSsh))} ms)`],
        ['CPU of the server process until it answers', `${text(cpu * 1000)} ms`],
        ['idle, resident, server process', `${text(main)} MB`],
        ['idle, resident, with list reader and SSH process', `${text(all)} MB`],
      ],
      notes: [
        'The start counts the launcher `bin/keyward` too, which is a Node.js process that starts the pinned one.',
      ],
    };
  });
}

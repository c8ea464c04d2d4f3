// The repository of figures c, d and e: some hundred megabytes that no compression helps with, packed once, with a hundred
// branches. Pushed into a project of the server under measurement, over its own door.
import { randomFillSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setting } from './figure.ts';
import { timed } from './processes.ts';
import { ROOT_TOKEN, type Server } from './server.ts';

export const MEGABYTES = setting('BENCH_REPO_MB', 200);
const PLAIN = ['-c', 'core.compression=0', '-c', 'pack.window=0', '-c', 'gc.auto=0', '-c', 'user.name=bench'];

/** The environment of every git client here: no settings of this machine, no questions. */
export function gitEnvironment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
}

/** Makes the repository in `folder` and answers its path. */
export async function makeRepository(folder: string): Promise<string> {
  const path = join(folder, 'source');
  const options = { cwd: path, env: gitEnvironment(folder) };
  const git = (...args: string[]) => timed('git', [...PLAIN, '-c', 'user.email=bench@example.com', ...args], options);
  mkdirSync(path);
  await git('init', '--quiet', '--initial-branch=main');
  const file = Buffer.alloc(100 * 1024);
  for (let index = 0; index < MEGABYTES * 10.3; index += 1) {
    if (index % 100 === 0) mkdirSync(join(path, `d${index / 100}`));
    writeFileSync(join(path, `d${Math.floor(index / 100)}`, `f${index}`), randomFillSync(file));
  }
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'bench');
  for (let index = 0; index < 100; index += 1) await git('branch', `branch-${index}`);
  await git('repack', '--quiet', '-a', '-d');
  return path;
}

/** The clone URL of a project with root's key in it. */
export function cloneUrl(server: Server, path: string): string {
  return `${server.url.replace('http://', `http://root:${ROOT_TOKEN}@`)}/root/${path}.git`;
}

/** Makes the project `root/<name>`. */
export async function makeProject(server: Server, name: string): Promise<void> {
  await server.api('POST', '/projects', { name, visibility: 'private' });
}

/** Pushes all branches of the repository. Answers the seconds that it took. */
export function push(server: Server, source: string, name: string, home: string): Promise<number> {
  const args = [...PLAIN, 'push', '--quiet', cloneUrl(server, name), 'refs/heads/*:refs/heads/*'];
  return timed('git', args, { cwd: source, env: gitEnvironment(home) });
}

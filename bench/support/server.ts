// A Keyward server under measurement: a process of its own, started as `bin/keyward` does, or with a watch on its main loop.
import type { ChildProcess } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { start, stop } from './processes.ts';

export const ROOT_TOKEN = 'glpat-BenchBenchBenchBench';
const launch = createRequire(import.meta.url)('../../bin/launch') as {
  environment(env: NodeJS.ProcessEnv, cwd: string): NodeJS.ProcessEnv;
};
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export interface Pause {
  /** milliseconds: the longest time between two turns of the main loop */
  readonly wall: number;
  /** milliseconds of CPU that the main thread used in one go between two turns: what no neighbour on the machine causes */
  readonly cpu: number;
}

export interface Server {
  readonly url: string;
  /** of the server itself, not of its launcher */
  readonly pid: number;
  readonly child: ChildProcess;
  /** Calls `/api/v4` + path as root. Throws unless the answer is 2xx. */
  // biome-ignore lint/suspicious/noExplicitAny: measurements look into answers of every shape.
  api(method: string, path: string, body?: unknown): Promise<any>;
  /** The longest pause of the main loop since the last call; only with `watched`. */
  pause(): Promise<Pause>;
  stop(): Promise<void>;
}

export interface ServerOptions {
  readonly data: string;
  readonly port?: number;
  readonly databaseUrl?: string;
  /** keep it on this core */
  readonly core?: number;
  /** also watch its main loop */
  readonly watched?: boolean;
  /** listen for SSH; off when left out */
  readonly ssh?: boolean;
}

export function environmentOf(options: ServerOptions): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: options.data,
    KEYWARD_DATA: options.data,
    KEYWARD_LISTEN: `127.0.0.1:${options.port ?? 0}`,
    KEYWARD_SSH_LISTEN: options.ssh ? '127.0.0.1:0' : 'off',
    KEYWARD_ROOT_TOKEN: ROOT_TOKEN,
    KEYWARD_ROOT_PASSWORD: 'a password of root',
    ...(options.databaseUrl && { KEYWARD_DATABASE_URL: options.databaseUrl }),
  };
}

/** Starts a Node.js program of ours, on one core if asked. */
export function startNode(path: string, args: readonly string[], env: NodeJS.ProcessEnv, core?: number): ChildProcess {
  const command = ['--disable-warning=ExperimentalWarning', here(path), ...args];
  const options = { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] as ('ignore' | 'pipe' | 'ipc')[] };
  return core === undefined
    ? start(process.execPath, command, options)
    : start('taskset', ['-c', String(core), process.execPath, ...command], options);
}

/** Starts a server and waits until it listens. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const program = options.watched ? '../watched-server.ts' : '../../src/cli/main.ts';
  const child = startNode(program, ['serve'], launch.environment(environmentOf(options), '/'), options.core);
  let output = '';
  let resolveReady: (url: string) => void = () => {};
  const ready = new Promise<string>((resolve, reject) => {
    resolveReady = resolve;
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${output}`)));
  });
  child.stdout?.resume();
  child.stderr?.on('data', (chunk) => {
    output += chunk;
    const found = /Keyward is ready at (http\S+)/.exec(output);
    if (found) resolveReady(found[1]!.replace('localhost', '127.0.0.1'));
  });
  const url = await ready;
  return {
    url,
    // taskset replaces itself by the program, so its pid is the server's.
    pid: child.pid!,
    child,
    async api(method, path, body) {
      const answer = await fetch(`${url}/api/v4${path}`, {
        method,
        headers: { 'private-token': ROOT_TOKEN, ...(body !== undefined && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text === '' ? null : JSON.parse(text);
    },
    pause: () =>
      new Promise((resolve) => {
        child.once('message', (message) => resolve(message as Pause));
        child.send('pause');
      }),
    stop: () => stop(child),
  };
}

// A real server for tests: in this process on a free port with a folder of its own, or as a child process just as people
// start it. Nothing of it is pretended: real database, real git, real HTTP.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import type { Services } from '../../src/doors/services.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import type { Secret } from '../../src/kernel/secret.ts';
import { startServer as startRealServer } from '../../src/server.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import {
  expectNoSecret,
  instanceKeysOf,
  remember,
  rememberAnswer,
  rememberRequest,
  searchFolder,
  searchPostgres,
  secretsIn,
} from './canary.ts';
import { postgresDatabase } from './engines.ts';

/** The first administrator's token and password on every test server. */
export const ROOT_TOKEN = 'glpat-RootRootRootRootRoot';
export const ROOT_PASSWORD = 'a password of root';

export interface StartOptions {
  /** `sqlite` when left out */
  readonly engine?: 'sqlite' | 'postgres';
  /** environment settings, such as KEYWARD_TRUSTED_PROXIES */
  readonly env?: Readonly<Record<string, string>>;
  /** instance settings, such as `token_format` */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly clock?: Clock;
  /** where the JSON log goes; nowhere when left out */
  readonly log?: (line: string) => void;
}

export interface ApiOptions {
  /** sent as PRIVATE-TOKEN */
  readonly token?: string | null;
  /** sent as JSON */
  readonly body?: unknown;
  /** sent as it is; give the content type */
  readonly raw?: string;
  /** sent as a form */
  readonly form?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** parsed when it is JSON, else the text; null when empty */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert what they find.
  readonly body: any;
  readonly text: string;
}

export interface TestClient {
  readonly url: string;
  readonly rootToken: string;
  readonly rootPassword: string;
  /** the data folder */
  readonly data: string;
  /** Calls `/api/v4` + path, as root when no token is given and as nobody for `token: null`. Redirects are not followed. */
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** The same for any path of the server, as nobody unless a token is given. */
  http(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** Makes a user with a token of scope `api` (or the given ones) through the API. */
  user(
    username: string,
    scopes?: readonly string[],
  ): Promise<{ id: number; username: string; token: string; password: string }>;
  stop(): Promise<void>;
}

export interface TestServer extends TestClient {
  readonly services: Services;
  /** where the database is, `sqlite:` or `postgres:` */
  readonly databaseUrl: Secret;
  /** Runs every task that is due now, and answers how many attempts that took. */
  runTasks(): Promise<number>;
}

/** What a failed test left open; a file whose tests fail must end all the same. */
const open = new Set<() => Promise<void>>();
after(async () => {
  for (const stop of open) await stop();
});

/** Runs `stop` once, however often it is asked, and at the latest when the file ends. */
function stopOnce(stop: () => Promise<void>): () => Promise<void> {
  let stopping: Promise<void> | null = null;
  const once = () => (stopping ??= stop().finally(() => open.delete(once)));
  open.add(once);
  return once;
}

/** Starts a server in this process. Stop it in `after`. */
export async function startServer(options: StartOptions = {}): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-test-'));
  const database = options.engine === 'postgres' ? await postgresDatabase() : null;
  const data = join(folder, 'data');
  const config = readConfig({ ...settingsOf(data, database?.url), ...options.env }, folder);
  const leaks: string[] = [];
  // Searched at the end: what is logged while a key is made is logged before anybody was given the key.
  const lines: string[] = [];
  const sink = {
    write: (line: string) => {
      lines.push(line);
      options.log?.(line);
    },
  };
  const server = await startRealServer(config, {
    log: pino({ level: 'debug' }, sink),
    clock: options.clock,
  });
  const { services } = server;
  if (options.settings) {
    const { settings } = options;
    const changed = await services.db.tx((tx) => updateSettings(tx, settings, services.clock.now()));
    if (!changed.ok) throw new Error(`bad settings: ${JSON.stringify(changed.error)}`);
  }
  return {
    ...client(server.url, data, leaks),
    services,
    databaseUrl: config.databaseUrl,
    runTasks: () => server.runTasks(),
    stop: stopOnce(async () => {
      const metrics = await fetch(new URL('/-/metrics', server.url), { headers: { 'private-token': ROOT_TOKEN } }).then(
        (answer) => answer.text(),
        () => '',
      );
      const keys = instanceKeysOf(data);
      await server.stop();
      for (const [place, text] of [
        ['metrics', metrics],
        ['log', lines.join('')],
      ] as const)
        leaks.push(...[...secretsIn(text), ...secretsIn(text, keys)].map((hit) => `${place}: ${hit}`));
      leaks.push(...searchFolder(folder), ...searchFolder(folder, keys, /(?:^|\/)keys\//));
      if (database) leaks.push(...(await searchPostgres(database.url)), ...(await searchPostgres(database.url, keys)));
      await database?.drop();
      await rm(folder, { recursive: true, force: true });
      expectNoSecret(leaks);
    }),
  };
}

/** Starts `bin/keyward serve` as a child process; `output()` is all that it printed. */
export async function spawnServer(options: Pick<StartOptions, 'env'> & { readonly data?: string } = {}): Promise<
  TestClient & {
    /** the launcher; the server itself is its child */
    readonly child: ChildProcess;
    output(): string;
    /** Pulls the plug: kills the server's own process outright. Nothing of it runs any more when this returns. */
    kill(): void;
  }
> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-test-'));
  const data = options.data ?? join(folder, 'data');
  const env = { PATH: process.env['PATH'], HOME: folder, ...settingsOf(data), ...options.env };
  const program = new URL('../../bin/keyward', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, 'serve'], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const stop = stopOnce(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM');
    await ended;
    const keys = instanceKeysOf(data);
    // A made-up password is shown to people once, and this once is no leak.
    const said = output.replace(/^ {4}password {2}\S+$/m, '');
    const leaks = [
      ...[...secretsIn(said), ...secretsIn(said, keys)].map((hit) => `output: ${hit}`),
      ...searchFolder(folder),
      ...searchFolder(folder, keys, /(?:^|\/)keys\//),
    ];
    await rm(folder, { recursive: true, force: true });
    expectNoSecret(leaks);
  });
  const url = await new Promise<string>((resolve, reject) => {
    const look = () => {
      const found = /Keyward is ready at (http\S+)\n[\s\S]*\n\n/.exec(output);
      if (found) resolve(found[1]!);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on('data', look);
    child.on('exit', (code) => reject(new Error(`the server ended with ${code}:\n${output}`)));
    setTimeout(() => reject(new Error(`the server is not ready after a minute:\n${output}`)), 60_000).unref();
  });
  return {
    ...client(url, data),
    child,
    output: () => output,
    kill() {
      const pid = /"pid":(\d+)[^\n]*"msg":"ready"/.exec(output)?.[1];
      if (pid === undefined) throw new Error(`the server did not say its process id:\n${output}`);
      process.kill(Number(pid), 'SIGKILL');
    },
    stop,
  };
}

function settingsOf(data: string, databaseUrl?: string): Record<string, string> {
  return {
    KEYWARD_DATA: data,
    KEYWARD_LISTEN: '127.0.0.1:0',
    KEYWARD_SSH_LISTEN: 'off',
    KEYWARD_ROOT_TOKEN: ROOT_TOKEN,
    KEYWARD_ROOT_PASSWORD: ROOT_PASSWORD,
    ...(databaseUrl && { KEYWARD_DATABASE_URL: databaseUrl }),
  };
}

function client(url: string, data: string, leaks: string[] = []): Omit<TestClient, 'stop'> {
  remember(ROOT_TOKEN);
  remember(ROOT_PASSWORD);
  const http = async (method: string, path: string, options: ApiOptions = {}): Promise<ApiAnswer> => {
    const headers: Record<string, string> = { ...options.headers };
    if (options.token) headers['PRIVATE-TOKEN'] = options.token;
    let body: string | undefined;
    rememberRequest(options.body);
    if (options.body !== undefined) {
      headers['content-type'] ??= 'application/json';
      body = JSON.stringify(options.body);
    } else if (options.raw !== undefined) body = options.raw;
    else if (options.form) {
      headers['content-type'] ??= 'application/x-www-form-urlencoded';
      body = new URLSearchParams(options.form).toString();
    }
    const answer = await fetch(new URL(path, url), { method, headers, body, redirect: 'manual' });
    const text = await answer.text();
    // What a caller presented himself may not come back either.
    if (answer.status >= 400)
      leaks.push(...secretsIn(text).map((hit) => `${method} ${path.split('?')[0]} answered ${hit}`));
    const isJson = /\bjson\b/.test(answer.headers.get('content-type') ?? '');
    const parsed = text === '' ? null : isJson ? JSON.parse(text) : text;
    if (answer.ok) rememberAnswer(parsed, answer.headers.getSetCookie());
    return { status: answer.status, headers: answer.headers, body: parsed, text };
  };
  const api: TestClient['api'] = (method, path, options = {}) =>
    http(method, `/api/v4${path}`, { ...options, token: options.token === undefined ? ROOT_TOKEN : options.token });
  return {
    url,
    data,
    rootToken: ROOT_TOKEN,
    rootPassword: ROOT_PASSWORD,
    http,
    api,
    async user(username, scopes = ['api']) {
      const password = `the password of ${username}`;
      remember(password);
      const made = await api('POST', '/users', {
        body: { username, name: username, email: `${username}@example.com`, password, skip_confirmation: true },
      });
      if (made.status !== 201) throw new Error(`user ${username}: ${made.status} ${made.text}`);
      const token = await api('POST', `/users/${made.body.id}/personal_access_tokens`, {
        body: { name: 'test', scopes },
      });
      if (token.status !== 201) throw new Error(`token of ${username}: ${token.status} ${token.text}`);
      return { id: made.body.id, username, token: token.body.token, password };
    },
  };
}

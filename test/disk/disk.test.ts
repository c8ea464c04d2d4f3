// A disk that is full, and one whose fsync fails, under a real server: pushes, commits over REST and new keys are refused with a
// sentence that says so; what was acknowledged before is there, what was refused is not, and once there is room everything works
// again without a restart, and after one, and the doctor finds nothing. On SQLite the database lies on that disk; PostgreSQL lies there
// too where a small file system may be mounted, and is full with it, but its own fsync is its own business.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { findings } from '../fire/plug.ts';
import { startPostgres } from '../support/postgres.ts';
import { ROOT_TOKEN, spawnServer } from '../support/server.ts';

type Server = Awaited<ReturnType<typeof spawnServer>>;
const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A folder whose room ends, where we may mount one; else a server that may not make its files any longer. */
class Room {
  readonly folder: string;
  readonly isMounted: boolean;

  constructor(folder: string, size: string) {
    this.folder = folder;
    this.isMounted = mount(folder, size);
  }

  fill(server: Server): void {
    if (!this.isMounted) {
      limitFiles(server, '0:');
      return;
    }
    const filler = openSync(join(this.folder, 'filler'), 'a');
    try {
      for (const size of [1 << 20, 4096, 512]) fillWith(filler, Buffer.alloc(size));
    } finally {
      closeSync(filler);
    }
  }

  clear(server: Server): void {
    if (this.isMounted) rmSync(join(this.folder, 'filler'), { force: true });
    else limitFiles(server, 'unlimited:');
  }

  close(): void {
    if (this.isMounted) execFileSync('umount', ['-l', this.folder]);
  }
}

function mount(folder: string, size: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0711`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function fillWith(file: number, bytes: Buffer): void {
  try {
    for (;;) writeSync(file, bytes);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  }
}

/** The launcher and the server it started. */
function processesOf(server: Server): string[] {
  const own = String(server.child.pid);
  const children = execFileSync('sh', ['-c', `cat /proc/${own}/task/*/children`], { encoding: 'utf8' });
  return [own, ...children.trim().split(/\s+/).filter(Boolean)];
}

function limitFiles(server: Server, limit: string): void {
  for (const pid of processesOf(server)) execFileSync('prlimit', ['--pid', pid, `--fsize=${limit}`]);
}

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`a disk that takes no more (${engine})`, () => {
    let home: string;
    let room: Room;
    let server: Server;
    let tree: string;
    let root: number;
    let project: number;
    let pushed = '';
    const living: string[] = [];
    let database: { url: string; stop(): Promise<void> } | null = null;
    let env: Record<string, string> = {};

    const git = async (...args: string[]): Promise<{ code: number; out: string }> => {
      const who = ['-c', 'user.name=C', '-c', 'user.email=c@example.com'];
      const env = { PATH: process.env['PATH'], HOME: home, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
      try {
        const { stdout, stderr } = await promisify(execFile)('git', [...who, ...args], { cwd: tree, env });
        return { code: 0, out: `${stdout}${stderr}` };
      } catch (error) {
        const { stdout, stderr } = error as { stdout: string; stderr: string };
        return { code: 1, out: `${stdout}${stderr}` };
      }
    };
    const push = () =>
      git('push', '-q', `${server.url.replace('//', `//x:${ROOT_TOKEN}@`)}/root/full.git`, 'HEAD:refs/heads/pushed');
    const work = async (bytes: number) => {
      await writeFile(join(tree, 'noise'), randomBytes(bytes));
      await git('add', '-A');
      await git('commit', '-q', '-m', `${bytes} bytes`);
      return (await git('rev-parse', 'HEAD')).out.trim();
    };
    const key = () =>
      server.api('POST', `/users/${root}/personal_access_tokens`, {
        body: { name: 'disk', scopes: ['read_user'], description: 'd'.repeat(200) },
      });
    const commit = (branch: string, size: number) =>
      server.api('POST', `/projects/${project}/repository/commits`, {
        body: {
          branch,
          start_branch: 'main',
          commit_message: branch,
          actions: [
            {
              action: 'create',
              file_path: `${branch}.txt`,
              content: randomBytes(size).toString('base64'),
              encoding: 'base64',
            },
          ],
        },
      });
    const headOf = async (branch: string) =>
      (await server.api('GET', `/projects/${project}/repository/branches/${branch}`)).body.commit?.id;

    const oidOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const uploaded: string[] = [];
    const objectOf = async (operation: string, oid: string, size: number) => {
      const basic = `Basic ${Buffer.from(`root:${ROOT_TOKEN}`).toString('base64')}`;
      const answer = await server.http('POST', '/root/full.git/info/lfs/objects/batch', {
        headers: { authorization: basic, 'content-type': 'application/vnd.git-lfs+json' },
        raw: JSON.stringify({ operation, objects: [{ oid, size }], transfers: ['basic'] }),
      });
      return { answer, object: answer.body?.objects?.[0] };
    };
    /** Sends an object of LFS as its client does. */
    const upload = async (bytes: Buffer): Promise<{ status: number; message: string }> => {
      const { answer, object } = await objectOf('upload', oidOf(bytes), bytes.length);
      if (!object) return { status: answer.status, message: answer.body?.message };
      const { href, header } = object.actions.upload;
      const headers = { authorization: header.Authorization, 'content-type': 'application/octet-stream' };
      const to = new URL(new URL(href).pathname, server.url);
      const sent = await fetch(to, { method: 'PUT', headers, body: new Uint8Array(bytes) });
      const text = await sent.text();
      return { status: sent.status, message: text.startsWith('{') ? JSON.parse(text).message : text };
    };
    const hasObject = async (oid: string) =>
      (await objectOf('download', oid, 1000)).object?.actions?.download !== undefined;

    before(async () => {
      home = await mkdtemp(join(tmpdir(), 'keyward-disk-'));
      const folder = await mkdtemp(join(tmpdir(), 'keyward-room-'));
      room = new Room(folder, engine === 'sqlite' ? '48m' : '400m');
      if (engine === 'postgres') {
        const given = process.env['TMPDIR'];
        if (room.isMounted) process.env['TMPDIR'] = folder;
        database = await startPostgres().finally(() => {
          if (given === undefined) delete process.env['TMPDIR'];
          else process.env['TMPDIR'] = given;
        });
        env = { KEYWARD_DATABASE_URL: database.url };
      }
      tree = await mkdtemp(join(home, 'tree-'));
      server = await spawnLimited(folder);
      root = (await server.api('GET', '/user')).body.id;
      project = (await server.api('POST', '/projects', { body: { name: 'full', initialize_with_readme: true } })).body
        .id;
      await git('init', '-q', '-b', 'main');
      pushed = await work(1000);
      const first = await push();
      assert.equal(first.code, 0, first.out);
      const made = await key();
      assert.equal(made.status, 201, made.text);
      living.push(made.body.token);
    });
    after(async () => {
      await server?.stop();
      await database?.stop();
      room?.close();
      await rm(home, { recursive: true, force: true });
      await rm(room.folder, { recursive: true, force: true });
    });

    async function spawnLimited(folder: string): Promise<Server> {
      return spawnServer({ data: join(folder, 'data'), env });
    }

    /** Everything acknowledged is there and nothing else is; everything works. */
    async function isWhole(refusedBranches: readonly string[]): Promise<void> {
      for (const token of living) assert.equal((await server.api('GET', '/user', { token })).status, 200);
      assert.equal(await headOf('pushed'), pushed);
      for (const branch of refusedBranches) assert.equal(await headOf(branch), undefined, branch);
      const tokens = await server.api('GET', `/personal_access_tokens?state=active&user_id=${root}&per_page=100`);
      const named = tokens.body.filter((one: { name: string }) => one.name === 'disk');
      assert.equal(named.length, living.length, `no key that nobody was given: ${tokens.text.slice(0, 600)}`);
      for (const store of repositories(join(server.data, 'repositories'))) {
        const checked = await git(`--git-dir=${store}`, 'fsck', '--full');
        assert.equal(checked.code, 0, checked.out);
      }
      const made = await key();
      assert.equal(made.status, 201, made.text);
      living.push(made.body.token);
      const branch = `after-${living.length}`;
      const written = await commit(branch, 100);
      assert.equal(written.status, 201, written.text);
      const next = await work(2000 + living.length);
      const again = await push();
      assert.equal(again.code, 0, again.out);
      pushed = next;
      assert.equal(await headOf('pushed'), pushed);
      const large = randomBytes(1000);
      assert.equal((await upload(large)).status, 200);
      uploaded.push(oidOf(large));
      for (const oid of uploaded) assert.equal(await hasObject(oid), true, 'an object of LFS is lost');
      assert.deepEqual(await findings({ KEYWARD_DATA: server.data, ...env }, home), [], 'the doctor');
    }

    /** Refuses with a sentence about the disk, or answers as always. `isDatabaseHit`: the database stands on that disk too. */
    async function tryEverything(sentence: RegExp, isDatabaseHit: boolean): Promise<string[]> {
      const refused: string[] = [];
      let said = 0;
      for (let index = 0; isDatabaseHit && index < 200 && said < 3; index++) {
        const made = await key();
        if (made.status === 201) living.push(made.body.token);
        else {
          said++;
          assert.match(`${made.status} ${made.body.message}`, sentence);
        }
      }
      assert.ok(!isDatabaseHit || said > 0, 'keys are refused');
      for (const size of [200_000, 3_000_000]) {
        const branch = `refused-${living.length}-${size}`;
        const written = await commit(branch, size);
        assert.match(`${written.status} ${written.body.message}`, sentence, written.text);
        refused.push(branch);
      }
      const large = randomBytes(3_000_000);
      const object = await upload(large);
      assert.match(
        `${object.status} ${object.message}`,
        /^507 (?:507 Insufficient Storage - )?There is no room left|^500 (?:500 Internal Server Error - )?The server could not write/,
      );
      assert.equal(await hasObject(oidOf(large)), false, 'half an object of LFS');
      const before = await headOf('pushed');
      await work(3_000_000 + living.length);
      const sent = await push();
      assert.notEqual(sent.code, 0);
      assert.match(
        sent.out,
        /No space left|no room|could not write|unpack|File too large|remote rejected|RPC failed|error: 5\d\d/i,
      );
      assert.equal(before, pushed, 'and reading goes on');
      assert.equal((await server.http('GET', '/-/health')).status, 200);
      await git('reset', '-q', '--hard', pushed);
      return refused;
    }

    test('a full one: clear refusals, no damage, and it goes on when there is room again', async () => {
      room.fill(server);
      const refused = await tryEverything(
        /^507 507 Insufficient Storage|^500 500 Internal Server Error - The server could not write/,
        engine === 'sqlite' || room.isMounted,
      ).finally(() => room.clear(server));
      await isWhole(refused);
    });

    test('one whose fsync fails: the same', async () => {
      const tracer = await failFsync(server);
      const refused = await tryEverything(
        /^500 500 Internal Server Error - The server could not write|^507 507 Insufficient/,
        engine === 'sqlite',
      ).finally(() => stop(tracer));
      await isWhole(refused);
    });

    test('and after a restart all of it is as it was', async () => {
      const { data } = server;
      await server.stop();
      server = await spawnServer({ data, env });
      await isWhole([]);
    });
  });

/** From now on every fsync of the server and of its gits fails with EIO, until the tracer is stopped. */
async function failFsync(server: Server): Promise<ChildProcess> {
  const pids = processesOf(server).flatMap((pid) => ['-p', pid]);
  const calls = 'fsync,fdatasync,sync_file_range';
  const tracer = spawn('strace', [
    '-f',
    '-qq',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=EIO`,
    '-o',
    '/dev/null',
    ...pids,
  ]);
  let failed = '';
  tracer.stderr.on('data', (chunk) => (failed += chunk));
  tracer.on('error', (error) => (failed += error.message));
  await wait(1500);
  assert.equal(tracer.exitCode, null, failed);
  assert.equal(failed, '');
  return tracer;
}

async function stop(tracer: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => tracer.once('exit', resolve));
  tracer.kill('SIGTERM');
  await gone;
}

function repositories(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.git'))
    .map((name) => join(folder, name));
}

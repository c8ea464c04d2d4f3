// The plug is pulled over SSH: the server or its SSH child is killed with SIGKILL at a random moment while pushes and LFS uploads
// come in by SSH. What was acknowledged is there afterwards, byte for byte, nothing is there by halves, and SSH opens again.
// KEYWARD_KILLS says how often on each engine (4 in the normal run, 100 for the long one), KEYWARD_KILL_SEED which moments.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { postgresDatabase } from '../support/engines.ts';
import { spawnServer } from '../support/server.ts';

const KILLS = Number(process.env['KEYWARD_KILLS'] ?? 4);
const SEED = Number(process.env['KEYWARD_KILL_SEED'] ?? 20260302);

interface Ran {
  readonly code: number;
  readonly out: string;
}

for (const engine of ['sqlite', 'postgres'] as const)
  it(`SSH keeps what it acknowledged, ${KILLS} kills (${engine})`, { timeout: 90_000 + KILLS * 20_000 }, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-kill-ssh-'));
    let over = { value: false };
    t.after(() => {
      over.value = true;
    });
    t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));
    const database = engine === 'postgres' ? await postgresDatabase() : null;
    t.after(() => database?.drop());
    const key = join(folder, 'key');
    await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const port = await freePort();
    const options = [
      '-F',
      '/dev/null',
      '-T',
      '-p',
      `${port}`,
      '-i',
      key,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
    ];
    for (const option of ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'])
      options.push('-o', option);
    const env = {
      PATH: process.env['PATH'],
      HOME: folder,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_SSH_COMMAND: ['ssh', ...options].join(' '),
      GIT_SSH_VARIANT: 'ssh',
    };
    const run = (cwd: string, program: string, args: readonly string[]) => ran(program, args, cwd, env);
    const git = (cwd: string, ...args: string[]) =>
      run(cwd, 'git', ['-c', 'user.name=Client', '-c', 'user.email=client@example.com', ...args]);
    const ssh = (...command: string[]) => run(folder, 'ssh', [...options, 'git@127.0.0.1', ...command]);
    const url = `ssh://git@127.0.0.1:${port}/root/plug.git`;
    const settings = {
      KEYWARD_SSH_LISTEN: `127.0.0.1:${port}`,
      ...(database && { KEYWARD_DATABASE_URL: database.url }),
    };
    const start = () => spawnServer({ data: join(folder, 'data'), env: settings });

    const branches = new Map<string, string>();
    const objects = new Map<string, number>();
    const kills = { server: 0, child: 0 };
    let state = SEED;
    const random = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };

    let names = 0;
    async function push(tree: string): Promise<void> {
      const name = `push-${++names}`;
      await writeFile(join(tree, 'file.bin'), randomBytes(200_000));
      await git(tree, 'add', '-A');
      await git(tree, 'commit', '-q', '-m', name);
      const head = (await git(tree, 'rev-parse', 'HEAD')).out.trim();
      const pushed = await git(tree, 'push', '-q', url, `HEAD:refs/heads/${name}`);
      if (pushed.code === 0) branches.set(name, head);
    }

    async function upload(): Promise<void> {
      const told = await ssh('git-lfs-authenticate', 'root/plug.git', 'upload');
      if (told.code !== 0) return;
      const { href, header } = JSON.parse(told.out) as { href: string; header: Record<string, string> };
      for (let count = 0; count < 5; count += 1) {
        const bytes = randomBytes(1 + Math.floor(random() * 600_000));
        const oid = createHash('sha256').update(bytes).digest('hex');
        const batch = await fetch(`${href}/objects/batch`, {
          method: 'POST',
          headers: { ...header, 'content-type': 'application/vnd.git-lfs+json' },
          body: JSON.stringify({ operation: 'upload', objects: [{ oid, size: bytes.length }] }),
        });
        const { objects: offered } = (await batch.json()) as {
          objects: { actions: { upload: { href: string; header: Record<string, string> } } }[];
        };
        const { Authorization = '' } = offered[0]!.actions.upload.header;
        const sent = await fetch(offered[0]!.actions.upload.href, {
          method: 'PUT',
          headers: { Authorization },
          body: bytes,
        });
        if (sent.status === 200) objects.set(oid, bytes.length);
      }
    }

    async function work(over: { value: boolean }, step: () => Promise<void>): Promise<void> {
      while (!over.value) await step().catch(() => pause(20));
    }

    async function check(serverUrl: string, token: string): Promise<void> {
      const refs = await git(folder, 'ls-remote', url);
      assert.equal(refs.code, 0, refs.out);
      for (const [name, head] of branches)
        assert.ok(refs.out.includes(`${head}\trefs/heads/${name}\n`), `${name} is lost`);
      const authorization = `Basic ${Buffer.from(`root:${token}`).toString('base64')}`;
      for (const [oid, size] of objects) {
        const answer = await fetch(`${serverUrl}/root/plug.git/gitlab-lfs/objects/${oid}`, {
          headers: { authorization },
        });
        const bytes = Buffer.from(await answer.arrayBuffer());
        assert.equal(answer.status, 200, 'an acknowledged object is gone');
        assert.equal(bytes.length, size);
        assert.equal(createHash('sha256').update(bytes).digest('hex'), oid);
      }
      // Every round looks at all branches, but reads an object only once or twice: they do not change.
      for (const oid of [...objects.keys()].slice(0, -20)) objects.delete(oid);
      const root = join(folder, 'data', 'repositories');
      for (const name of await readdir(root, { recursive: true })) {
        if (!/^[0-9a-f]{2}\/[0-9a-f]{2}\/\d+\.git$/.test(name)) continue;
        const checked = await git(join(root, name), `--git-dir=${join(root, name)}`, 'fsck', '--connectivity-only');
        assert.doesNotMatch(checked.out, /^(?:error|fatal|missing|broken)/m, name);
      }
    }

    let server = await start();
    assert.equal((await server.api('POST', '/projects', { body: { name: 'plug' } })).status, 201);
    const line = (await readFile(`${key}.pub`, 'utf8')).trim();
    assert.equal((await server.api('POST', '/user/keys', { body: { title: 'k', key: line } })).status, 201);
    const trees = ['one', 'two'].map((name) => join(folder, name));
    for (const tree of trees) await git(folder, 'init', '-q', '-b', 'main', tree);
    let objectCount = 0;
    for (let round = 0; round < KILLS; round += 1) {
      over = { value: false };
      const here = over;
      const busy = [...trees.map((tree) => () => push(tree)), upload, upload].map((step) => work(here, step));
      await pause(300 + random() * 1500);
      if (round % 2 === 0) {
        kills.server += 1;
        process.kill(await childOf(server.child.pid!, 'main.ts'), 'SIGKILL');
        await server.stop();
        over.value = true;
        await Promise.all(busy);
        server = await start();
      } else {
        kills.child += 1;
        const child = await childOf(await childOf(server.child.pid!, 'main.ts'), 'ssh2-child');
        process.kill(child, 'SIGKILL');
        for (let tries = 0; (await ssh()).code !== 0; tries += 1) {
          assert.ok(tries < 50, 'SSH does not open again');
          await pause(100);
        }
        over.value = true;
        await Promise.all(busy);
      }
      objectCount = Math.max(objectCount, objects.size);
      await check(server.url, server.rootToken);
    }
    await server.stop();
    t.diagnostic(
      `${branches.size} pushes acknowledged, ${kills.server} servers and ${kills.child} SSH children killed`,
    );
    assert.ok(branches.size > 0 && objectCount > 0, `${branches.size} pushes, ${objectCount} objects`);
  });

async function ran(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  try {
    const { stdout, stderr } = await promisify(execFile)(program, args, { cwd, env, maxBuffer: 2 ** 26 });
    return { code: 0, out: `${stdout}${stderr}` };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { code: 1, out: `${stdout}${stderr}` };
  }
}

/** The child of a process that runs `program`: the launcher's is the server, the server's is the SSH child. */
async function childOf(process: number, program: string): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [stat, line] = await Promise.all([
      readFile(`/proc/${name}/stat`, 'utf8').catch(() => ''),
      readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => ''),
    ]);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent === process && line.includes(program)) return Number(name);
  }
  throw new Error(`no child runs ${program}`);
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address() as { port: number };
  await new Promise((done) => probe.close(done));
  return port;
}

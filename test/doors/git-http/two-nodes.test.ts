// Two servers on one PostgreSQL: a key that ends on one of them is dead on the other at its next request, and what it still
// holds open there ends, too.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import pino from 'pino';
import { readConfig } from '../../../src/config.ts';
import { liveUsesOf } from '../../../src/credentials/live-uses.ts';
import { type RunningServer, startServer } from '../../../src/server.ts';
import { postgresDatabase } from '../../support/engines.ts';
import { ROOT_TOKEN } from '../../support/server.ts';

const run = promisify(execFile);

describe('two servers on one PostgreSQL', () => {
  let folder = '';
  let database: Awaited<ReturnType<typeof postgresDatabase>>;
  let nodes: RunningServer[] = [];
  let head = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-nodes-'));
    database = await postgresDatabase();
    await mkdir(join(folder, 'repositories'));
    for (const name of ['a', 'b']) {
      await mkdir(join(folder, name));
      await symlink(join(folder, 'repositories'), join(folder, name, 'repositories'));
    }
    nodes = await Promise.all(
      ['a', 'b'].map((name) => startServer(configOf(name), { log: pino({ level: 'silent' }) })),
    );
    await api(0, 'POST', '/projects', { name: 'app' });
    const tree = join(folder, 'tree');
    const git = (...args: string[]) =>
      run('git', args, { cwd: tree, env: { PATH: process.env['PATH'], HOME: folder } });
    await mkdir(tree);
    await writeFile(join(tree, 'big.bin'), randomBytes(24 * 1024 * 1024));
    await git('init', '-q', '-b', 'main');
    await git('add', '-A');
    await git('-c', 'user.name=A', '-c', 'user.email=a@example.com', 'commit', '-q', '-m', 'big');
    const { host } = new URL(nodes[0]!.url);
    await git('push', '-q', `http://x:${ROOT_TOKEN}@${host}/root/app.git`, 'main');
    head = (await git('rev-parse', 'HEAD')).stdout.trim();
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  function configOf(name: string) {
    const env = {
      KEYWARD_DATA: join(folder, name),
      KEYWARD_KEYS: join(folder, 'keys'),
      KEYWARD_LISTEN: '127.0.0.1:0',
      KEYWARD_SSH_LISTEN: name === 'b' ? '127.0.0.1:0' : 'off',
      KEYWARD_DATABASE_URL: database.url,
      KEYWARD_ROOT_TOKEN: ROOT_TOKEN,
    };
    return readConfig(env, folder);
  }

  async function api(node: number, method: string, path: string, body?: unknown, token = ROOT_TOKEN) {
    const answer = await fetch(`${nodes[node]!.url}/api/v4${path}`, {
      method,
      headers: { 'private-token': token, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** A user with a token, who may read the project. */
  async function reader(username: string): Promise<{ userId: number; id: number; token: string }> {
    const user = { username, name: username, email: `${username}@example.com`, password: 'a long password' };
    const { body: made } = await api(0, 'POST', '/users', { ...user, skip_confirmation: true });
    const member = { user_id: made.id, access_level: 20 };
    assert.equal((await api(0, 'POST', '/projects/root%2Fapp/members', member)).status, 201);
    const wish = { name: 'key', scopes: ['api'] };
    const { body: key } = await api(0, 'POST', `/users/${made.id}/personal_access_tokens`, wish);
    return { userId: made.id, id: key.id, token: key.token };
  }

  /** A clone from the second server that has begun and is read no further. */
  async function begunClone(token: string) {
    const line = (text: string) => (text.length + 4).toString(16).padStart(4, '0') + text;
    const answer = await fetch(`${nodes[1]!.url}/root/app.git/git-upload-pack`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
      body: `${line(`want ${head}\n`)}0000${line('done\n')}`,
    });
    assert.equal(answer.status, 200);
    const stream = answer.body!.getReader();
    await stream.read();
    assert.equal(liveUsesOf(nodes[1]!.services).size, 1);
    return stream;
  }

  async function assertCut(stream: Awaited<ReturnType<typeof begunClone>>): Promise<void> {
    for (let wait = 0; wait < 100 && liveUsesOf(nodes[1]!.services).size > 0; wait += 1)
      await new Promise((done) => setTimeout(done, 100));
    assert.equal(liveUsesOf(nodes[1]!.services).size, 0);
    await assert.rejects(async () => {
      while (!(await stream.read()).done);
    }, /terminated|aborted/);
  }

  it('hold a revoked key for dead at once, and end the clone that runs under it', async () => {
    const { id, token } = await reader('rea');
    assert.equal((await api(1, 'GET', '/user', undefined, token)).status, 200);
    const stream = await begunClone(token);
    assert.equal((await api(0, 'DELETE', `/personal_access_tokens/${id}`)).status, 204);
    assert.equal((await api(1, 'GET', '/user', undefined, token)).status, 401);
    const refs = await fetch(`${nodes[1]!.url}/root/app.git/info/refs?service=git-upload-pack`, {
      headers: { authorization: `Basic ${Buffer.from(`x:${token}`).toString('base64')}` },
    });
    assert.equal(refs.status, 401);
    await assertCut(stream);
  });

  /** A session of git over SSH on the second server that was told the refs and waits for what the client wants. */
  async function begunSession(key: string, command: string): Promise<ChildProcess> {
    const { port } = new URL(nodes[1]!.services.sshUrl!);
    const trust = ['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'];
    const identity = ['-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-i', key];
    const child = spawn('ssh', ['-F', '/dev/null', '-T', '-p', port, ...trust, ...identity, 'git@127.0.0.1', command], {
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: 60_000,
    });
    await once(child.stdout!, 'data');
    child.stdout!.resume();
    return child;
  }

  it('end what a deploy key does in a project where it is disabled, and leave it the others', async () => {
    const key = join(folder, 'deploy-key');
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
    const wish = { title: 'ci', key: await readFile(`${key}.pub`, 'utf8'), can_push: true };
    const { body: made } = await api(0, 'POST', '/projects/root%2Fapp/deploy_keys', wish);
    await api(0, 'POST', '/projects', { name: 'other', initialize_with_readme: true });
    assert.equal((await api(0, 'POST', `/projects/root%2Fother/deploy_keys/${made.id}/enable`)).status, 201);
    // One key has two slots for git on a small machine: a third session would wait.
    const push = await begunSession(key, "git-receive-pack 'root/app'");
    const other = await begunSession(key, "git-upload-pack 'root/other'");
    const ended = once(push, 'close');
    assert.equal((await api(0, 'DELETE', `/projects/root%2Fapp/deploy_keys/${made.id}`)).status, 204);
    const [code] = await ended;
    assert.equal(code, 1);
    assert.equal(liveUsesOf(nodes[1]!.services).size, 1);
    other.stdin!.end('0000');
    assert.deepEqual(await once(other, 'close'), [0, null]);
  });

  it('shut out a blocked user at once, and end what he has open', async () => {
    const { userId, token } = await reader('bea');
    const stream = await begunClone(token);
    assert.equal((await api(0, 'POST', `/users/${userId}/block`)).status, 201);
    assert.equal((await api(1, 'GET', '/user', undefined, token)).status >= 400, true);
    await assertCut(stream);
  });
});

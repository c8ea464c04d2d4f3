// The program as people start it: `keyward serve` as a child process, its signals and exit codes, and the command line beside
// a running server and without one.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { ROOT_PASSWORD, ROOT_TOKEN, spawnServer } from '../support/server.ts';

const PROGRAM = new URL('../../bin/keyward', import.meta.url).pathname;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function keyward(args: readonly string[], env: Record<string, string>, input = ''): Promise<Ended> {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], ...env },
    cwd: tmpdir(),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdin.end(input);
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })));
}

describe('keyward serve', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const cleanup of cleanups) await cleanup();
  });
  const newFolder = async (): Promise<string> => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-cli-'));
    cleanups.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  };

  it('says where it is, answers with the given root token, and ends with 0 on SIGTERM', async () => {
    const data = join(await newFolder(), 'data');
    const server = await spawnServer({ data });
    const answer = await server.api('GET', '/personal_access_tokens/self');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.body.scopes, ['api', 'sudo', 'admin_mode']);
    assert.match(server.output(), new RegExp(`Keyward is ready at ${server.url}`));
    assert.doesNotMatch(server.output(), /this is shown once/, 'the password was given, so none is shown');
    assert.equal(statSync(data).mode & 0o777, 0o700);
    assert.equal(statSync(join(data, 'keyward.db')).mode & 0o777, 0o600);
    const ended = new Promise((resolve) => server.child.on('exit', (code) => resolve(code)));
    server.child.kill('SIGTERM');
    assert.equal(await ended, 0);
    for (const secret of [ROOT_TOKEN, ROOT_PASSWORD])
      assert.ok(!server.output().includes(secret), 'no secret is printed');
    await server.stop();
  });

  it('shows a made-up root password once, and never again', async () => {
    const data = join(await newFolder(), 'data');
    const first = await spawnServer({ data, env: { KEYWARD_ROOT_PASSWORD: '' } });
    const password = /password {2}(\S+)/.exec(first.output())?.[1] ?? '';
    assert.ok(password.length >= 20);
    const session = await first.http('POST', '/api/v4/keyward/session', { body: { login: 'root', password } });
    assert.equal(session.status, 201);
    await first.stop();
    const second = await spawnServer({ data, env: { KEYWARD_ROOT_PASSWORD: '', KEYWARD_ROOT_TOKEN: '' } });
    assert.doesNotMatch(second.output(), /password/);
    assert.equal((await second.api('GET', '/version')).status, 200, 'the token of the first start is remembered');
    await second.stop();
  });

  it('refuses a second server on the same folder, and bad settings by name', async () => {
    const data = join(await newFolder(), 'data');
    const server = await spawnServer({ data });
    const second = await keyward(['serve'], {
      KEYWARD_DATA: data,
      KEYWARD_LISTEN: '127.0.0.1:0',
      KEYWARD_SSH_LISTEN: 'off',
    });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /already running on/);
    assert.equal((await server.api('GET', '/version')).status, 200, 'the first is not disturbed');
    const port = new URL(server.url).port;
    const taken = await keyward(['serve'], { KEYWARD_DATA: join(data, 'other'), KEYWARD_LISTEN: `127.0.0.1:${port}` });
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /KEYWARD_LISTEN\): another program listens there/);
    const file = await keyward(['serve'], { KEYWARD_DATA: join(data, 'keyward.db'), KEYWARD_LISTEN: '127.0.0.1:0' });
    assert.equal(file.code, 1);
    assert.match(file.stderr, /keyward\.db \(KEYWARD_DATA\) cannot be made/);
    const bad = await keyward(['serve'], {
      KEYWARD_DATA: data,
      KEYWARD_LISTEN: 'nowhere',
      KEYWARD_ROOT_TOKEN: 'hunter2',
    });
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /KEYWARD_LISTEN must be/);
    assert.match(bad.stderr, /KEYWARD_ROOT_TOKEN must be/);
    assert.doesNotMatch(bad.stderr, /hunter2/);
    await server.stop();
  });

  it('says what each command without options does, instead of doing it', async () => {
    for (const command of ['serve', 'sshd-config', 'ssh-authorized-keys', 'ssh-command']) {
      const help = await keyward([command, '--help'], {});
      assert.equal(help.code, 0, help.stderr);
      assert.ok(help.stdout.startsWith(`keyward ${command}`), help.stdout);
    }
  });

  it('leaves no server behind when its launcher is killed outright', async () => {
    const server = await spawnServer();
    const pid = Number(/"pid":(\d+)/.exec(server.output())![1]);
    assert.notEqual(pid, server.child.pid);
    server.child.kill('SIGKILL');
    const deadline = performance.now() + 10_000;
    const isAlive = () => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };
    while (isAlive() && performance.now() < deadline) await new Promise((next) => setTimeout(next, 50));
    assert.equal(isAlive(), false);
    await server.stop();
  });

  it('answers token commands beside a running server and without one, alike', async () => {
    const data = join(await newFolder(), 'data');
    const env = { KEYWARD_DATA: data };
    const nothing = await keyward(['token', 'list'], env);
    assert.equal(nothing.code, 1);
    assert.match(nothing.stderr, /there is no Keyward in/);

    const server = await spawnServer({ data });
    const made = await keyward(
      ['token', 'create', '--user', 'root', '--name', 'cli', '--scope', 'read_api,read_user', '--json'],
      env,
    );
    assert.equal(made.code, 0, made.stderr);
    const key = JSON.parse(made.stdout);
    assert.deepEqual(
      [key.kind, key.scopes, key.belongs_to],
      ['personal_access_token', ['read_api', 'read_user'], 'root'],
    );
    assert.equal((await server.api('GET', '/personal_access_tokens/self', { token: key.token })).status, 200);

    const yes = await keyward(['explain', '--token-stdin', '--action', 'self:read', '--json'], env, `${key.token}\n`);
    assert.equal(yes.code, 0, yes.stderr);
    assert.equal(JSON.parse(yes.stdout).allowed, true);
    const no = await keyward(['explain', '--credential', String(key.id), '--action', 'group:create'], env);
    assert.equal(no.code, 3);
    assert.match(no.stdout, /refused by the lock "scope"/);

    const rotated = await keyward(['token', 'rotate', String(key.id), '--json'], env);
    assert.equal(rotated.code, 0, rotated.stderr);
    const next = JSON.parse(rotated.stdout);
    assert.equal(
      (await server.api('GET', '/personal_access_tokens/self', { token: key.token })).status,
      401,
      'the old one is dead',
    );
    assert.equal((await server.api('GET', '/personal_access_tokens/self', { token: next.token })).status, 200);
    const audit = await server.api('GET', '/audit_events?per_page=100');
    assert.ok(!audit.text.includes(next.token), 'no secret in the audit');
    await server.stop();

    const list = await keyward(['token', 'list', '--user', 'root', '--state', 'active', '--json'], env);
    assert.equal(list.code, 0, list.stderr);
    assert.ok(JSON.parse(list.stdout).some((row: { id: number }) => row.id === next.id));
    const revoked = await keyward(['token', 'revoke', String(next.id)], env);
    assert.equal(revoked.code, 0, revoked.stderr);
    const dead = await keyward(['explain', '--token-stdin', '--action', 'self:read'], env, next.token);
    assert.equal(dead.code, 3);
    assert.match(dead.stdout, /refused by the lock "alive"/);
  });

  it('tells wrong commands with exit code 2', async () => {
    const env = { KEYWARD_DATA: await newFolder() };
    for (const args of [
      ['nonsense'],
      ['token'],
      ['token', 'explode'],
      ['token', 'list', '--nonsense'],
      ['serve', 'now'],
    ]) {
      const ended = await keyward(args, env);
      assert.equal(ended.code, 2, args.join(' '));
    }
    const help = await keyward(['help', 'token', 'create'], env);
    assert.equal(help.code, 0);
    assert.match(help.stdout, /--scope SCOPE/);
    assert.match((await keyward(['--version'], env)).stdout, /^keyward \d+\.\d+\.\d+\n$/);
  });
});

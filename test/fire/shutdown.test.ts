// A server is told to stop while it works: what is under way ends, what was noted is written, what was promised is done after the
// next start. And a start: one server to a folder, said in a plain sentence.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT_TOKEN, spawnServer } from '../support/server.ts';

const wait = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

describe('a server that is told to stop', () => {
  let folder: string;
  let data: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-stop-'));
    data = join(folder, 'data');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const rows = (query: string): Record<string, unknown>[] => {
    const db = new DatabaseSync(join(data, 'keyward.db'), { readOnly: true });
    try {
      return db.prepare(query).all() as Record<string, unknown>[];
    } finally {
      db.close();
    }
  };

  test('ends what is under way, takes nothing new, and goes with 0', async () => {
    const server = await spawnServer({ data });
    const { hostname, port } = new URL(server.url);
    const body = JSON.stringify({ name: 'under-way' });
    const headers = {
      'private-token': ROOT_TOKEN,
      'content-type': 'application/json',
      'content-length': String(body.length),
    };
    const sent = request({ hostname, port, method: 'POST', path: '/api/v4/projects', headers, agent: false });
    const answered = once(sent, 'response');
    sent.write(body.slice(0, 5));
    await wait(200);
    server.child.kill('SIGTERM');
    const exit = once(server.child, 'exit');
    await wait(300);
    await assert.rejects(server.http('GET', '/-/liveness', { headers: { connection: 'close' } }), 'no new connection');
    sent.end(body.slice(5));
    const [response] = await answered;
    assert.equal(response.statusCode, 201);
    response.resume();
    assert.deepEqual((await exit).slice(0, 2), [0, null]);
    await server.stop();
    assert.equal(rows("select id from projects where path = 'under-way'").length, 1);
  });

  test('writes down what it had only noted: uses of keys, refusals, events', async () => {
    const server = await spawnServer({ data });
    const { id } = (await server.api('GET', '/user')).body;
    const made = await server.api('POST', `/users/${id}/personal_access_tokens`, {
      body: { name: 'n', scopes: ['read_user'] },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal((await server.api('GET', '/user', { token: made.body.token })).status, 200);
    for (let index = 0; index < 3; index++)
      assert.equal((await server.api('GET', '/user', { token: `glpat-${'x'.repeat(19)}${index}` })).status, 401);
    await server.stop();
    assert.equal(server.child.exitCode, 0);
    const uses = rows(`select last_used_at from credential_uses where credential_id = ${made.body.id}`);
    assert.ok(Number(uses[0]?.['last_used_at']) > 0);
    assert.equal(Number(rows('select sum(count) as n from audit_refusals')[0]?.['n']), 3);
    const event = `select id from audit_events where target_id = '${made.body.id}'`;
    assert.ok(rows(event).length > 0);
  });

  test('does after the next start what it had promised', async () => {
    const server = await spawnServer({ data });
    const made = await server.api('POST', '/projects', { body: { name: 'promised', initialize_with_readme: true } });
    assert.equal(made.status, 201, made.text);
    const repository = rows(`select repository_id as id from projects where id = ${made.body.id}`)[0]!['id'];
    const isThere = async () =>
      (await readdir(join(data, 'repositories'), { recursive: true })).some(
        (name) => name.endsWith(`/${repository}.git`) && !name.startsWith('+trash'),
      );
    assert.ok(await isThere());
    assert.equal((await server.api('DELETE', `/projects/${made.body.id}`)).status, 202);
    server.kill();
    await server.stop();
    const again = await spawnServer({ data });
    const deadline = performance.now() + 20_000;
    while ((await isThere()) && performance.now() < deadline) await wait(100);
    await again.stop();
    assert.ok(!(await isThere()), 'the repository of a deleted project is still there');
  });

  test('lets a push end, and a second signal does not cut it', async () => {
    const server = await spawnServer({ data });
    const made = await server.api('POST', '/projects', { body: { name: 'pushed' } });
    assert.equal(made.status, 201, made.text);
    const tree = join(folder, 'tree');
    const env = { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
    const git = (...args: string[]) => promisify(execFile)('git', args, { cwd: tree, env });
    await promisify(execFile)('git', ['init', '-q', '-b', 'main', tree], { env });
    await writeFile(join(tree, 'big'), randomBytes(40_000_000));
    await git('add', '-A');
    await git('-c', 'user.name=C', '-c', 'user.email=c@example.com', 'commit', '-q', '-m', 'big');
    const remote = `${server.url.replace('://', `://x:${ROOT_TOKEN}@`)}/root/pushed.git`;
    const push = spawn('git', ['push', '-q', remote, 'HEAD:main'], { cwd: tree, env, stdio: 'ignore' });
    const pushed = once(push, 'exit');
    const log = () => server.output();
    const deadline = performance.now() + 10_000;
    // The pack comes after the refs were asked for.
    while (!log().includes('info/refs') && performance.now() < deadline) await wait(10);
    await wait(250);
    server.child.kill('SIGTERM');
    const [code] = await pushed;
    await server.stop();
    assert.equal(server.child.exitCode, 0);
    const again = await spawnServer({ data });
    const branch = await again.api('GET', `/projects/${made.body.id}/repository/branches/main`);
    await again.stop();
    assert.equal(branch.status, code === 0 ? 200 : 404, 'a push is there when, and only when, it was acknowledged');
    assert.equal(rows("select id from pushes where state = 'intended'").length, 0);
  });

  test('keeps others off its folder, and says who has it', async () => {
    const server = await spawnServer({ data });
    await assert.rejects(spawnServer({ data }), (error: Error) => {
      assert.match(error.message, /keyward: .*(?:another|already|running)/i);
      assert.doesNotMatch(error.message, /^\s+at /m);
      return true;
    });
    assert.equal((await server.api('GET', '/version')).status, 200, 'the first one is none the worse');
    await server.stop();
  });
});

// Nothing is lost when the server is killed while it seals, and a backup made while people work is whole: every ref in it has its
// objects, every row its repository, the audit its chain. And a backup of one engine is restored on the other.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { postgresDatabase } from '../support/engines.ts';
import { spawnServer, startServer } from '../support/server.ts';

const PROGRAM = new URL('../../bin/keyward', import.meta.url).pathname;

function keyward(args: readonly string[], env: Record<string, string>) {
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) =>
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: { PATH: process.env['PATH'], ...env }, cwd: tmpdir(), maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

async function damageOf(env: Record<string, string>, ...options: string[]): Promise<string[]> {
  const { stdout, stderr } = await keyward(['doctor', '--json', ...options], env);
  assert.ok(stdout.startsWith('{'), stdout + stderr);
  const { findings } = JSON.parse(stdout) as { findings: { level: string; text: string }[] };
  return findings.filter(({ level }) => level === 'damage').map(({ text }) => text);
}

describe('under load', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-load-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('a server that is killed while it seals leaves a chain without a fault', async () => {
    const data = join(folder, 'killed');
    const acknowledged: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      const server = await spawnServer({ data });
      const gone = new Promise((resolve) => server.child.once('exit', resolve));
      let isKilled = false;
      const work = (async () => {
        while (!isKilled) {
          const body = { name: 'k', scopes: ['api'] };
          const made = await server.api('POST', '/users/2/personal_access_tokens', { body }).catch(() => null);
          if (made?.status === 201) acknowledged.push(made.body.id);
        }
      })();
      await new Promise((resolve) => setTimeout(resolve, 700 + round * 333));
      server.kill();
      isKilled = true;
      await Promise.all([gone, work]);
      assert.deepEqual(await damageOf({ KEYWARD_DATA: data }), [], `round ${round}`);
      await server.stop();
    }
    assert.ok(acknowledged.length > 4, 'something was made');
    const server = await spawnServer({ data });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    for (const id of acknowledged.slice(-3)) {
      const found = await server.api('GET', `/personal_access_tokens/${id}`);
      assert.equal(found.status, 200, `key ${id} was acknowledged`);
    }
    await server.stop();
    assert.deepEqual(await damageOf({ KEYWARD_DATA: data }), []);
  });

  it('a backup is whole although people commit and delete meanwhile, and the other engine takes it', async () => {
    const server = await startServer();
    for (let index = 0; index < 6; index += 1)
      await server.api('POST', '/projects', { body: { name: `p${index}`, initialize_with_readme: true } });
    let isOver = false;
    let commits = 0;
    const work = (async () => {
      for (let index = 0; !isOver; index += 1) {
        const file = `/projects/root%2Fp${index % 5}/repository/files/f${index}`;
        const made = await server.api('POST', file, {
          body: { branch: 'main', content: `${index}`, commit_message: 'more' },
        });
        if (made.status === 201) commits += 1;
        if (index === 2) await server.api('DELETE', '/projects/root%2Fp5');
      }
    })();
    const target = join(folder, 'busy');
    const env = { KEYWARD_DATA: server.data };
    const made = await keyward(['backup', target, '--with-keys', '--json'], env);
    isOver = true;
    await work;
    assert.equal(made.code, 0, made.stdout + made.stderr);
    assert.ok(commits > 0);
    const database = await postgresDatabase();
    for (const [name, more] of [
      ['same', {}],
      ['other', { KEYWARD_DATABASE_URL: database.url }],
    ] as const) {
      const restored = { KEYWARD_DATA: join(folder, name), ...more };
      const ended = await keyward(['restore', target, '--json'], restored);
      assert.equal(ended.code, 0, ended.stdout + ended.stderr);
      assert.deepEqual(JSON.parse(ended.stdout).notes, []);
      assert.deepEqual(await damageOf(restored, '--fsck'), [], name);
    }
    await database.drop();
    assert.deepEqual(await damageOf(env, '--fsck'), []);
    await server.stop();
  });
});

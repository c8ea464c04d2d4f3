// Guesses at the password of one account: many at once from many addresses, and spread over two nodes on one PostgreSQL. The lock-out
// lies in the database, so every node and every request that waits for its turn knows of it (reference access-tokens 2.4).
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import { ManualClock, MINUTE } from '../../src/kernel/clock.ts';
import { type RunningServer, startServer } from '../../src/server.ts';
import { postgresDatabase } from '../support/engines.ts';
import { ROOT_PASSWORD } from '../support/server.ts';
import { pause } from './wire.ts';

const GIT = '/a/b.git/info/refs?service=git-upload-pack';

describe('guesses at one account on two nodes', () => {
  const clock = new ManualClock(Date.UTC(2026, 2, 1));
  let folder = '';
  let database: Awaited<ReturnType<typeof postgresDatabase>>;
  const nodes: RunningServer[] = [];
  let addresses = 0;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-accounts-'));
    database = await postgresDatabase();
    for (const name of ['a', 'b']) {
      const env = {
        KEYWARD_DATA: join(folder, name),
        KEYWARD_KEYS: join(folder, 'keys'),
        KEYWARD_LISTEN: '127.0.0.1:0',
        KEYWARD_SSH_LISTEN: 'off',
        KEYWARD_DATABASE_URL: database.url,
        KEYWARD_ROOT_PASSWORD: ROOT_PASSWORD,
        KEYWARD_TRUSTED_PROXIES: '127.0.0.1',
      };
      nodes.push(await startServer(readConfig(env, folder), { log: pino({ level: 'silent' }), clock }));
    }
  });
  after(async () => {
    await Promise.all(nodes.map((node) => node.stop()));
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  /** Each from an address of its own, so that only the account is counted. */
  const headers = () => ({ 'x-forwarded-for': `198.51.100.${++addresses % 250}` });
  const byGit = async (node: number, password: string) => {
    const authorization = `Basic ${Buffer.from(`root:${password}`).toString('base64')}`;
    return (await fetch(`${nodes[node]!.url}${GIT}`, { headers: { ...headers(), authorization } })).status;
  };
  const bySignIn = async (node: number, password: string) =>
    (
      await fetch(`${nodes[node]!.url}/api/v4/keyward/session`, {
        method: 'POST',
        headers: { ...headers(), 'content-type': 'application/json' },
        body: JSON.stringify({ login: 'root', password }),
      })
    ).status;

  it('on one of them lock it on the other as well, for git and for signing in, and it passes', async () => {
    assert.equal(await bySignIn(0, ROOT_PASSWORD), 201);
    for (let index = 0; index < 5; index++) assert.equal(await byGit(0, `wrong ${index}`), 401);
    for (let index = 0; index < 5; index++) assert.equal(await bySignIn(1, `wrong ${index}`), 401);
    for (const node of [0, 1])
      assert.deepEqual([await byGit(node, ROOT_PASSWORD), await bySignIn(node, ROOT_PASSWORD)], [401, 401], `${node}`);
    clock.set(clock.now() + 11 * MINUTE);
    for (const node of [0, 1]) assert.equal(await bySignIn(node, ROOT_PASSWORD), 201);
  });

  it('at once gain nothing: the right one that comes after ten wrong ones is refused, though it was under way', async () => {
    clock.set(clock.now() + 20 * MINUTE);
    const guesses = Array.from({ length: 20 }, (_, index) => bySignIn(0, `wrong ${index}`));
    // They wait for their turn at the password check, two at a time.
    await pause(150);
    const right = bySignIn(0, ROOT_PASSWORD);
    assert.deepEqual(new Set(await Promise.all(guesses)), new Set([401]));
    assert.equal(await right, 401);
  });
});

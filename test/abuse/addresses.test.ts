// Whose failures count as whose: one address over all doors, a /64 of IPv6 as one, what a trusted proxy says and nobody else; and
// an account under attack from many addresses at once (reference access-tokens 2.4).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, beforeEach, describe, it } from 'node:test';
import { addressKey, failureLimitOf } from '../../src/credentials/failure-limit.ts';
import { CROWD_LIMITS } from '../../src/doors/http/crowding.ts';
import { ManualClock, MINUTE } from '../../src/kernel/clock.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Crowd } from './crowd.ts';

const LIMIT = 6;
const basic = (login: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}`,
});
const guess = () => `glpat-${randomBytes(10).toString('hex')}`;
const GIT = '/a/b.git/info/refs?service=git-upload-pack';

describe('the addresses of failures', () => {
  const clock = new ManualClock(Date.UTC(2026, 2, 1));
  let direct: TestServer;
  let proxied: TestServer;
  before(async () => {
    const settings = { failed_authentication_limit: LIMIT };
    direct = await startServer({ clock, settings });
    proxied = await startServer({
      clock,
      settings,
      env: { KEYWARD_TRUSTED_PROXIES: '127.0.0.0/8, 10.1.0.0/16' },
    });
  });
  after(async () => {
    await direct?.stop();
    await proxied?.stop();
  });
  beforeEach(() => clock.set(clock.now() + 20 * MINUTE));

  it('are counted over all doors, and each door says it in its words', async () => {
    const session = (password: string) =>
      direct.http('POST', '/api/v4/keyward/session', { body: { login: 'root', password } });
    for (let index = 0; index < LIMIT / 3; index++) {
      assert.equal((await direct.api('GET', '/user', { token: guess() })).status, 401);
      assert.equal((await direct.http('GET', GIT, { headers: basic('root', guess()) })).status, 401);
      assert.equal((await session('wrong')).status, 401);
    }
    const rest = await direct.api('GET', '/user', { token: direct.rootToken });
    assert.equal(rest.status, 429);
    assert.equal((await session(direct.rootPassword)).status, 429);
    const git = await direct.http('GET', GIT, { headers: basic('root', direct.rootToken) });
    assert.equal(git.status, 403);
    for (const { headers } of [rest, git]) {
      const wait = Number(headers.get('retry-after'));
      assert.ok(wait > 0 && wait <= 180, `Retry-After: ${wait}`);
    }
    assert.equal((await direct.http('GET', '/api/v4/projects')).status, 200, 'who presents nothing is answered');
    clock.set(clock.now() + 3 * MINUTE);
    assert.equal((await direct.api('GET', '/user')).status, 200);
  });

  it('start again with a right key', async () => {
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < LIMIT - 1; index++)
        assert.equal((await direct.api('GET', '/user', { token: guess() })).status, 401);
      assert.equal((await direct.api('GET', '/user')).status, 200);
    }
  });

  it('of a burst are no more than one after another would be, whatever is still being looked at', async () => {
    const bursts = {
      rest: () => direct.api('GET', '/user', { token: guess() }),
      git: () => direct.http('GET', GIT, { headers: basic('nobody', 'wrong') }),
      'sign-in': () => direct.http('POST', '/api/v4/keyward/session', { body: { login: 'nobody', password: 'wrong' } }),
    };
    for (const [door, ask] of Object.entries(bursts)) {
      assert.equal((await direct.api('GET', '/user')).status, 200, 'a good key before it');
      const statuses = (await Promise.all(Array.from({ length: 5 * LIMIT }, ask))).map(({ status }) => status);
      assert.equal(statuses.filter((status) => status === 401).length, LIMIT, door);
      assert.equal(statuses.filter((status) => status === (door === 'git' ? 403 : 429)).length, 4 * LIMIT, door);
      assert.equal((await direct.api('GET', '/user')).status, 429, 'as after so many one by one');
      clock.set(clock.now() + 20 * MINUTE);
    }
    const few = Array.from({ length: LIMIT - 1 }, () => direct.api('GET', '/user', { token: guess() }));
    const good = [direct.api('GET', '/user'), direct.http('GET', GIT, { headers: basic('root', direct.rootPassword) })];
    assert.ok((await Promise.all(few)).every(({ status }) => status === 401));
    assert.deepEqual(
      (await Promise.all(good)).map(({ status }) => status),
      [200, 404],
      'good ones among them',
    );
  });

  it('are the connection’s own unless a trusted proxy names another, and the last untrusted one counts', async () => {
    const ask = (server: TestServer, forwarded: string, token: string) =>
      server.api('GET', '/user', { token, headers: { 'x-forwarded-for': forwarded } });
    for (let index = 0; index < LIMIT; index++) await ask(direct, `203.0.113.${index}`, guess());
    assert.equal((await ask(direct, '203.0.113.99', direct.rootToken)).status, 429, 'nobody chooses his own address');

    for (let index = 0; index < LIMIT; index++) await ask(proxied, `198.51.100.${index}, 203.0.113.5`, guess());
    assert.equal((await ask(proxied, '198.51.100.77, 203.0.113.5', proxied.rootToken)).status, 429);
    assert.equal((await ask(proxied, '203.0.113.5, 10.1.2.3', proxied.rootToken)).status, 429, 'behind two proxies');
    assert.equal((await ask(proxied, '203.0.113.6', proxied.rootToken)).status, 200, 'others behind the proxy go on');
    assert.equal((await ask(proxied, 'nonsense', proxied.rootToken)).status, 200, 'and nonsense breaks nothing');
  });

  it('of IPv6 are one /64 each, and IPv4 in IPv6 is IPv4', () => {
    assert.equal(addressKey('2001:db8:1:2::1'), addressKey('2001:DB8:0001:2:ffff::9'.toLowerCase()));
    assert.notEqual(addressKey('2001:db8:1:2::1'), addressKey('2001:db8:1:3::1'));
    assert.equal(addressKey('::ffff:192.0.2.1'), addressKey('192.0.2.1'));
    assert.equal(addressKey('fe80::1%eth0'), addressKey('fe80::2'));
    assert.equal(addressKey('2001:DB8:1:2::1'), addressKey('2001:db8:1:2::7'));
  });

  it('do not change with a port that a proxy names behind them', async () => {
    assert.equal(addressKey('203.0.113.5:4711'), addressKey('203.0.113.5'));
    assert.equal(addressKey('::ffff:203.0.113.5:4711'), addressKey('203.0.113.5'));
    assert.equal(addressKey('[2001:db8:1:2::1]:4711'), addressKey('2001:db8:1:2::9'));
    const ask = (forwarded: string, token: string) =>
      proxied.api('GET', '/user', { token, headers: { 'x-forwarded-for': forwarded } });
    for (let index = 0; index < LIMIT; index++) await ask(`203.0.113.90:${4000 + index}`, guess());
    assert.equal((await ask('203.0.113.90:5000', proxied.rootToken)).status, 429);
  });

  it('are named by X-Forwarded-For alone, by its last link that is no proxy of ours, however long the chain is', async () => {
    const ask = (headers: Record<string, string>, token: string) => proxied.api('GET', '/user', { token, headers });
    const chain = Array.from({ length: 500 }, (_, index) => `10.9.${index >> 8}.${index & 255}`).join(', ');
    const behind = (last: string) => ({ 'x-forwarded-for': `${chain}, ${last}` });
    for (let index = 0; index < LIMIT; index++)
      await ask(
        { ...behind('2001:db8:77::1'), 'x-real-ip': `192.0.2.${index}`, forwarded: `for=192.0.2.${index}` },
        guess(),
      );
    assert.equal((await ask(behind('2001:db8:77::ffff'), proxied.rootToken)).status, 429, 'the same /64');
    assert.equal(
      (await ask(behind('2001:db8:77::1, 10.1.0.9, 127.0.0.3'), proxied.rootToken)).status,
      429,
      'two proxies on',
    );
    assert.equal((await ask(behind('2001:db8:78::1'), proxied.rootToken)).status, 200);
    for (const garbage of ['', ',', ' , ,', 'unknown', '_hidden', '"[::1]"', '999.1.1.1', 'a'.repeat(4000), '\u00e9'])
      assert.equal((await ask({ 'x-forwarded-for': garbage }, proxied.rootToken)).status, 200, garbage);
  });

  it('are so many at most, and the oldest go first', async () => {
    const limit = failureLimitOf(proxied.services);
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 100_000; index++)
      limit.failed(`10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`);
    assert.ok(process.memoryUsage().heapUsed - before < 64 * 1024 * 1024);
    for (let index = 0; index < LIMIT; index++) limit.failed('192.0.2.200');
    assert.ok((await limit.blockedFor('192.0.2.200')) !== null);
    assert.equal(await limit.blockedFor('10.0.0.1'), null);
  });

  it('of one account lock its password everywhere, and neither its keys nor other accounts', async () => {
    const victim = await proxied.user('victim');
    const bystander = await proxied.user('bystander');
    const enter = (address: string, login: string, password: string) =>
      proxied.http('GET', GIT, { headers: { ...basic(login, password), 'x-forwarded-for': address } });
    assert.notEqual((await enter('192.0.2.1', 'victim', victim.password)).status, 401, 'before, the password is good');
    clock.set(clock.now() + 10 * MINUTE);
    for (let index = 0; index < 10; index++)
      assert.equal((await enter(`192.0.2.${10 + index}`, 'victim', `wrong ${index}`)).status, 401);
    assert.equal((await enter('192.0.2.99', 'victim', victim.password)).status, 401, 'locked, from anywhere');
    assert.notEqual((await enter('192.0.2.99', 'victim', victim.token)).status, 401);
    assert.notEqual((await enter('192.0.2.99', 'bystander', bystander.password)).status, 401);
    clock.set(clock.now() + 11 * MINUTE);
    assert.notEqual((await enter('192.0.2.98', 'victim', victim.password)).status, 401, 'and it passes');
  });

  it('and crowds as well: a proxy carries many people, each with a limit of his own', async () => {
    const crowd = await Crowd.gather(proxied.url, CROWD_LIMITS.requests, 'X-Forwarded-For: 203.0.113.40\r\n');
    const ask = (forwarded: string) => proxied.api('GET', '/version', { headers: { 'x-forwarded-for': forwarded } });
    assert.equal((await ask('203.0.113.40')).status, 429);
    assert.equal((await ask('203.0.113.41')).status, 200);
    await crowd.leave();
  });
});

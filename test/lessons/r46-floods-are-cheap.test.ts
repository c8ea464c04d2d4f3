// Lesson R46 (CVE-2025-12664, CVE-2025-3922: requests without any key could exhaust the server):
// 1. somebody without a key sends thousands of made-up tokens, well-formed or not, and passwords over git;
// 2. each costs a look-up in the database, or a password check of a tenth of a second and 64 MB;
// 3. the server is busy with him alone.
// A wrong checksum costs no look-up, nor does a made-up cookie; a form without one costs one, and none past the limit of its address; made-up keys are never
// tried as passwords; and others are answered all the while.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, afterEach, before, describe, test } from 'node:test';
import { makeRoutable } from '../../src/credentials/token-text.ts';
import { MINUTE } from '../../src/kernel/clock.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('a flood of made-up keys', () => {
  let lab: Lab;
  let lookUps = 0;

  before(async () => {
    lab = await openLab({ settings: { failed_authentication_limit: 30 } });
    const { read } = lab.server.services.db;
    const select = read.selectFrom.bind(read) as (...args: unknown[]) => unknown;
    Object.defineProperty(read, 'selectFrom', {
      value: (table: unknown, ...rest: unknown[]) => {
        if (String(table).startsWith('credentials')) lookUps++;
        return select(table, ...rest);
      },
    });
  });
  after(() => lab?.stop());
  afterEach(() => lab.clock.set(lab.clock.now() + 10 * MINUTE));

  const present = (headers: Record<string, string>) => lab.raw('GET', '/api/v4/user', headers);
  const mistyped = () => {
    const text = makeRoutable('glpat-', { o: 1, u: 7 }, systemRandom).reveal();
    const last = text.at(-1) === 'a' ? 'b' : 'a';
    return text.slice(0, -1) + last;
  };

  test('costs no look-up where the form has a checksum', async () => {
    lookUps = 0;
    for (let index = 0; index < 25; index++) {
      const headers: Record<string, string> =
        index % 2 ? { 'private-token': mistyped() } : { authorization: `Bearer ${mistyped()}` };
      assert.equal((await present(headers)).status, 401);
    }
    assert.equal(lookUps, 0);
  });

  test('costs one look-up each otherwise, and none past the limit', async () => {
    lookUps = 0;
    for (let index = 0; index < 30; index++) {
      const answer = await present({ 'private-token': `glpat-${randomBytes(10).toString('hex')}` });
      assert.equal(answer.status, 401);
    }
    assert.equal(lookUps, 30);
    for (let index = 0; index < 200; index++) {
      const answer = await present({ 'private-token': `glpat-${randomBytes(10).toString('hex')}` });
      assert.equal(answer.status, 429);
      assert.match(String(answer.headers['retry-after']), /^[1-9]\d*$/);
      assert.equal(answer.text, '{"message":"429 Too Many Requests"}');
    }
    const git = await lab.raw('GET', '/a/b.git/info/refs?service=git-upload-pack', basic('x', 'glpat-x'));
    assert.equal(git.status, 403, 'one count for all doors');
    assert.ok(git.headers['retry-after']);
    assert.equal(lookUps, 30);
    assert.equal(
      (await present({ 'private-token': lab.server.rootToken })).status,
      429,
      'unread, so a right one as well',
    );
    assert.equal((await lab.raw('GET', '/api/v4/projects')).status, 200, 'who presents nothing is answered');
    lab.clock.set(lab.clock.now() + 3 * MINUTE);
    assert.equal((await present({ 'private-token': lab.server.rootToken })).status, 200, 'the window has drained');
  });

  test('of session cookies costs no look-up at all, for a cookie checks itself', async () => {
    const body = { login: 'root', password: lab.server.rootPassword };
    const signedIn = await lab.api('POST', '/keyward/session', { token: null, body });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    lookUps = 0;
    for (let index = 0; index < 100; index++) {
      const headers = { cookie: `_gitlab_session=${randomBytes(16).toString('hex')}` };
      assert.equal((await present(headers)).status, 401);
    }
    assert.equal(lookUps, 0);
    assert.equal((await present({ cookie })).status, 200);
    assert.equal(lookUps, 1);
    const last = cookie.endsWith('0') ? '1' : '0';
    assert.equal((await present({ cookie: cookie.slice(0, -1) + last })).status, 401);
    assert.equal(lookUps, 1);
  });

  test('is never tried as a password', async (t) => {
    const asked = t.mock.method(lab.server.services.verifier, 'password');
    const guess = (secret: string) =>
      lab.raw('GET', '/a/b.git/info/refs?service=git-upload-pack', basic('root', secret));
    for (let index = 0; index < 20; index++) {
      const secret = index % 2 ? mistyped() : `glpat-${randomBytes(10).toString('hex')}`;
      assert.equal((await guess(secret)).status, 401);
    }
    assert.equal(asked.mock.callCount(), 0);
    assert.equal((await guess('a password')).status, 401);
    assert.equal(asked.mock.callCount(), 1);
  });

  test('of passwords leaves others answered, and itself gets 429 or 403 in the end', async () => {
    const guesses = Array.from({ length: 40 }, (_, index) =>
      lab.raw('GET', '/a/b.git/info/refs?service=git-upload-pack', basic('nobody', `guess ${index}`)),
    );
    const waited = performance.now();
    const other = await lab.raw('GET', '/api/v4/projects');
    assert.equal(other.status, 200);
    assert.ok(performance.now() - waited < 2000);
    const statuses = new Set((await Promise.all(guesses)).map(({ status }) => status));
    for (const status of statuses) assert.ok([401, 403, 429, 503].includes(status), String(status));
  });

  test('of bodies and parameters is refused before it is worked on', async () => {
    const pairs = Array.from({ length: 100_000 }, (_, index) => `a${index}=1`).join('&');
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const flood = await lab.raw('POST', '/api/v4/keyward/session', form, pairs);
    assert.equal(`${flood.status} ${flood.text}`, '400 {"error":"The form is not well-formed"}');
    const text = { 'content-type': 'application/json', 'content-length': String(2 * 1024 * 1024) };
    const long = await lab.raw(
      'POST',
      '/api/v4/keyward/session',
      text,
      `{"login":"${'a'.repeat(2 * 1024 * 1024 - 12)}"}`,
    );
    assert.equal(long.status, 413, long.text);
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const json = { 'content-type': 'application/json' };
    assert.ok((await lab.raw('POST', '/api/v4/keyward/session', json, deep)).status < 500);
    const nested = `a${'[b]'.repeat(10_000)}=1`;
    assert.ok((await lab.raw('POST', '/api/v4/keyward/session', form, nested)).status < 500);
    const pages = await lab.raw('GET', '/api/v4/projects?per_page=100000000&page=99999999999');
    assert.ok(pages.status < 500, pages.text);
  });
});

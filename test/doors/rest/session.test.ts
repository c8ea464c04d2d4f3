// The browser's session (reference access-tokens 3.6): signing in, the cookie and its proof, signing out; and no way from a
// token to a cookie (security-lessons R4).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { routes as session } from '../../../src/doors/rest/routes/session.ts';
import { hashPassword } from '../../../src/identity/passwords.ts';
import type { User } from '../../../src/identity/records.ts';
import { MINUTE } from '../../../src/kernel/clock.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { forEachEngine } from '../../support/engines.ts';
import { type Answer, type RestWorld, startRest } from '../../support/rest.ts';
import { testRoutes } from '../../support/rest-routes.ts';

const PATH = '/api/v4/keyward/session';
const UNAUTHORIZED = { message: '401 Unauthorized' };
const PASSWORD = 'correct horse battery';

forEachEngine("the browser's session", (engine) => {
  let rest: RestWorld;
  let alice: User;

  before(async () => {
    rest = await startRest(await engine.open(), { routes: [...testRoutes, ...session] });
    const digest = await hashPassword(new Secret(PASSWORD));
    alice = await rest.user({ username: 'alice', password_digest: digest });
    await rest.user({ username: 'blocked', state: 'blocked', password_digest: digest });
  });
  after(() => rest.stop());

  const signIn = (login: string, password: string, headers: Record<string, string> = {}): Promise<Answer> =>
    rest.call('POST', PATH, {
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ login, password }),
    });
  const cookieOf = (answer: Answer): string => answer.headers['set-cookie']![0]!.split(';')[0]!;

  describe('signing in', () => {
    test('by user name or e-mail; the cookie is for this site and for HTTP alone', async () => {
      for (const login of ['alice', 'ALICE@example.com']) {
        const answer = await signIn(login, PASSWORD);
        assert.equal(answer.status, 201, answer.text);
        assert.equal(answer.body.user.username, 'alice');
        assert.match(
          answer.headers['set-cookie']![0]!,
          /^_gitlab_session=[0-9a-f]{32}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=604800$/,
        );
      }
    });

    test('wrong, unknown and blocked sound alike, and no cookie comes', async () => {
      for (const [login, password] of [
        ['alice', 'wrong password'],
        ['nobody', PASSWORD],
        ['blocked', PASSWORD],
      ] as const) {
        const answer = await signIn(login, password);
        assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED], login);
        assert.equal(answer.headers['set-cookie'], undefined);
      }
      const missing = await rest.call('POST', PATH, { body: '' });
      assert.deepEqual(missing.body, { error: 'login is missing, password is missing' });
    });

    test('another site cannot sign a browser in', async () => {
      for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }] as Record<
        string,
        string
      >[])
        assert.equal((await signIn('alice', PASSWORD, headers)).status, 401);
      assert.equal((await signIn('alice', PASSWORD, { origin: 'http://forge.example:8080' })).status, 201);
    });

    test('a token gets no cookie', async () => {
      const token = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
      const answer = await signIn('alice', PASSWORD, { 'private-token': token.secret.reveal() });
      assert.equal(answer.status, 403);
      assert.equal(answer.headers['set-cookie'], undefined);
      const get = await rest.call('GET', PATH, { token: token.secret.reveal() });
      assert.deepEqual([get.status, get.body], [401, UNAUTHORIZED]);
    });

    test('ten wrong passwords lock the account for ten minutes, the right one included', async () => {
      const digest = await hashPassword(new Secret(PASSWORD));
      await rest.user({ username: 'locked', password_digest: digest });
      for (let count = 0; count < 10; count++) assert.equal((await signIn('locked', 'no')).status, 401);
      assert.equal((await signIn('locked', PASSWORD)).status, 401);
      rest.clock.advance(10 * MINUTE);
      assert.equal((await signIn('locked', PASSWORD)).status, 201);
    });
  });

  describe('using it', () => {
    test('the cookie reads; to write it needs the CSRF text, from our own page', async () => {
      const signedIn = await signIn('alice', PASSWORD);
      const cookie = cookieOf(signedIn);
      const csrf = signedIn.body.csrf_token;
      const get = await rest.call('GET', PATH, { headers: { cookie: `other=1; ${cookie}` } });
      assert.equal(get.status, 200);
      assert.deepEqual([get.body.user.username, get.body.csrf_token], ['alice', csrf]);
      assert.equal((await rest.call('GET', '/api/v4/whoami', { headers: { cookie } })).body.kind, 'session');

      const group = await rest.group();
      await rest.member(alice, { group }, 50);
      const project = await rest.project(group);
      const write = (headers: Record<string, string>) =>
        rest.call('DELETE', `/api/v4/projects/${project.id}`, { headers: { cookie, ...headers } });
      for (const headers of [
        {},
        { 'x-csrf-token': 'x' },
        { 'x-csrf-token': csrf, 'sec-fetch-site': 'same-site' },
        { 'x-csrf-token': csrf, origin: 'http://evil.example' },
      ] as Record<string, string>[]) {
        const answer = await write(headers);
        assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED], JSON.stringify(headers));
      }
      assert.equal((await write({ 'x-csrf-token': csrf, 'sec-fetch-site': 'same-origin' })).status, 204);
      assert.equal((await write({ 'x-csrf-token': csrf })).status, 204);
    });

    test('a credential beside a cookie wins, a bad one as well', async () => {
      const cookie = cookieOf(await signIn('alice', PASSWORD));
      const bob = await rest.user({ username: 'bob' });
      const token = await rest.issue({ kind: 'personal_access_token', userId: bob.id });
      const both = await rest.call('GET', '/api/v4/whoami', { headers: { cookie }, token: token.secret.reveal() });
      assert.equal(both.body.name, 'bob');
      const bad = await rest.call('GET', '/api/v4/whoami', {
        headers: { cookie },
        token: 'glpat-xxxxxxxxxxxxxxxxxxxx',
      });
      assert.equal(bad.status, 401);
    });

    test('a dead cookie is nobody, and a session may not use sudo', async () => {
      const headers = { cookie: '_gitlab_session=0123456789abcdef0123456789abcdef' };
      assert.equal((await rest.call('GET', '/api/v4/list?total=0', { headers })).status, 200);
      assert.equal((await rest.call('GET', '/api/v4/whoami', { headers })).status, 401);
      await rest.user({ username: 'admin', admin: 1, password_digest: await hashPassword(new Secret(PASSWORD)) });
      const cookie = cookieOf(await signIn('admin', PASSWORD));
      const sudo = await rest.call('GET', '/api/v4/whoami', { headers: { cookie, sudo: 'alice' } });
      assert.equal(sudo.status, 403);
      assert.match(sudo.body.message, /personal access token to use sudo$/);
    });

    test('signing out ends it, takes the cookie away, and both are in the audit', async () => {
      const signedIn = await signIn('alice', PASSWORD);
      const headers = { cookie: cookieOf(signedIn) };
      assert.equal((await rest.call('DELETE', PATH, { headers })).status, 401);
      const out = await rest.call('DELETE', PATH, {
        headers: { ...headers, 'x-csrf-token': signedIn.body.csrf_token },
      });
      assert.equal(out.status, 204);
      assert.match(out.headers['set-cookie']![0]!, /^_gitlab_session=; .*Max-Age=0/);
      assert.equal((await rest.call('GET', PATH, { headers })).status, 401);
      const rows = await rest.house.db.read
        .selectFrom('audit_events')
        .select(['action', 'author_name'])
        .where('action', 'in', ['session:open', 'session:close'])
        .where('result', '=', 'allowed')
        .orderBy('id', 'desc')
        .limit(2)
        .execute();
      assert.deepEqual(
        rows.map((row) => [row.action, row.author_name]),
        [
          ['session:close', 'alice'],
          ['session:open', 'alice'],
        ],
      );
    });

    test('the cookie of an HTTPS instance is Secure', async () => {
      const secure = await startRest(await engine.open(), { routes: session, url: 'https://forge.example' });
      const digest = await hashPassword(new Secret(PASSWORD));
      await secure.user({ username: 'carol', password_digest: digest });
      const answer = await secure.call('POST', PATH, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `login=carol&password=${encodeURIComponent(PASSWORD)}`,
      });
      assert.match(answer.headers['set-cookie']![0]!, /; Secure$/);
      await secure.stop();
    });
  });
});

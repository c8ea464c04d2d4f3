// Lesson R4 (CVE-2024-8641: a job token turned into a web session, and with `//` in the path again after it was mended):
// 1. somebody holds a narrow key: a scope that only reads, or a key of a machine;
// 2. he calls every route of the REST table with it, with parameters that would make, rotate or widen a key;
// 3. he wants a session cookie, the text of a key, or any change at all.
// He gets none of them, though he knows the password as well; the one exception is a token that may rotate, or revoke, itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Wish } from '../../src/credentials/issue.ts';
import type { Route } from '../../src/doors/rest/route.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { makeWorld, type World } from '../support/world.ts';

const PASSWORD = 'the password of the powerful';
const KEY_TEXT = /gl(?:pat|dt|rt|ptt|cbt)-[0-9A-Za-z_-]{20}/;
/** What a key may do to itself. */
const ABOUT_ITSELF = new Set(['own_token:read', 'own_token:rotate', 'own_token:revoke']);

describe('a narrow key', () => {
  let server: TestServer;
  let world: World;
  let ids: { user: number; project: number; group: number; bot: number; token: number };

  before(async () => {
    // Guessing is what this test does; the limit on guesses has its own.
    server = await startServer({ settings: { failed_authentication_limit: 1_000_000 } });
    world = makeWorld(server.services.db, server.services.keys);
    world.clock.set(server.services.clock.now());
    // An administrator who owns the place: whatever is refused, only the key's own kind and scopes can have refused it.
    const user = await world.user({ username: 'powerful', admin: 1 });
    const changed = await server.api('PUT', `/users/${user.id}`, { body: { password: PASSWORD } });
    assert.equal(changed.status, 200, changed.text);
    const group = await world.group({});
    const project = await world.project(group);
    await world.member(user, { group }, 50);
    const bot = await world.user({ username: 'bot', type: 'project_bot', bot_project_id: project.id });
    await world.member(bot, { project }, 50);
    const token = await world.issue({ kind: 'personal_access_token', userId: user.id });
    ids = { user: user.id, project: project.id, group: group.id, bot: bot.id, token: token.credential.id };
  });
  after(() => server?.stop());

  const holders: [string, () => Partial<Wish> & { kind: Wish['kind'] }][] = [
    ...[
      'read_api',
      'read_user',
      'read_repository',
      'write_repository',
      'read_registry',
      'self_rotate',
      'k8s_proxy',
    ].map((scope): [string, () => Partial<Wish> & { kind: Wish['kind'] }] => [
      `a personal token of scope ${scope}`,
      () => ({ kind: 'personal_access_token', userId: ids.user, scopes: [scope] }),
    ]),
    [
      'a project token that reads the API',
      () => ({ kind: 'project_access_token', userId: ids.bot, projectId: ids.project, scopes: ['read_api'] }),
    ],
    ['a deploy token', () => ({ kind: 'deploy_token', projectId: ids.project, scopes: ['read_repository'] })],
    ['a job token', () => ({ kind: 'job_token', userId: ids.user, projectId: ids.project, scopes: [] })],
    ['a trigger token', () => ({ kind: 'trigger_token', userId: ids.user, projectId: ids.project, scopes: [] })],
    ['a runner token', () => ({ kind: 'runner_token', runnerId: 1, scopes: [] })],
  ];

  const BODY = {
    name: 'wider',
    username: 'wider',
    email: 'wider@example.com',
    title: 'wider',
    path: 'wider',
    scopes: ['api'],
    access_level: 50,
    expires_at: '2026-12-31',
    admin: true,
    login: 'powerful',
    password: PASSWORD,
    token: 'glpat-aaaaaaaaaaaaaaaaaaaa',
  };
  /** What each route can be made to do something with. */
  const bodyOf = (route: Route) =>
    route.path === '/user/personal_access_tokens' ? { ...BODY, scopes: ['self_rotate'] } : BODY;

  function pathOf(route: Route): string {
    const top = route.path.startsWith('/groups') ? ids.group : route.path.startsWith('/users') ? ids.user : ids.project;
    return route.path
      .split('/')
      .map((part) => {
        if (part === ':id') return String(top);
        if (part === ':user_id') return String(ids.user);
        if (part === ':token_id' || part === ':credential_id') return String(ids.token);
        return part.startsWith(':') || part.startsWith('*') ? 'x' : part;
      })
      .join('/');
  }

  test('is what makes the difference: with scope api the same holder does get one', async () => {
    const strong = await world.issue({ kind: 'personal_access_token', userId: ids.user, scopes: ['api'] });
    const path = `/projects/${ids.project}/access_tokens`;
    const made = await server.api('POST', path, { token: strong.secret.reveal(), body: BODY });
    assert.equal(made.status, 201, made.text);
    assert.match(made.text, KEY_TEXT);
    for (const route of routes.filter(({ path }) => path === '/user/personal_access_tokens')) {
      const own = await server.api('POST', route.path, { token: strong.secret.reveal(), body: bodyOf(route) });
      assert.equal(own.status, 201, own.text);
    }
    const signedIn = await server.api('POST', '/keyward/session', { token: null, body: BODY });
    assert.match(signedIn.headers.get('set-cookie') ?? '', /^_gitlab_session=[0-9a-f]{32};/);
  });

  test('gets no cookie for another spelling of the way to sign in', async () => {
    const text = (await world.issue({ kind: 'personal_access_token', userId: ids.user, scopes: ['api'] })).secret;
    for (const path of [
      '/keyward/session',
      '//keyward/session',
      '/keyward//session',
      '/keyward/session/',
      '/%6beyward/session',
    ])
      for (const headers of [
        { 'private-token': text.reveal() },
        { authorization: `Bearer ${text.reveal()}` },
      ] as Record<string, string>[]) {
        const answer = await server.http('POST', `/api/v4${path}`, { headers, body: BODY });
        assert.equal(answer.headers.get('set-cookie'), null, `${path}: ${answer.status}`);
        assert.ok(answer.status >= 400, path);
      }
  });

  for (const [name, wish] of holders)
    test(`${name} gets no cookie, no key and no change from any route`, async () => {
      for (const route of routes) {
        // A job token is not read here: who signs in or asks for a mail beside one is nobody (security-lessons R17).
        if (name === 'a job token' && ['session:open', 'account:recover'].includes(route.action)) continue;
        const text = (await world.issue(wish())).secret.reveal();
        const answer = await server.api(route.method, pathOf(route), {
          token: text,
          ...(route.method !== 'GET' && { body: bodyOf(route) }),
        });
        const where = `${route.method} ${route.path}: ${answer.status}`;
        assert.equal(answer.headers.get('set-cookie'), null, where);
        assert.notEqual(answer.status, 500, where);
        if (ABOUT_ITSELF.has(route.action)) continue;
        assert.doesNotMatch(answer.text, KEY_TEXT, where);
        if (route.method !== 'GET' && route.action !== 'credential:explain') assert.ok(answer.status >= 400, where);
      }
    });
});

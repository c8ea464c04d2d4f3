// What glab sends for `auth status` and `token list|create|rotate|revoke`, request for request (reference access-tokens 10). glab
// comes in no package registry that the tests reach, so its calls stand here as it makes them, with what it reads of the answers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';

const inThirtyDays = new Date(performance.timeOrigin + 30 * 86_400_000).toISOString().slice(0, 10);

interface Listed {
  readonly id: number;
  readonly name: string;
  readonly active: boolean;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly access_level?: number;
}

describe('glab', () => {
  let server: TestServer;
  let token: string;
  let userId: number;
  before(async () => {
    server = await startServer();
    ({ token, id: userId } = await server.user('glabber'));
    const group = await server.api('POST', '/groups', { body: { name: 'Owner', path: 'OWNER' } });
    await server.api('POST', '/projects', { body: { name: 'REPO', path: 'REPO', namespace_id: group.body.id } });
    const member = { user_id: userId, access_level: 50 };
    assert.equal((await server.api('POST', '/groups/OWNER/members', { body: member })).status, 201);
  });
  after(() => server?.stop());

  const call = (method: string, path: string, body?: unknown) =>
    server.http(method, `/api/v4${path}`, {
      headers: { 'Private-Token': token, 'User-Agent': 'glab/1.5' },
      token: null,
      body,
    });

  it('auth status reads the name of the user', async () => {
    const { status, body } = await call('GET', '/user');
    assert.deepEqual([status, body.username], [200, 'glabber']);
  });

  const readable = (found: Listed) => {
    assert.match(found.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(found.expires_at === null || /^\d{4}-\d\d-\d\d$/.test(found.expires_at));
  };

  for (const [what, list] of [
    ['project', '/projects/OWNER%2FREPO/access_tokens'],
    ['group', '/groups/OWNER/access_tokens'],
  ] as const)
    it(`token create, list, rotate and revoke of a ${what}`, async () => {
      const none = await call('GET', `${list}?per_page=100`);
      assert.deepEqual([none.status, none.body], [200, []]);
      const wish = {
        name: 'release',
        description: 'description',
        scopes: ['api', 'read_repository'],
        access_level: 30,
        expires_at: inThirtyDays,
      };
      const made = await call('POST', list, wish);
      assert.equal(made.status, 201, made.text);
      assert.match(made.body.token, /^glpat-/);
      const listed = (await call('GET', `${list}?per_page=100`)).body as Listed[];
      for (const found of listed) readable(found);
      assert.deepEqual(
        listed.map((found) => [found.name, found.active, found.access_level]),
        [['release', true, 30]],
      );
      const rotated = await call('POST', `${list}/${made.body.id}/rotate`, { expires_at: inThirtyDays });
      assert.deepEqual([rotated.status, rotated.body.expires_at], [200, inThirtyDays]);
      assert.notEqual(rotated.body.token, made.body.token);
      assert.equal((await call('DELETE', `${list}/${rotated.body.id}`)).status, 204);
      const left = (await call('GET', `${list}?per_page=100`)).body as Listed[];
      assert.ok(left.every((found) => !found.active && typeof found.access_level === 'number'));
    });

  it('token list and rotate of a person', async () => {
    const found = (await call('GET', '/users?username=glabber')).body;
    assert.equal(found.length, 1);
    const own = (await call('GET', `/personal_access_tokens?user_id=${found[0].id}&per_page=100`)).body as Listed[];
    assert.ok(own.length > 0);
    for (const each of own) readable(each);
    const made = await server.api('POST', `/users/${userId}/personal_access_tokens`, {
      body: { name: 'laptop', scopes: ['read_api'], expires_at: inThirtyDays },
    });
    const rotated = await call('POST', `/personal_access_tokens/${made.body.id}/rotate`, { expires_at: inThirtyDays });
    assert.equal(rotated.status, 200);
    assert.equal((await call('DELETE', `/personal_access_tokens/${rotated.body.id}`)).status, 204);
  });

  it('token create for @me gives the scopes that GitLab lets a token give', async () => {
    const wish = { name: 'cluster', scopes: ['k8s_proxy'], expires_at: inThirtyDays };
    const made = await call('POST', '/user/personal_access_tokens', wish);
    assert.equal(made.status, 201, made.text);
    const self = await server.api('GET', '/personal_access_tokens/self', { token: made.body.token });
    assert.equal(self.status, 200);
    await call('DELETE', `/personal_access_tokens/${made.body.id}`);
    const dead = await server.api('GET', '/personal_access_tokens/self', { token: made.body.token });
    assert.ok(dead.body.error_description.startsWith('Token was revoked.'));
    const wider = await call('POST', '/user/personal_access_tokens', { ...wish, scopes: ['api'] });
    assert.deepEqual([wider.status, wider.body.error], [400, 'scopes does not have a valid value']);
  });
});

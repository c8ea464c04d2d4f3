// Lesson R6 (CVE-2024-8114: a token made a wider one; 2018: a token opened the web pages whatever its scope):
// 1. an administrator's token with scope `api` is stolen;
// 2. the thief asks every route that makes a key for one with `sudo` or `admin_mode`: for himself, for others, by rotation;
// 3. or he takes the token to addresses that are no API: pages, health, public keys, and hopes to be somebody there.
// A token hands out nothing beyond itself, and off the API it is not read: the answer is the one that everybody gets.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { User } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

const WIDER = ['sudo', 'admin_mode'];

describe('an administrator`s token', () => {
  let lab: Lab;
  let admin: User;
  let token: string;

  before(async () => {
    lab = await openLab();
    admin = await lab.world.user({ admin: 1 });
    await lab.world.personal(admin);
    token = await lab.pat(admin, 'api');
  });
  after(() => lab?.stop());

  const wish = (scopes: string[]) => ({ name: 'wider', scopes, expires_at: '2026-06-01' });
  const scopesOfKeys = () =>
    lab.server.services.db.read
      .selectFrom('credentials')
      .select(['id', 'scopes'])
      .execute()
      .then((rows) => rows.filter(({ scopes }) => WIDER.some((scope) => scopes.includes(scope))).length);

  test('with scope api gets nobody one with sudo or admin_mode', async () => {
    const account = await lab.api('POST', '/service_accounts', { body: { name: 'robot' } });
    assert.equal(account.status, 201, account.text);
    const other = await lab.world.user({ admin: 1 });
    const group = await lab.world.group({});
    const project = await lab.project(group);
    const before = await scopesOfKeys();
    for (const scope of WIDER)
      for (const path of [
        '/user/personal_access_tokens',
        `/users/${admin.id}/personal_access_tokens`,
        `/users/${other.id}/personal_access_tokens`,
        `/users/${other.id}/impersonation_tokens`,
        `/users/${account.body.id}/personal_access_tokens`,
        `/projects/${project.id}/access_tokens`,
        `/groups/${group.id}/access_tokens`,
        `/projects/${project.id}/deploy_tokens`,
      ])
        for (const scopes of [[scope], ['api', scope]]) {
          const made = await lab.api('POST', path, { token, body: wish(scopes) });
          assert.ok([400, 403].includes(made.status), `${path} ${scopes}: ${made.status} ${made.text}`);
        }
    assert.equal(await scopesOfKeys(), before);
  });

  test('with the scope itself may hand it on, or the test before would show nothing', async () => {
    for (const scope of WIDER) {
      const holder = await lab.pat(admin, 'api', scope);
      const path = `/users/${admin.id}/personal_access_tokens`;
      const made = await lab.api('POST', path, { token: holder, body: wish([scope]) });
      assert.equal(made.status, 201, made.text);
    }
  });

  test('rotated keeps its scopes, whatever else is asked for', async () => {
    const mine = await lab.pat(admin, 'api');
    const body = { scopes: ['api', 'sudo'], name: 'wider', access_level: 50, user_id: 1 };
    const rotated = await lab.api('POST', '/personal_access_tokens/self/rotate', { token: mine, body });
    assert.equal(rotated.status, 200, rotated.text);
    assert.deepEqual(rotated.body.scopes, ['api']);
    assert.equal(rotated.body.user_id, admin.id);
  });

  test('is not read off the API: the answer is the one that nobody gets', async () => {
    for (const path of [
      '/',
      '/-/health',
      '/-/liveness',
      '/-/readiness',
      `/${admin.username}.keys`,
      '/-/user_settings/personal_access_tokens',
      '/users/sign_in',
      '/admin',
      '/api/v5/user',
      '/api/graphql',
      '/dashboard',
    ])
      for (const headers of [
        { 'private-token': token },
        { authorization: `Bearer ${token}` },
        { cookie: `_gitlab_session=${token}` },
      ] as Record<string, string>[]) {
        const one = await lab.raw('GET', path, headers);
        const nobody = await lab.raw('GET', path);
        assert.equal(`${one.status} ${one.text}`, `${nobody.status} ${nobody.text}`, path);
        assert.equal(one.headers['set-cookie'], undefined, path);
      }
  });
});

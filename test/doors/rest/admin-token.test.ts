// The administrator's token API and service accounts (reference access-tokens 4.5, 4.6).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSession } from '../../../src/credentials/sessions.ts';
import type { User } from '../../../src/identity/records.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { withForge } from '../../keys/forge.ts';
import { START } from '../../support/world.ts';

withForge('the token API and service accounts', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `leaker${++count}x`, ...values });
  const set = (patch: object) => forge().server.services.db.tx((tx) => updateSettings(tx, { ...patch }, START));
  const ask = (method: 'POST' | 'DELETE', token: string, as?: string) =>
    forge().api(method, '/admin/token', { body: { token }, token: as });

  test('a personal token is shown as its raw record, with the one before it', async () => {
    const { api, issue } = forge();
    const user = await person();
    const first = await issue(user, { name: 'leaked' });
    const next = await api('POST', '/personal_access_tokens/self/rotate', { token: first.secret.reveal() });
    const shown = await ask('POST', next.body.token);
    assert.equal(shown.status, 200);
    assert.deepEqual(shown.body, {
      id: next.body.id,
      user_id: user.id,
      name: 'leaked',
      revoked: false,
      expires_at: '2026-03-08',
      created_at: '2026-03-01T15:00:00.000Z',
      updated_at: '2026-03-01T15:00:00.000Z',
      scopes: ['api'],
      impersonation: false,
      expire_notification_delivered: false,
      last_used_at: null,
      after_expiry_notification_delivered: false,
      previous_personal_access_token_id: first.credential.id,
      advanced_scopes: null,
      organization_id: 1,
    });
    assert.equal((await ask('POST', first.secret.reveal())).body.revoked, true);
  });

  test('errors: missing parameter, nobody, no administrator, unknown prefix, unknown key', async () => {
    const { api, token } = forge();
    assert.deepEqual((await api('POST', '/admin/token')).body, { error: 'token is missing' });
    assert.equal((await api('POST', '/admin/token', { token: null, body: { token: 'x' } })).status, 401);
    const plain = await ask('POST', 'glpat-x', await token(await person()));
    assert.deepEqual([plain.status, plain.body], [403, { message: '403 Forbidden' }]);
    for (const method of ['POST', 'DELETE'] as const) {
      for (const text of ['foo', '', 'GLPAT-aaaaaaaaaaaaaaaaaaaa']) {
        const no = await ask(method, text);
        assert.deepEqual([no.status, no.body], [422, { message: 'Token type not supported.' }]);
      }
      for (const prefix of [
        'glpat-',
        'gldt-',
        'glft-',
        'gloas-',
        'glagent-',
        'glrt-',
        'glrtr-',
        'glptt-',
        'glcbt-',
        '_gitlab_session=',
      ]) {
        const no = await ask(method, `${prefix}aaaaaaaaaaaaaaaaaaaa`);
        assert.deepEqual([no.status, no.body], [404, { message: { error: 'Not found' } }], prefix);
      }
    }
  });

  test('ending a text ends its key, of whichever kind', async () => {
    const { api, server, token, world } = forge();
    const text = await token(await person());
    assert.equal((await ask('DELETE', text)).status, 204);
    assert.equal((await ask('DELETE', text)).status, 204);
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: text })).status, 401);

    const project = await world.project(await world.group({}));
    const deploy = await world.issue({ kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] });
    assert.equal(
      (await ask('POST', deploy.secret.reveal())).body.username,
      `gitlab+deploy-token-${deploy.credential.id}`,
    );
    assert.equal((await ask('DELETE', deploy.secret.reveal())).status, 204);
    const dead = await server.services.verifier.token(deploy.secret);
    assert.equal(!dead.ok && dead.error.code, 'revoked');

    const user = await person();
    const session = await server.services.db.tx((tx) => openSession(tx, server.services, user));
    assert.equal((await ask('DELETE', `_gitlab_session=${session.cookie.reveal()}`)).status, 204);
    assert.equal((await server.services.verifier.session(session.cookie, null)).ok, false);

    const job = await world.issue({ kind: 'job_token', userId: user.id, projectId: project.id, jobId: 1 });
    assert.equal((await ask('POST', job.secret.reveal())).status, 200);
    assert.equal((await ask('DELETE', job.secret.reveal())).status, 422);
    assert.equal((await server.services.verifier.token(job.secret)).ok, true);
  });

  test('a former prefix is not recognised, the current one and glpat- are', async () => {
    const { api } = forge();
    const user = await person();
    const make = async () =>
      (await api('POST', `/users/${user.id}/personal_access_tokens`, { body: { name: 'p', scopes: ['api'] } })).body
        .token as string;
    await set({ personal_access_token_prefix: 'acme-' });
    const acme = await make();
    assert.match(acme, /^acme-/);
    assert.equal((await ask('POST', acme)).status, 200);
    await set({ personal_access_token_prefix: 'glpat-' });
    assert.equal((await ask('POST', acme)).status, 422);
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: acme })).status, 200);
    assert.equal((await ask('POST', await make())).status, 200);
  });

  test('an instance service account is made, changed and listed by administrators only', async () => {
    const { api, token } = forge();
    const made = await api('POST', '/service_accounts');
    assert.equal(made.status, 201);
    assert.match(made.body.username, /^service_account_[0-9a-f]{32}$/);
    assert.equal(made.body.name, 'Service account user');
    assert.match(made.body.email, /^service_account_[0-9a-f]{32}@noreply\./);
    const changed = await api('PATCH', `/service_accounts/${made.body.id}`, {
      body: { name: 'Robot', username: `robot${count}`, email: `robot${count}@example.com` },
    });
    assert.deepEqual(changed.body, {
      id: made.body.id,
      username: `robot${count}`,
      name: 'Robot',
      email: `robot${count}@example.com`,
    });
    const twice = await api('POST', '/service_accounts', { body: { email: `robot${count}@example.com` } });
    assert.deepEqual([twice.status, twice.body], [400, { message: { email: ['has already been taken'] } }]);
    const ids = (await api('GET', '/service_accounts?order_by=id&sort=asc')).body.map((row: { id: number }) => row.id);
    assert.ok(ids.includes(made.body.id));
    assert.equal((await api('POST', '/service_accounts', { token: await token(await person()) })).status, 403);
    assert.equal((await api('PATCH', '/service_accounts/999999', { body: { name: 'x' } })).status, 404);
  });

  test('service accounts of a group or project and their tokens: the whole cycle by an Owner', async () => {
    const { api, server, token, world } = forge();
    const group = await world.group({});
    const project = await world.project(group);
    const [owner, maintainer] = [await person(), await person()];
    await world.member(owner, { group }, 50);
    await world.member(maintainer, { group }, 40);
    const [as, low] = [await token(owner), await token(maintainer)];
    for (const [base, name] of [
      [`/groups/${group.id}/service_accounts`, `service_account_group_${group.id}_`],
      [`/projects/${project.id}/service_accounts`, `service_account_project_${project.id}_`],
    ] as const) {
      assert.equal((await api('POST', base, { token: low })).status, 403);
      const account = await api('POST', base, { token: as });
      assert.equal(account.status, 201, account.text);
      assert.ok(account.body.username.startsWith(name));
      const tokens = `${base}/${account.body.id}/personal_access_tokens`;
      const made = await api('POST', tokens, { token: as, body: { name: 't', scopes: ['api'] } });
      assert.equal(made.status, 201, made.text);
      assert.equal(
        (await api('GET', '/personal_access_tokens/self', { token: made.body.token })).body.user_id,
        account.body.id,
      );
      const sudo = await api('POST', tokens, { token: as, body: { name: 't', scopes: ['sudo'] } });
      assert.notEqual(sudo.status, 201);
      const rotated = await api('POST', `${tokens}/${made.body.id}/rotate`, { token: as });
      assert.equal(rotated.status, 200);
      assert.deepEqual(
        (await api('GET', `${tokens}?state=active`, { token: as })).body.map((row: { id: number }) => row.id),
        [rotated.body.id],
      );
      const foreign = await api('DELETE', `${tokens}/1`, { token: as });
      assert.deepEqual([foreign.status, foreign.body], [404, { message: '404 Personal Access Token Not Found' }]);
      assert.equal((await api('DELETE', `${tokens}/${rotated.body.id}`, { token: as })).status, 204);
      const courtesy = await api('POST', `${base}/${account.body.id}`, {
        token: as,
        body: { name: 'c', scopes: ['api'] },
      });
      assert.equal(courtesy.status, 201);
      assert.equal((await api('GET', base, { token: as })).body.length, 1);
      assert.equal((await api('DELETE', `${base}/${account.body.id}`, { token: as })).status, 204);
      const dead = await api('GET', '/personal_access_tokens/self', { token: courtesy.body.token });
      assert.equal(dead.status, 401);
      const user = await server.services.db.read
        .selectFrom('users')
        .select('state')
        .where('id', '=', account.body.id)
        .executeTakeFirst();
      assert.equal(user?.state, 'deleted');
    }
  });

  test('tokens of service accounts may be endless when that is not enforced for them', async () => {
    const { api } = forge();
    const account = await api('POST', '/service_accounts');
    const make = async () =>
      (await api('POST', `/users/${account.body.id}/personal_access_tokens`, { body: { name: 'e', scopes: ['api'] } }))
        .body.expires_at;
    assert.equal(await make(), '2027-03-01');
    await set({ service_access_tokens_expiration_enforced: false });
    try {
      assert.equal(await make(), null);
    } finally {
      await set({ service_access_tokens_expiration_enforced: true });
    }
  });
});

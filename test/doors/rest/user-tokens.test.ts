// Making personal and impersonation tokens: who may, with which scopes, and every row of the error tables (reference
// access-tokens 4.2, 4.3; lessons R4, R6, R21).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSession } from '../../../src/credentials/sessions.ts';
import type { User } from '../../../src/identity/records.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { auditOf, mails, withForge } from '../../keys/forge.ts';
import { START } from '../../support/world.ts';

withForge('making tokens for users', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `maker${++count}x`, ...values });
  const make = (userId: number, body: object, token?: string) =>
    forge().api('POST', `/users/${userId}/personal_access_tokens`, { body, token });
  const TOKEN = { name: 'n', scopes: ['api'] };
  /** A signed-in browser: headers for `token: null`. */
  const browser = async (user: User) => {
    const { services } = forge().server;
    const session = await services.db.tx((tx) => openSession(tx, services, user));
    return { Cookie: `_gitlab_session=${session.cookie.reveal()}`, 'X-CSRF-Token': session.csrf.reveal() };
  };

  test('an administrator makes one: 201 with all fields, and the text only then', async () => {
    const user = await person();
    const made = await make(user.id, { ...TOKEN, description: 'why', scopes: 'read_user,api' });
    assert.equal(made.status, 201);
    const { id, token, ...rest } = made.body;
    assert.deepEqual(rest, {
      name: 'n',
      revoked: false,
      created_at: '2026-03-01T15:00:00.000Z',
      description: 'why',
      scopes: ['read_user', 'api'],
      user_id: user.id,
      last_used_at: null,
      active: true,
      expires_at: '2027-03-01',
      last_used_ips: [],
    });
    const shown = await forge().api('GET', `/personal_access_tokens/${id}`, { token });
    assert.equal(shown.status, 200);
    assert.ok(!shown.text.includes(token) && !('token' in shown.body));
    const sent = (await mails(forge())).filter((mail) => mail.to === user.email);
    assert.equal(sent.length, 1);
    assert.ok(!JSON.stringify(sent).includes(token));
  });

  test('parameters that are missing or unknown are named', async () => {
    const { id } = await person();
    const cases: [object, number, object][] = [
      [{}, 400, { error: 'name is missing, scopes is missing' }],
      [{ ...TOKEN, scopes: ['nope'] }, 400, { error: 'scopes does not have a valid value' }],
      [{ ...TOKEN, scopes: ['read_package_registry'] }, 400, { error: 'scopes does not have a valid value' }],
      [{ ...TOKEN, expires_at: 'soon' }, 400, { error: 'expires_at is invalid' }],
      [{ ...TOKEN, scopes: [] }, 422, { message: "Scopes can't be blank" }],
      [{ ...TOKEN, expires_at: '2027-03-02' }, 422, { message: 'Expires at must be before 2027-03-01' }],
      [
        { ...TOKEN, description: 'x'.repeat(256) },
        422,
        { message: 'Description is too long (maximum is 255 characters)' },
      ],
    ];
    for (const [body, status, answer] of cases) {
      const no = await make(id, body);
      assert.deepEqual([no.status, no.body], [status, answer]);
    }
    const list = await forge().api('GET', `/personal_access_tokens?user_id=${id}`);
    assert.deepEqual(list.body, []);
  });

  test('nobody, people, and unknown users: 401, 403, 404', async () => {
    const user = await person();
    const { api, token } = forge();
    const nobody = await api('POST', `/users/${user.id}/personal_access_tokens`, { body: TOKEN, token: null });
    assert.deepEqual([nobody.status, nobody.body], [401, { message: '401 Unauthorized' }]);
    const plain = await make(user.id, TOKEN, await token(user));
    assert.deepEqual([plain.status, plain.body], [403, { message: '403 Forbidden' }]);
    const unknown = await make(999_999, TOKEN);
    assert.deepEqual([unknown.status, unknown.body], [404, { message: '404 User Not Found' }]);
  });

  test('bots and users who may not act get none', async () => {
    for (const values of [{ type: 'project_bot' }, { type: 'ghost' }, { state: 'blocked' }] as const) {
      const no = await make((await person(values)).id, TOKEN);
      assert.deepEqual([no.status, no.body], [422, { message: 'Not permitted to create' }]);
    }
  });

  test('sudo goes only to administrators, and only from somebody who holds it', async () => {
    const { token } = forge();
    const [admin, user] = [await person({ admin: 1 }), await person()];
    const sudo = { name: 'n', scopes: ['api', 'sudo'] };
    const weak = await make(admin.id, sudo, await token(admin, ['api']));
    assert.equal(weak.status, 403);
    assert.deepEqual([weak.body.error, weak.body.scope], ['insufficient_scope', 'sudo']);
    const refused = (await auditOf(forge(), 'user_token:create')).find((row) => row.entity_id === admin.id);
    assert.deepEqual([refused?.result, refused?.message], ['refused', 'Refused: needs the scope sudo']);
    const strong = await token(admin, ['api', 'sudo']);
    assert.equal((await make(admin.id, sudo, strong)).status, 201);
    const toUser = await make(user.id, sudo, strong);
    assert.deepEqual([toUser.status, toUser.body], [422, { message: 'Scopes can only contain available scopes' }]);
    const mode = await make(admin.id, { name: 'n', scopes: ['admin_mode'] }, strong);
    assert.equal(mode.status, 403);
    const impersonation = await forge().api('POST', `/users/${admin.id}/impersonation_tokens`, {
      body: sudo,
      token: await token(admin, ['api']),
    });
    assert.equal(impersonation.status, 403);
  });

  test('with a token one makes oneself only k8s_proxy and self_rotate, with a browser any scope', async () => {
    const { api, token } = forge();
    const user = await person();
    const text = await token(user);
    const own = (body: object, headers?: Record<string, string>) =>
      api('POST', '/user/personal_access_tokens', { body, token: headers ? null : text, headers });
    assert.equal((await own({ name: 'k', scopes: ['k8s_proxy', 'self_rotate'] })).status, 201);
    const no = await own(TOKEN);
    assert.deepEqual([no.status, no.body], [400, { error: 'scopes does not have a valid value' }]);
    const signedIn = await browser(user);
    const made = await own(TOKEN, signedIn);
    assert.equal(made.status, 201, made.text);
    assert.equal(made.headers.get('set-cookie'), null);
    const unproven = await own(TOKEN, { Cookie: signedIn.Cookie });
    assert.deepEqual([unproven.status, unproven.body], [401, { message: '401 Unauthorized' }]);
    const sudo = await own({ name: 'n', scopes: ['sudo'] }, signedIn);
    assert.equal(sudo.status, 422);
    const admin = await person({ admin: 1 });
    assert.equal((await own({ name: 'n', scopes: ['sudo', 'admin_mode'] }, await browser(admin))).status, 201);
  });

  test('the bot of a project token makes no token of its own', async () => {
    const { api, issue, world } = forge();
    const project = await world.project(await world.group({}));
    const bot = await person({ type: 'project_bot', bot_project_id: project.id });
    const key = await issue(bot, { kind: 'project_access_token', projectId: project.id });
    const no = await api('POST', '/user/personal_access_tokens', {
      token: key.secret.reveal(),
      body: { name: 'n', scopes: ['self_rotate'] },
    });
    assert.deepEqual([no.status, no.body], [403, { message: '403 Forbidden' }]);
  });

  test('a browser session is no token: the self routes say so', async () => {
    const headers = await browser(await person());
    const { api } = forge();
    for (const method of ['GET', 'DELETE']) {
      const no = await api(method, '/personal_access_tokens/self', { token: null, headers });
      assert.deepEqual(
        [no.status, no.body],
        [400, { message: '400 Bad request - This endpoint requires token type to be a personal access token' }],
      );
    }
    const rotated = await api('POST', '/personal_access_tokens/self/rotate', { token: null, headers });
    assert.deepEqual([rotated.status, rotated.body], [405, { message: '405 Method Not Allowed' }]);
  });

  test('the list filters, sorts, and hides impersonation tokens from their user', async () => {
    const { api, issue } = forge();
    const user = await person();
    const text = (await issue(user, { name: 'zero' })).secret.reveal();
    const names = async (query: string) =>
      (await api('GET', `/personal_access_tokens?${query}`, { token: text })).body.map(
        (row: { name: string }) => row.name,
      );
    await issue(user, { name: 'Alpha beta', expiresAt: START + 10 * 86_400_000 });
    await issue(user, { name: 'dead', expiresAt: START - 1 });
    const hidden = await issue(user, { name: 'hidden', impersonation: true });
    assert.deepEqual(await names(''), ['zero', 'Alpha beta', 'dead']);
    assert.deepEqual(await names('state=inactive'), ['dead']);
    assert.deepEqual(await names('state=active&sort=name_asc'), ['Alpha beta', 'zero']);
    assert.deepEqual(await names('search=BETA%20alph'), ['Alpha beta']);
    assert.deepEqual(await names('search=al'), []);
    assert.deepEqual(await names('expires_after=2026-03-02'), ['Alpha beta']);
    assert.deepEqual(await names('expires_before=2026-03-02'), ['dead']);
    assert.deepEqual(await names('revoked=true'), []);
    assert.deepEqual(await names('created_after=2026-03-02'), []);
    await forge().server.services.verifier.flush();
    assert.deepEqual(await names('last_used_after=2020-01-01'), ['zero']);
    const bad = await api('GET', '/personal_access_tokens?state=foo', { token: text });
    assert.deepEqual([bad.status, bad.body], [400, { error: 'state does not have a valid value' }]);
    assert.equal((await api('GET', `/personal_access_tokens/${hidden.credential.id}`, { token: text })).status, 401);
    assert.equal((await api('DELETE', `/personal_access_tokens/${hidden.credential.id}`, { token: text })).status, 404);
  });

  test('impersonation tokens: made, shown, listed by state, revoked, and never told of', async () => {
    const { api } = forge();
    const user = await person();
    const path = `/users/${user.id}/impersonation_tokens`;
    const made = await api('POST', path, { body: TOKEN });
    assert.equal(made.status, 201);
    assert.deepEqual([made.body.impersonation, made.body.expires_at], [true, '2027-03-01']);
    const { id, token } = made.body;
    assert.equal((await api('GET', '/personal_access_tokens/self', { token })).body.user_id, user.id);
    assert.equal((await api('GET', `${path}/${id}`)).body.impersonation, true);
    const late = await api('POST', path, { body: { ...TOKEN, expires_at: '2028-01-01' } });
    assert.deepEqual([late.status, late.body], [400, { message: { expires_at: ['must be before 2027-03-01'] } }]);
    const other = await person();
    for (const wrong of [`${path}/999999`, `/users/${other.id}/impersonation_tokens/${id}`]) {
      for (const method of ['GET', 'DELETE']) {
        const no = await api(method, wrong);
        assert.deepEqual([no.status, no.body], [404, { message: '404 Impersonation Token Not Found' }]);
      }
    }
    assert.deepEqual((await api('GET', '/users/999999/impersonation_tokens')).body, { message: '404 User Not Found' });
    assert.equal((await api('GET', path, { token: await forge().token(user) })).status, 403);
    const rotated = await api('POST', `/personal_access_tokens/${id}/rotate`);
    assert.equal(rotated.status, 200);
    const ifUnmodified = (date: string) =>
      api('DELETE', `${path}/${rotated.body.id}`, { headers: { 'If-Unmodified-Since': date } });
    const changed = await ifUnmodified('Sun, 01 Mar 2026 14:59:59 GMT');
    assert.deepEqual([changed.status, changed.body], [412, { message: '412 Precondition Failed' }]);
    assert.equal((await ifUnmodified('Sun, 01 Mar 2026 15:00:00 GMT')).status, 204);
    assert.equal((await api('DELETE', `${path}/${rotated.body.id}`)).status, 204);
    const ids = async (state: string) =>
      (await api('GET', `${path}?state=${state}`)).body.map((row: { id: number }) => row.id);
    assert.deepEqual(await ids('active'), []);
    assert.deepEqual(await ids('inactive'), [id, rotated.body.id]);
    assert.deepEqual(await ids('all'), [id, rotated.body.id]);
    assert.deepEqual(
      (await mails(forge())).filter((mail) => mail.to === user.email),
      [],
    );
  });

  test('switching impersonation off ends the use of its tokens with its own text', async () => {
    const { api, server, token } = forge();
    const text = await token(await person(), ['api'], { impersonation: true });
    const set = (impersonation_enabled: boolean) =>
      server.services.db.tx((tx) => updateSettings(tx, { impersonation_enabled }, START));
    await set(false);
    try {
      const no = await api('GET', '/personal_access_tokens/self', { token: text });
      assert.equal(no.status, 401);
      assert.equal(no.body.error_description, 'Token is an impersonation token but impersonation was disabled.');
    } finally {
      await set(true);
    }
  });

  test('a refusal by rule is in the audit log, without what was asked for being made', async () => {
    const user = await person();
    await make(user.id, { ...TOKEN, expires_at: '2030-01-01' });
    const rows = (await auditOf(forge(), 'user_token:create')).filter((row) => row.entity_id === user.id);
    assert.deepEqual(
      rows.map((row) => [row.result, row.message]),
      [['refused', 'Refused: Expires at must be before 2027-03-01']],
    );
  });

  test('self/associations lists groups and projects with the levels held there', async () => {
    const { api, token, world } = forge();
    const user = await person();
    const group = await world.group({});
    const [direct, inherited] = [await world.project(await world.group({})), await world.project(group)];
    await world.member(user, { group }, 20);
    await world.member(user, { project: direct }, 30);
    const text = await token(user, ['k8s_proxy']);
    const found = await api('GET', '/personal_access_tokens/self/associations', { token: text });
    assert.equal(found.status, 200);
    assert.equal(found.headers.get('x-total'), '2');
    assert.deepEqual(
      found.body.groups.map((row: { id: number; access_levels: number }) => [row.id, row.access_levels]),
      [[group.id, 20]],
    );
    assert.deepEqual(
      found.body.projects.map((row: { id: number; access_levels: object }) => [row.id, row.access_levels]),
      [
        [direct.id, { project_access_level: 30, group_access_level: null }],
        [inherited.id, { project_access_level: null, group_access_level: 20 }],
      ],
    );
    const high = await api('GET', '/personal_access_tokens/self/associations?min_access_level=30', { token: text });
    assert.deepEqual([high.body.groups.length, high.body.projects.length], [0, 1]);
  });

  test('the route that people look for is not there, and says where to go instead', async () => {
    const { api, token, world } = forge();
    const answer = await api('POST', '/personal_access_tokens', {
      token: await token(await world.user({ username: 'looking' })),
      body: { name: 'x', scopes: ['api'] },
    });
    assert.equal(answer.status, 404);
    assert.match(answer.body.error, /^404 Not Found - .*personal_access_tokens/);
  });
});

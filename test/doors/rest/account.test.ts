// The own account over REST (reference git-and-deploy 12.5), and that machines never reach it (security-lessons R21).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onBothEngines } from '../../support/both-engines.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

onBothEngines('the own account', (server) => {
  const putAvatar = (token: string, bytes: Buffer) => {
    const form = new FormData();
    form.append('avatar', new Blob([new Uint8Array(bytes)]), 'avatar.png');
    return fetch(`${server().url}/api/v4/user/avatar`, {
      method: 'PUT',
      headers: { 'private-token': token },
      body: form,
    });
  };

  it('has further addresses, unconfirmed and belonging to one user only', async () => {
    const { api } = server();
    const ann = await server().user('ann');
    const { token } = ann;
    const added = await api('POST', '/user/emails', { token, body: { email: 'ann@work.example' } });
    assert.equal(added.status, 201);
    assert.deepEqual(added.body, { id: added.body.id, email: 'ann@work.example', confirmed_at: null });
    assert.deepEqual((await api('GET', '/user/emails', { token })).body, [added.body]);
    assert.deepEqual((await api('GET', `/user/emails/${added.body.id}`, { token })).body, added.body);
    const twice = await api('POST', '/user/emails', { body: { email: 'ANN@work.example' } });
    assert.equal(twice.status, 400);
    assert.deepEqual(twice.body, { message: { email: ['has already been taken'] } });
    assert.equal((await api('POST', '/user/emails', { token, body: { email: 'no mail' } })).status, 400);
    assert.equal((await api('DELETE', `/user/emails/${added.body.id}`)).status, 404, 'not somebody else’s');
    assert.equal((await api('DELETE', `/user/emails/${added.body.id}`, { token })).status, 204);
    assert.deepEqual((await api('GET', '/user/emails', { token })).body, []);
  });

  it('has preferences and a status that ends by itself', async () => {
    const { api } = server();
    const { token, id } = await server().user('ben');
    const before = await api('GET', '/user/preferences', { token });
    assert.equal(before.body.show_whitespace_in_diffs, true);
    const after = await api('PUT', '/user/preferences', { token, body: { view_diffs_file_by_file: true } });
    assert.deepEqual(after.body, { ...before.body, view_diffs_file_by_file: true });
    const set = await api('PUT', '/user/status', {
      token,
      body: { emoji: 'coffee', message: '<b>away</b>', clear_status_after: '30_minutes' },
    });
    assert.equal(set.body.message_html, '&lt;b&gt;away&lt;/b&gt;');
    assert.ok(set.body.clear_status_at);
    const patched = await api('PATCH', '/user/status', { token, body: { availability: 'busy' } });
    assert.equal(patched.body.message, '<b>away</b>');
    assert.equal((await api('GET', `/users/${id}/status`, { token: null })).body.availability, 'busy');
    const replaced = await api('PUT', '/user/status', { token, body: { emoji: 'tea' } });
    assert.equal(replaced.body.message, null);
    assert.equal((await api('PUT', '/user/status', { token, body: { message: 'x'.repeat(101) } })).status, 400);
    const events = (await api('GET', `/audit_events?entity_type=User&entity_id=${id}&action=account:update`)).body;
    assert.deepEqual(
      events.map((event: { details: { custom_message: string } }) => event.details.custom_message),
      ['Changed the status', 'Changed the status', 'Changed the status', 'Changed the preferences'],
      'each change is on record once, the refused one is not',
    );
  });

  it('has a picture whose type is read from its bytes', async () => {
    const { api, http } = server();
    const { token, id } = await server().user('cas');
    const good = await putAvatar(token, PNG);
    assert.equal(good.status, 200);
    const { avatar_url: address } = (await good.json()) as { avatar_url: string };
    assert.equal((await api('GET', `/users/${id}`)).body.avatar_url, address);
    const picture = await fetch(address);
    assert.equal(picture.headers.get('content-type'), 'image/png');
    assert.deepEqual(Buffer.from(await picture.arrayBuffer()), PNG);
    assert.equal((await putAvatar(token, Buffer.from('<svg onload="alert(1)"/>'))).status, 400);
    assert.equal((await putAvatar(token, Buffer.concat([PNG, Buffer.alloc(201 * 1024)]))).status, 400);
    assert.equal((await api('DELETE', '/user/avatar', { token })).status, 204);
    assert.equal((await http('GET', new URL(address).pathname)).status, 404);
  });

  it('is closed to token bots and to keys that may only read', async () => {
    const { api } = server();
    const dan = await server().user('dan');
    const { token } = dan;
    const project = await api('POST', '/projects', { token, body: { name: 'robots' } });
    const expires_at = new Date(server().services.clock.now() + 864e5).toISOString().slice(0, 10);
    const bot = await api('POST', `/projects/${project.body.id}/access_tokens`, {
      token,
      body: { name: 'bot', scopes: ['api'], access_level: 40, expires_at },
    });
    assert.equal(bot.status, 201);
    assert.equal((await api('GET', '/user', { token: bot.body.token })).body.bot, true);
    const read = await server().user('dana', ['read_api']);
    for (const [method, path] of [
      ['GET', '/user/emails'],
      ['POST', '/user/emails'],
      ['GET', '/user/preferences'],
      ['PUT', '/user/preferences'],
      ['PUT', '/user/status'],
      ['PUT', '/user/avatar'],
      ['PUT', '/keyward/account'],
      ['PUT', '/keyward/account/password'],
    ] as const) {
      const answer = await api(method, path, {
        token: bot.body.token,
        ...(method === 'GET' ? {} : { body: { email: 'bot@example.com' } }),
      });
      assert.equal(answer.status, 403, `${method} ${path}`);
      if (method !== 'GET') assert.equal((await api(method, path, { token: read.token, body: {} })).status, 403, path);
    }
  });

  it('changes its password in a session with the old one, which ends the other sessions', async () => {
    const { api, url } = server();
    const { password } = await server().user('eli');
    const signIn = async (secret: string) => {
      const answer = await api('POST', '/keyward/session', { token: null, body: { login: 'eli', password: secret } });
      const cookie = (answer.headers.get('set-cookie') ?? '').split(';')[0]!;
      return { status: answer.status, headers: { cookie, 'x-csrf-token': answer.body.csrf_token } };
    };
    const [here, there] = [await signIn(password), await signIn(password)];
    const change = (headers: Record<string, string>, body: object) =>
      fetch(`${url}/api/v4/keyward/account/password`, {
        method: 'PUT',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    const next = 'another long password';
    const wrong = await change(here.headers, { current_password: 'not the one', password: next });
    assert.equal(wrong.status, 400);
    const { cookie } = here.headers;
    assert.equal(
      (await change({ cookie }, { current_password: password, password: next })).status,
      401,
      'no CSRF proof',
    );
    assert.equal((await change(here.headers, { current_password: password, password: next })).status, 204);
    const who = (headers: Record<string, string>) => api('GET', '/user', { token: null, headers });
    assert.equal((await who(here.headers)).status, 200);
    assert.equal((await who(there.headers)).status, 401);
    assert.equal((await signIn(password)).status, 401);
    assert.equal((await signIn(next)).status, 201);
  });
});

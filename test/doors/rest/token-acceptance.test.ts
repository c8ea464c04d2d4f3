// The black-box list of reference access-tokens 13, items 1 to 9, 11 and 12, one by one over a real server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSoundRoutable } from '../../../src/credentials/token-text.ts';
import type { User } from '../../../src/identity/records.ts';
import { DAY, isoDate } from '../../../src/kernel/clock.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { TODAY, withForge } from '../../keys/forge.ts';
import { START } from '../../support/world.ts';

const EXPIRED = 'Token is expired. You can either do re-authorization or token refresh.';
const REVOKED = 'Token was revoked. You have to re-authorize from the user.';
const challenge = (text: string) =>
  `Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="${text}"`;
const dateIn = (days: number): string => isoDate(START + days * DAY);

withForge('the acceptance list of access tokens', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `person${++count}x`, ...values });

  test('1: a token of any scope reads itself, and is told which scopes open /user', async () => {
    const { api, token } = forge();
    const user = await person();
    for (const scope of ['k8s_proxy', 'write_repository', 'self_rotate']) {
      const text = await token(user, [scope]);
      const self = await api('GET', '/personal_access_tokens/self', { token: text });
      assert.equal(self.status, 200, scope);
      assert.deepEqual(self.body.scopes, [scope]);
      assert.equal(self.body.token, undefined);
      const other = await api('GET', '/user', { token: text });
      assert.deepEqual([other.status, other.body.error], [403, 'insufficient_scope']);
      assert.equal(other.body.scope, 'read_user api read_api');
    }
  });

  test('2: every channel of 2.1 is read, and a bad parameter is not rescued by a good header', async () => {
    const { api, token } = forge();
    const text = await token(await person());
    const path = '/personal_access_tokens/self';
    const channels: Record<string, string>[] = [
      { Authorization: `Bearer ${text}` },
      { authorization: `bearer ${text}` },
      { 'private-token': text },
    ];
    for (const headers of channels)
      assert.equal((await api('GET', path, { token: null, headers })).status, 200, Object.keys(headers).join());
    assert.equal((await api('GET', `${path}?private_token=${text}`, { token: null })).status, 200);
    const bad = await api('GET', `${path}?private_token=nonsense`, { token: text });
    assert.equal(bad.status, 401);
    assert.deepEqual(bad.body, { message: '401 Unauthorized' });
  });

  test('3: revoked, expired and unknown tokens are told apart', async () => {
    const { api, token } = forge();
    const user = await person();
    const text = await token(user);
    assert.equal((await api('DELETE', '/personal_access_tokens/self', { token: text })).status, 204);
    const revoked = await api('DELETE', '/personal_access_tokens/self', { token: text });
    assert.equal(revoked.status, 401);
    assert.deepEqual(revoked.body, { error: 'invalid_token', error_description: REVOKED });
    assert.equal(revoked.headers.get('www-authenticate'), challenge(REVOKED));

    const made = await api('POST', `/users/${user.id}/personal_access_tokens`, {
      body: { name: 'today', scopes: ['api'], expires_at: TODAY },
    });
    assert.equal(made.status, 201);
    assert.equal(made.body.active, false);
    assert.equal(made.body.expires_at, TODAY);
    const expired = await api('GET', '/personal_access_tokens/self', { token: made.body.token });
    assert.equal(expired.status, 401);
    assert.deepEqual(expired.body, { error: 'invalid_token', error_description: EXPIRED });
    assert.equal(expired.headers.get('www-authenticate'), challenge(EXPIRED));

    const { world } = forge();
    const open = await world.project(await world.group({ visibility: 'public' }), { visibility: 'public' });
    assert.equal((await api('GET', `/projects/${open.id}`, { token: null })).status, 200);
    for (const path of ['/personal_access_tokens/self', `/projects/${open.id}`]) {
      const garbage = await api('GET', path, { token: 'glpat-garbagegarbagegarbage' });
      assert.deepEqual([garbage.status, garbage.body], [401, { message: '401 Unauthorized' }]);
      assert.equal(garbage.headers.get('www-authenticate'), null);
    }
  });

  test('4: reuse of a revoked token on a rotate route kills the family, elsewhere it only fails', async () => {
    const { api, issue } = forge();
    const user = await person();
    const a = await issue(user);
    const rotate = async (token: string) => api('POST', '/personal_access_tokens/self/rotate', { token });
    const b = await rotate(a.secret.reveal());
    assert.equal(b.status, 200);
    const c = await rotate(b.body.token);
    assert.equal(c.status, 200);
    const alive = async () => (await api('GET', '/personal_access_tokens/self', { token: c.body.token })).status;

    const elsewhere = await api('GET', '/personal_access_tokens/self', { token: b.body.token });
    assert.equal(elsewhere.status, 401);
    assert.equal(await alive(), 200);

    const other = await forge().token(user);
    const byId = await api('POST', `/personal_access_tokens/${a.credential.id}/rotate`, { token: other });
    assert.deepEqual([byId.status, byId.body], [400, { message: '400 Bad request - Token already revoked' }]);
    assert.equal(await alive(), 200);

    const reuse = await rotate(a.secret.reveal());
    assert.equal(reuse.status, 401);
    assert.equal(reuse.body.error_description, REVOKED);
    assert.equal(await alive(), 401);
  });

  test('5: a date beyond the limit leaves the old token alive, the last day is taken', async () => {
    const { api, issue } = forge();
    const key = await issue(await person());
    const token = key.secret.reveal();
    const late = await api('POST', '/personal_access_tokens/self/rotate', { token, body: { expires_at: dateIn(366) } });
    assert.equal(late.status, 400);
    assert.deepEqual(late.body, { message: `400 Bad request - Expires at must be before ${dateIn(365)}` });
    assert.equal((await api('GET', '/personal_access_tokens/self', { token })).status, 200);
    const good = await api('POST', '/personal_access_tokens/self/rotate', { token, body: { expires_at: dateIn(365) } });
    assert.equal(good.status, 200);
    assert.equal(good.body.expires_at, dateIn(365));
    assert.notEqual(good.body.id, key.credential.id);
    assert.equal(good.body.last_used_at, null);
    assert.equal((await api('GET', '/personal_access_tokens/self', { token })).status, 401);
  });

  test('6: foreign and missing tokens read alike; an administrator is told what is missing', async () => {
    const { api, issue, token } = forge();
    const [alice, bob] = [await person(), await person()];
    const mine = await token(alice);
    const his = await issue(bob);
    const missing = 999_999;
    const list = await api('GET', `/personal_access_tokens?user_id=${bob.id}`, { token: mine });
    assert.deepEqual([list.status, list.body], [401, { message: '401 Unauthorized' }]);
    assert.equal((await api('GET', `/personal_access_tokens?user_id=${alice.id}`, { token: mine })).status, 200);
    for (const id of [his.credential.id, missing]) {
      const get = await api('GET', `/personal_access_tokens/${id}`, { token: mine });
      assert.deepEqual([get.status, get.body], [401, { message: '401 Unauthorized' }]);
      const rotated = await api('POST', `/personal_access_tokens/${id}/rotate`, { token: mine });
      assert.deepEqual([rotated.status, rotated.body], [401, { message: '401 Unauthorized' }]);
      const deleted = await api('DELETE', `/personal_access_tokens/${id}`, { token: mine });
      assert.deepEqual([deleted.status, deleted.body], [404, { message: '404 Not found' }]);
    }
    for (const [method, path] of [
      ['GET', ''],
      ['POST', '/rotate'],
    ] as const) {
      const asAdmin = await api(method, `/personal_access_tokens/${missing}${path}`);
      assert.deepEqual([asAdmin.status, asAdmin.body], [404, { message: '404 Not Found' }]);
    }
    assert.equal((await api('GET', `/personal_access_tokens?user_id=${missing}`)).status, 404);
    assert.equal((await api('GET', '/personal_access_tokens?user_id=')).status, 404);
    assert.deepEqual((await api('GET', '/personal_access_tokens?user_id=bob')).body, { error: 'user_id is invalid' });
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: his.secret.reveal() })).status, 200);
  });

  test('7: the caps and odd statuses of project access tokens', async () => {
    const { api, world, token } = forge();
    const [owner, maintainer, developer] = [await person(), await person(), await person()];
    const group = await world.group({});
    const project = await world.project(group);
    await world.member(owner, { group }, 50);
    await world.member(maintainer, { project }, 40);
    await world.member(developer, { project }, 30);
    const path = `/projects/${project.id}/access_tokens`;
    const body = (level?: number) => ({ name: 'bot', scopes: ['api'], access_level: level });
    const as = { maintainer: await token(maintainer), developer: await token(developer) };

    const owners = await api('POST', path, { token: as.maintainer, body: body(50) });
    assert.equal(owners.status, 400);
    assert.equal(
      owners.body.message,
      '400 Bad request - Access level of the token contains permissions not held by the creating user',
    );
    const made = await api('POST', path, { token: as.maintainer, body: body(40) });
    assert.equal(made.status, 201);
    const bot: string = made.body.token;
    const sibling = await api('POST', path, { token: as.maintainer, body: body() });
    assert.equal(sibling.body.access_level, 40);

    const looked = await api('GET', path, { token: as.developer });
    assert.deepEqual([looked.status, looked.body], [401, { message: '401 Unauthorized' }]);
    const taken = await api('DELETE', `${path}/${sibling.body.id}`, { token: as.developer });
    assert.deepEqual(
      [taken.status, taken.body],
      [400, { message: `400 Bad request - ${developer.name} cannot delete bot` }],
    );
    const no = await api('POST', path, { token: as.developer, body: body(30) });
    assert.deepEqual(no.body, {
      message: '400 Bad request - User does not have permission to create project access token',
    });

    const byBot = await api('GET', path, { token: bot });
    assert.equal(byBot.status, 200);
    assert.deepEqual(
      byBot.body.map((row: { id: number }) => row.id),
      [made.body.id, sibling.body.id],
    );
    const createdByBot = await api('POST', path, { token: bot, body: body(10) });
    assert.equal(createdByBot.status, 400);
    const rotatedByBot = await api('POST', `${path}/${sibling.body.id}/rotate`, { token: bot });
    assert.deepEqual([rotatedByBot.status, rotatedByBot.body], [401, { message: '401 Unauthorized' }]);
    assert.equal((await api('DELETE', `${path}/${sibling.body.id}`, { token: bot })).status, 204);

    const self = await api('POST', `${path}/self/rotate`, { token: bot });
    assert.equal(self.status, 200);
    assert.equal(self.body.user_id, made.body.user_id);
    assert.equal(self.body.access_level, 40);
    assert.equal(self.body.resource_type, 'project');
    assert.equal(self.body.resource_id, project.id);
  });

  test('8: a group token pulls from everywhere below its group and from nowhere else', async () => {
    const { api, world, token, repository, server } = forge();
    const owner = await person();
    const group = await world.group({});
    const sub = await world.group({ parent: group });
    const subsub = await world.group({ parent: sub });
    const [inside, outside] = [await world.project(subsub), await world.project(await world.group({}))];
    for (const project of [inside, outside]) await repository(project);
    await world.member(owner, { group }, 50);
    const made = await api('POST', `/groups/${group.id}/access_tokens`, {
      token: await token(owner),
      body: { name: 'puller', scopes: ['read_repository'], access_level: 30 },
    });
    assert.equal(made.status, 201, made.text);
    const pull = async (path: string) => {
      const basic = Buffer.from(`x:${made.body.token}`).toString('base64');
      const target = `/${path}.git/info/refs?service=git-upload-pack`;
      return (await server.http('GET', target, { headers: { authorization: `Basic ${basic}` } })).status;
    };
    assert.equal(await pull(inside.full_path), 200);
    assert.equal(await pull(outside.full_path), 401);
    assert.equal(await pull(`${group.full_path}x/none`), 401);
  });

  test('9: pages carry all headers, and the next link repeats the filters but no secret', async () => {
    const { api, world, token } = forge();
    const maintainer = await person();
    const project = await world.project(await world.group({}));
    await world.member(maintainer, { project }, 40);
    const text = await token(maintainer);
    const path = `/projects/${project.id}/access_tokens`;
    for (const expires_at of ['2026-01-03', '2026-01-01', '2026-01-02'])
      await api('POST', path, { token: text, body: { name: expires_at, scopes: ['api'], expires_at } });
    const query = 'state=inactive&sort=expires_asc&per_page=1';
    const page = await api('GET', `${path}?${query}&private_token=${text}`, { token: null });
    assert.equal(page.status, 200);
    assert.deepEqual(
      page.body.map((row: { name: string }) => row.name),
      ['2026-01-01'],
    );
    const header = (name: string) => page.headers.get(name);
    assert.deepEqual(['x-page', 'x-per-page', 'x-next-page', 'x-prev-page', 'x-total', 'x-total-pages'].map(header), [
      '1',
      '1',
      '2',
      '',
      '3',
      '3',
    ]);
    const link = header('link')!;
    assert.match(link, /rel="first"/);
    assert.match(link, /rel="last"/);
    const next = /<([^>]+)>; rel="next"/.exec(link)![1]!;
    for (const part of ['state=inactive', 'sort=expires_asc', 'per_page=1', 'page=2'])
      assert.ok(next.includes(part), part);
    assert.ok(!link.includes(text) && !link.includes('private_token'));
  });

  test('11: the text of a token follows the grammar of its form, and one flipped character is turned away', async () => {
    const { api } = forge();
    const user = await person();
    const make = async () =>
      (await api('POST', `/users/${user.id}/personal_access_tokens`, { body: { name: 'form', scopes: ['api'] } })).body
        .token as string;
    const routable = await make();
    assert.match(routable, /^glpat-[0-9a-zA-Z_-]{27,300}\.01\.[0-9a-z]{2}[0-9a-z]{7}$/);
    assert.ok(isSoundRoutable(routable));
    const flipped = `${routable.slice(0, 10)}${routable[10] === 'a' ? 'b' : 'a'}${routable.slice(11)}`;
    assert.ok(!isSoundRoutable(flipped));
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: flipped })).status, 401);
    const put = (token_format: string) =>
      forge().server.services.db.tx((tx) => updateSettings(tx, { token_format }, START));
    await put('legacy');
    assert.match(await make(), /^glpat-[0-9A-Za-z_-]{20}$/);
    await put('routable');
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: routable })).status, 200);
  });

  test('12: the token API knows prefixes, and says "not found" in an object', async () => {
    const { api } = forge();
    const foo = await api('POST', '/admin/token', { body: { token: 'foo' } });
    assert.deepEqual([foo.status, foo.body], [422, { message: 'Token type not supported.' }]);
    const unknown = await api('POST', '/admin/token', { body: { token: 'glpat-aaaaaaaaaaaaaaaaaaaa' } });
    assert.deepEqual([unknown.status, unknown.body], [404, { message: { error: 'Not found' } }]);
  });
});

// Deploy keys over REST, in the order of reference git-and-deploy 6.3: who may, what answers look like, what a key does to others.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { newSshKeyText } from '../support/world.ts';
import { type Forge, withForge } from './forge.ts';

const FORBIDDEN = { message: '403 Forbidden' };

async function project(forge: Forge, maintainer: User): Promise<Project> {
  const made = await forge.world.project(await forge.world.group());
  await forge.world.member(maintainer, { project: made }, 40);
  return made;
}

withForge('deploy keys', (forge) => {
  it('are added, shown, listed, changed and removed by Maintainers', async () => {
    const { world, api, token } = forge();
    const maintainer = await world.user();
    const { id } = await project(forge(), maintainer);
    const auth = { token: await token(maintainer) };
    const key = newSshKeyText('ci host');
    const base = `/projects/${id}/deploy_keys`;

    const made = await api('POST', base, { ...auth, body: { title: 'ci', key: ` ${key}\n`, can_push: true } });
    assert.equal(made.status, 201, made.text);
    const { id: keyId } = made.body;
    assert.equal(made.body.key, key);
    assert.equal(made.body.can_push, true);
    assert.equal(made.body.expires_at, null);
    assert.match(made.body.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/);
    assert.match(made.body.fingerprint_sha256, /^SHA256:[A-Za-z0-9+/]{43}$/);
    assert.deepEqual((await api('GET', `${base}/${keyId}`, auth)).body, made.body);
    const listed = await api('GET', base, auth);
    assert.deepEqual(listed.body, [made.body]);
    assert.equal(listed.headers.get('x-total'), '1');

    const again = await api('POST', base, { ...auth, body: { title: 'other', key, can_push: false } });
    assert.equal(again.status, 201);
    assert.deepEqual(again.body, made.body);

    const changed = await api('PUT', `${base}/${keyId}`, { ...auth, body: { title: 'new', can_push: false } });
    assert.equal(changed.status, 200);
    assert.deepEqual(changed.body, { ...made.body, title: 'new', can_push: false });
    const neither = await api('PUT', `${base}/${keyId}`, { ...auth, body: {} });
    assert.equal(neither.status, 400);
    assert.deepEqual(neither.body, {
      error: 'title, can_push are missing, at least one parameter must be provided',
    });

    const late = { ...auth, headers: { 'if-unmodified-since': 'Sun, 01 Mar 2020 00:00:00 GMT' } };
    assert.equal((await api('DELETE', `${base}/${keyId}`, late)).status, 412);
    assert.equal((await api('DELETE', `${base}/${keyId}`, auth)).status, 204);
    const gone = await api('DELETE', `${base}/${keyId}`, auth);
    assert.deepEqual([gone.status, gone.body], [404, { message: '404 Deploy key Not Found' }]);
    for (const method of ['GET', 'PUT']) {
      const missing = await api(method, `${base}/${keyId}`, {
        ...auth,
        ...(method === 'PUT' && { body: { title: 'x' } }),
      });
      assert.deepEqual([missing.status, missing.body], [404, { message: '404 Not found' }], method);
    }
    assert.equal(
      (await api('POST', base, { ...auth, body: { title: 'ci', key } })).status,
      201,
      'its body is free again',
    );
  });

  it('are refused to strangers, Developers and unsound keys, each in its words', async () => {
    const { world, api, token } = forge();
    const maintainer = await world.user();
    const developer = await world.user();
    const place = await project(forge(), maintainer);
    await world.member(developer, { project: place }, 30);
    const base = `/projects/${place.id}/deploy_keys`;
    const nobody = await api('GET', base, { token: null });
    assert.deepEqual([nobody.status, nobody.body], [401, { message: '401 Unauthorized' }]);
    const low = await api('GET', base, { token: await token(developer) });
    assert.deepEqual([low.status, low.body], [403, FORBIDDEN]);
    const hidden = await api('GET', base, { token: await token(await world.user()) });
    assert.deepEqual([hidden.status, hidden.body], [404, { message: '404 Project Not Found' }]);

    const auth = { token: await token(maintainer) };
    const post = (body: object) => api('POST', base, { ...auth, body });
    assert.deepEqual((await post({})).body, { error: 'key is missing, title is missing' });
    const bad = await post({ title: 'x'.repeat(256), key: 'ssh-rsa AAAA' });
    assert.equal(bad.status, 400);
    assert.deepEqual(bad.body, {
      message: { 'deploy_key.title': ['is too long (maximum is 255 characters)'], 'deploy_key.key': ['is invalid'] },
    });

    const stranger = await world.user();
    const other = await project(forge(), stranger);
    const key = newSshKeyText();
    const theirs = { token: await token(stranger), body: { title: 'theirs', key } };
    assert.equal((await api('POST', `/projects/${other.id}/deploy_keys`, theirs)).status, 201);
    const taken = { message: { 'deploy_key.fingerprint_sha256': ['has already been taken'] } };
    assert.deepEqual((await post({ title: 'mine', key })).body, taken);
    assert.deepEqual((await post({ title: 'mine', key: `${key} more` })).body, taken);
    const own = await api('POST', '/user/keys', { ...auth, body: { title: 'mine', key } });
    assert.deepEqual(own.body, {
      message: { fingerprint: ['has already been taken'], key: ['has already been taken'] },
    });
  });

  it('are shared between projects, each with its own write access, and no other project can be asked about', async () => {
    const { world, api, token } = forge();
    const maintainer = await world.user();
    const [one, two] = [await project(forge(), maintainer), await project(forge(), maintainer)];
    const foreign = await project(forge(), await world.user());
    const auth = { token: await token(maintainer) };
    const key = newSshKeyText();
    const at = (place: Project) => `/projects/${place.id}/deploy_keys`;
    const made = await api('POST', at(one), { ...auth, body: { title: 'ci', key, can_push: true } });
    const keyId = made.body.id;
    const enabled = await api('POST', `${at(two)}/${keyId}/enable`, auth);
    assert.equal(enabled.status, 201);
    assert.equal(Object.hasOwn(enabled.body, 'can_push'), false);
    assert.equal((await api('POST', `${at(two)}/${keyId}/enable`, auth)).status, 201);
    assert.equal((await api('GET', `${at(two)}/${keyId}`, auth)).body.can_push, false);
    const title = await api('PUT', `${at(two)}/${keyId}`, { ...auth, body: { title: 'ignored', can_push: true } });
    assert.deepEqual([title.body.title, title.body.can_push], ['ci', true]);
    const asRoot = await api('PUT', `${at(two)}/${keyId}`, { body: { title: 'by root', can_push: false } });
    assert.equal(asRoot.body.title, 'by root');
    assert.equal((await api('GET', `${at(one)}/${keyId}`, auth)).body.can_push, true);

    const swapped = await api('GET', `${at(foreign)}/${keyId}`);
    assert.equal(swapped.status, 404);
    const lone = await world.user();
    const his = await project(forge(), lone);
    const foreignEnable = await api('POST', `${at(his)}/${keyId}/enable`, { token: await token(lone) });
    assert.deepEqual([foreignEnable.status, foreignEnable.body], [404, { message: '404 Deploy key Not Found' }]);

    assert.equal((await api('DELETE', `${at(one)}/${keyId}`, auth)).status, 204);
    assert.equal((await api('GET', `${at(two)}/${keyId}`, auth)).status, 200);
    const joined = await api('POST', at(one), { ...auth, body: { title: 'kept', key, can_push: true } });
    assert.deepEqual([joined.body.id, joined.body.title, joined.body.can_push], [keyId, 'by root', true]);
  });

  it('are public only when an administrator makes them so, and outlive their last project', async () => {
    const { world, api, token } = forge();
    const maintainer = await world.user();
    const parent = await world.group();
    const place = await world.project(await world.group({ parent }));
    await world.member(maintainer, { project: place }, 40);
    const auth = { token: await token(maintainer) };
    assert.equal(
      (await api('POST', '/deploy_keys', { ...auth, body: { title: 'x', key: newSshKeyText() } })).status,
      403,
    );
    const key = newSshKeyText();
    const made = await api('POST', '/deploy_keys', {
      body: { title: 'shared', key, expires_at: '2030-01-02T03:04:05Z' },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.body.expires_at, '2030-01-02T03:04:05.000Z');
    const keyId = made.body.id;
    const duplicate = await api('POST', '/deploy_keys', { body: { title: 'again', key } });
    assert.deepEqual(duplicate.body, { message: { fingerprint_sha256: ['has already been taken'] } });
    const base = `/projects/${place.id}/deploy_keys`;
    assert.equal((await api('POST', `${base}/${keyId}/enable`, auth)).status, 201);
    const pushing = await api('PUT', `${base}/${keyId}`, {
      ...auth,
      body: { title: 'mine', public: false, can_push: true },
    });
    assert.deepEqual([pushing.body.title, pushing.body.can_push], ['shared', true]);
    const all = await api('GET', '/deploy_keys?public=true&per_page=100');
    const shown = all.body.find((each: { id: number }) => each.id === keyId);
    assert.deepEqual(shown.projects_with_readonly_access, []);
    assert.equal(shown.projects_with_write_access[0].path_with_namespace, place.full_path);
    const { name_with_namespace } = (await api('GET', `/projects/${place.id}`)).body;
    assert.equal(name_with_namespace.split(' / ').length, 3);
    assert.equal(shown.projects_with_write_access[0].name_with_namespace, name_with_namespace);
    assert.deepEqual(Object.keys(shown.projects_with_write_access[0]).sort(), [
      'created_at',
      'description',
      'id',
      'name',
      'name_with_namespace',
      'path',
      'path_with_namespace',
    ]);
    assert.equal((await api('GET', '/deploy_keys', auth)).status, 403);
    assert.equal((await api('DELETE', `${base}/${keyId}`, auth)).status, 204);
    assert.equal((await api('POST', `${base}/${keyId}/enable`, auth)).status, 201, 'it is still there');
    assert.equal((await api('DELETE', `/deploy_keys/${keyId}`, auth)).status, 403);
    assert.equal((await api('DELETE', `/deploy_keys/${keyId}`)).status, 204);
    assert.equal((await api('GET', `${base}/${keyId}`, auth)).status, 404);
  });

  it('are taken over by who maintains every project of them, and the deed is recorded', async () => {
    const { world, api, token } = forge();
    const [first, second] = [await world.user(), await world.user()];
    const [one, two] = [await project(forge(), first), await project(forge(), first)];
    await world.member(second, { project: one }, 40);
    const key = newSshKeyText();
    const auth = { token: await token(first) };
    const made = await api('POST', `/projects/${one.id}/deploy_keys`, {
      ...auth,
      body: { title: 'ci', key, can_push: true },
    });
    const keyId = made.body.id;
    await api('POST', `/projects/${two.id}/deploy_keys/${keyId}/enable`, auth);
    const take = `/projects/${one.id}/deploy_keys/${keyId}/take_ownership`;
    const other = { token: await token(second) };
    const refused = await api('POST', take, other);
    assert.deepEqual([refused.status, refused.body], [403, FORBIDDEN]);
    await world.member(second, { project: two }, 40);
    const taken = await api('POST', take, other);
    assert.equal(taken.status, 200);
    assert.equal(taken.body.can_push, true);
    assert.equal((await api('GET', `/keys/${keyId}`)).body.user.id, second.id);
    const audited = await world.house.db.read
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', String(keyId))
      .where('author_id', '=', second.id)
      .execute();
    assert.deepEqual(
      audited.map((row) => row.message),
      ['Took over deploy key ci'],
    );
    const shared = await api('POST', '/deploy_keys', { body: { title: 'shared', key: newSshKeyText() } });
    await api('POST', `/projects/${one.id}/deploy_keys/${shared.body.id}/enable`, auth);
    const publicKey = `/projects/${one.id}/deploy_keys/${shared.body.id}/take_ownership`;
    assert.equal((await api('POST', publicKey, auth)).status, 403);
    assert.equal((await api('POST', publicKey)).status, 200);
  });

  it('show in the inventory of who manages their projects, and their reach names no place hidden from him', async () => {
    const { world, api, token } = forge();
    const [first, second] = [await world.user(), await world.user()];
    const [one, two] = [await project(forge(), first), await project(forge(), first)];
    await world.member(second, { project: one }, 40);
    const auth = { token: await token(first) };
    const body = { title: 'ci', key: newSshKeyText() };
    const made = await api('POST', `/projects/${one.id}/deploy_keys`, { ...auth, body });
    const keyId = made.body.id;
    await api('POST', `/projects/${two.id}/deploy_keys/${keyId}/enable`, auth);
    const other = { token: await token(second) };
    const paths = async (who: object) =>
      (await api('GET', `/keyward/credentials/${keyId}/reach`, who)).body.map((each: { id: number }) => each.id);
    assert.deepEqual(await paths(auth), [one.id, two.id]);
    assert.deepEqual(await paths(other), [one.id]);
    const shown = await api('GET', `/keyward/credentials/${keyId}`, other);
    assert.deepEqual([shown.body.kind, shown.body.state], ['deploy_key', 'active']);
    const listed = await api('GET', '/keyward/credentials?kind=deploy_key', other);
    assert.deepEqual(
      listed.body.map((each: { id: number }) => each.id),
      [keyId],
    );
    const stranger = { token: await token(await world.user()) };
    assert.equal((await api('GET', `/keyward/credentials/${keyId}`, stranger)).status, 404);
    const why = await api('POST', '/keyward/explain', {
      ...auth,
      body: { credential_id: keyId, action: 'repository:push', project: one.full_path },
    });
    assert.deepEqual([why.body.allowed, why.body.refused_by], [false, 'role']);
    const common = await api('GET', `/users/${second.id}/project_deploy_keys`, auth);
    assert.deepEqual(
      common.body.map((each: { id: number }) => each.id),
      [keyId],
    );
    assert.deepEqual((await api('GET', `/users/${first.username}/project_deploy_keys`, stranger)).body, []);
    assert.equal((await api('GET', '/users/nobody-at-all/project_deploy_keys', auth)).status, 404);
  });

  it('end with the last project that held them', async () => {
    const { world, api, token } = forge();
    const maintainer = await world.user();
    const place = await project(forge(), maintainer);
    await forge().repository(place);
    const auth = { token: await token(maintainer) };
    const key = newSshKeyText();
    const made = await api('POST', `/projects/${place.id}/deploy_keys`, { ...auth, body: { title: 'ci', key } });
    assert.ok((await world.verifier.byId(made.body.id)).ok);
    assert.equal((await api('DELETE', `/projects/${place.id}`)).status, 202);
    assert.equal((await world.verifier.byId(made.body.id)).ok, false);
    assert.equal((await api('GET', `/keys/${made.body.id}`)).status, 404);
  });
});

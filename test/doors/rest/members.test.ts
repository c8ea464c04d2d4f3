// Members over REST (reference git-and-deploy 1, 12.4): who may give what to whom, and what is inherited.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onBothEngines } from '../../support/both-engines.ts';

const FIELDS = [
  'id',
  'username',
  'name',
  'state',
  'avatar_url',
  'web_url',
  'access_level',
  'created_at',
  'created_by',
  'expires_at',
];

onBothEngines('members over REST', (server) => {
  const day = (days: number) => new Date(server().services.clock.now() + days * 864e5).toISOString().slice(0, 10);
  const world = async (prefix: string) => {
    const { api } = server();
    const [owner, maintainer, guest] = await Promise.all(
      ['o', 'm', 'g'].map((letter) => server().user(`${prefix}-${letter}`)),
    );
    const group = (
      await api('POST', '/groups', { token: owner!.token, body: { name: prefix, path: `${prefix}-group` } })
    ).body;
    const project = (
      await api('POST', '/projects', { token: owner!.token, body: { name: 'p', namespace_id: group.id } })
    ).body;
    const add = await api('POST', `/projects/${project.id}/members`, {
      token: owner!.token,
      body: { user_id: maintainer!.id, access_level: 40 },
    });
    assert.equal(add.status, 201);
    return {
      api,
      owner: owner!,
      maintainer: maintainer!,
      guest: guest!,
      group,
      project,
      at: `/projects/${project.id}/members`,
      above: `/groups/${group.id}/members`,
    };
  };

  it('are added by id, by name and by list, and have all fields', async () => {
    const { api, maintainer, owner, guest, at } = await world('add');
    const post = (body: object, token = maintainer.token) => api('POST', at, { token, body });
    const added = await post({ user_id: guest.id, access_level: 10, expires_at: day(9) });
    assert.equal(added.status, 201);
    for (const field of FIELDS) assert.ok(field in added.body, field);
    assert.equal(added.body.expires_at, day(9));
    assert.equal(added.body.created_by.id, maintainer.id);
    const again = await post({ user_id: guest.id, access_level: 20 });
    assert.deepEqual([again.status, again.body], [409, { message: 'Member already exists' }]);
    assert.deepEqual((await post({ user_id: 999999, access_level: 10 })).body, { message: '404 User Not Found' });
    const one = await server().user('add-name');
    assert.equal((await post({ username: 'ADD-name', access_level: 30 })).body.id, one.id);
    assert.deepEqual((await post({ access_level: 10 })).body, {
      error: 'user_id, username are missing, at least one parameter must be provided',
    });
    assert.deepEqual((await post({ user_id: 1, access_level: 7 })).body, {
      error: 'access_level does not have a valid value',
    });
    assert.deepEqual((await post({ user_id: guest.id })).body, { error: 'access_level is missing' });
    assert.equal(
      (await post({ user_id: guest.id, access_level: 5 })).status,
      400,
      'minimal access is for top-level groups',
    );
    const more = await server().user('add-more');
    const list = await post({ user_id: `${more.id},${one.id}`, access_level: 30 });
    assert.deepEqual(list.body, { status: 'error', message: { 'add-name': 'Member already exists' } });
    const last = await server().user('add-last');
    assert.deepEqual(
      (await post({ user_id: `${last.id},${(await server().user('add-end')).id}`, access_level: 30 })).body,
      { status: 'success' },
    );
    assert.equal((await post({ user_id: owner.id, access_level: 40 })).status, 400, 'below what he inherits');
    assert.equal((await post({ user_id: guest.id, access_level: 10, expires_at: day(-1) })).status, 400);
    assert.equal((await post({ user_id: guest.id, access_level: 10 }, guest.token)).status, 403);
  });

  it('are given no more than one holds oneself', async () => {
    const { api, owner, maintainer, guest, at, above, group } = await world('cap');
    const post = (path: string, token: string, access_level: number) =>
      api('POST', path, { token, body: { user_id: guest.id, access_level } });
    const refused = await post(at, maintainer.token, 50);
    assert.deepEqual([refused.status, refused.body], [403, { message: '403 Forbidden' }]);
    assert.equal((await post(at, owner.token, 50)).status, 201);
    const put = (access_level: number) =>
      api('PUT', `${at}/${guest.id}`, { token: maintainer.token, body: { access_level } });
    assert.equal((await put(30)).status, 403, 'an Owner is not a Maintainer’s to change');
    assert.equal((await api('DELETE', `${at}/${guest.id}`, { token: maintainer.token })).status, 403);
    assert.equal(
      (await api('PUT', `${at}/${maintainer.id}`, { token: maintainer.token, body: { access_level: 50 } })).status,
      403,
    );
    assert.equal(
      (await post(above, maintainer.token, 10)).status,
      403,
      'seen because of the project below, but not to manage',
    );
    await api('POST', above, { token: owner.token, body: { user_id: maintainer.id, access_level: 40 } });
    assert.equal((await post(above, maintainer.token, 10)).status, 403);
    assert.equal((await api('GET', `/groups/${group.id}/members/${guest.id}`, { token: owner.token })).status, 404);
  });

  it('cannot fall below what they inherit', async () => {
    const { api, owner, guest, group, at, above } = await world('inh');
    await api('POST', above, { token: owner.token, body: { user_id: guest.id, access_level: 30 } });
    const low = await api('POST', at, { token: owner.token, body: { user_id: guest.id, access_level: 20 } });
    assert.equal(low.status, 400);
    assert.deepEqual(low.body, {
      message: {
        access_level: [`should be greater than or equal to Developer inherited membership from group ${group.name}`],
      },
    });
    assert.equal(
      (await api('POST', at, { token: owner.token, body: { user_id: guest.id, access_level: 40 } })).status,
      201,
    );
    const all = await api('GET', `${at}/all`, { token: owner.token });
    const rows = all.body.filter((row: { id: number }) => row.id === guest.id);
    assert.deepEqual(
      rows.map((row: { access_level: number }) => row.access_level),
      [40],
      'one row a user, the highest level',
    );
    assert.equal(all.headers.get('x-total'), String(all.body.length));
    assert.equal((await api('GET', `${at}/all/${owner.id}`, { token: owner.token })).body.access_level, 50);
    assert.equal(
      (await api('GET', `${at}/${owner.id}`, { token: owner.token })).status,
      404,
      'inherited is not direct',
    );
    const found = await api('GET', `${at}?query=inh-g`, { token: owner.token });
    assert.deepEqual(
      found.body.map((row: { id: number }) => row.id),
      [guest.id],
    );
    const skipped = await api('GET', `${at}?skip_users[]=${guest.id}`, { token: owner.token });
    assert.equal(
      skipped.body.some((row: { id: number }) => row.id === guest.id),
      false,
    );
    assert.equal((await api('GET', `${at}?user_ids[]=${guest.id}`, { token: owner.token })).body.length, 1);
  });

  it('change, leave and are removed, and lose their rights at the next request', async () => {
    const { api, owner, maintainer, guest, project, at, above } = await world('out');
    await api('POST', at, { token: owner.token, body: { user_id: guest.id, access_level: 10 } });
    const changed = await api('PUT', `${at}/${guest.id}`, {
      token: maintainer.token,
      body: { access_level: 20, expires_at: day(3) },
    });
    assert.deepEqual([changed.status, changed.body.access_level, changed.body.expires_at], [200, 20, day(3)]);
    const kept = await api('PUT', `${at}/${guest.id}`, { token: maintainer.token, body: { access_level: 20 } });
    assert.equal(kept.body.expires_at, day(3));
    assert.equal(
      (await api('PUT', `${at}/${guest.id}`, { token: maintainer.token, body: { access_level: 20, expires_at: null } }))
        .body.expires_at,
      null,
    );
    assert.equal((await api('PUT', `${at}/999999`, { token: owner.token, body: { access_level: 20 } })).status, 404);
    assert.equal((await api('DELETE', `${at}/${maintainer.id}`, { token: guest.token })).status, 403);
    assert.equal((await api('DELETE', `${at}/${guest.id}`, { token: guest.token })).status, 204, 'anybody may leave');
    assert.equal((await api('GET', `/projects/${project.id}`, { token: guest.token })).status, 404);
    assert.equal((await api('DELETE', `${at}/${maintainer.id}`, { token: null })).status, 404, 'hidden from strangers');
    await api('POST', above, { token: owner.token, body: { user_id: guest.id, access_level: 30 } });
    await api('POST', at, { token: owner.token, body: { user_id: guest.id, access_level: 40 } });
    assert.equal((await api('DELETE', `${above}/${guest.id}`, { token: owner.token })).status, 204);
    assert.equal(
      (await api('GET', `/projects/${project.id}`, { token: guest.token })).status,
      404,
      'with all below the group',
    );
  });

  it('keep a group’s last Owner, and the owner of a personal project', async () => {
    const { api, owner, guest, above } = await world('last');
    assert.equal((await api('DELETE', `${above}/${owner.id}`, { token: owner.token })).status, 403);
    assert.equal(
      (await api('PUT', `${above}/${owner.id}`, { token: owner.token, body: { access_level: 40 } })).status,
      403,
    );
    const dated = (user: { id: number }) =>
      api('PUT', `${above}/${user.id}`, { token: owner.token, body: { access_level: 50, expires_at: day(1) } });
    assert.equal((await dated(owner)).status, 403, 'tomorrow the group would have no Owner');
    await api('POST', above, { token: owner.token, body: { user_id: guest.id, access_level: 50 } });
    assert.equal((await dated(guest)).status, 200);
    assert.equal((await dated(owner)).status, 403, 'nor may the last lasting one follow');
    assert.equal((await api('DELETE', `${above}/${owner.id}`, { token: owner.token })).status, 403);
    await api('PUT', `${above}/${guest.id}`, { token: owner.token, body: { access_level: 50, expires_at: null } });
    await api('POST', `/users/${guest.id}/block`);
    assert.equal((await api('DELETE', `${above}/${owner.id}`, { token: owner.token })).status, 403, 'blocked is none');
    await api('POST', `/users/${guest.id}/unblock`);
    const both = await Promise.all(
      [owner, guest].map((each) => api('DELETE', `${above}/${each.id}`, { token: each.token })),
    );
    assert.deepEqual(
      both.map((answer) => answer.status).sort(),
      [204, 403],
      'when both leave at once one of them stays',
    );
    const own = (await api('POST', '/projects', { token: owner.token, body: { name: 'own' } })).body;
    assert.equal((await api('DELETE', `/projects/${own.id}/members/${owner.id}`, { token: owner.token })).status, 403);
  });

  it('that are token bots stay where and as they were made', async () => {
    const { api, owner, project, group, at, above } = await world('bot');
    const made = await api('POST', `/projects/${project.id}/access_tokens`, {
      token: owner.token,
      body: { name: 'robot', scopes: ['api'], access_level: 40, expires_at: day(5) },
    });
    const bot = made.body.user_id;
    const listed = await api('GET', at, { token: owner.token });
    assert.ok(
      listed.body.some((row: { id: number }) => row.id === bot),
      'they show in the list',
    );
    for (const token of [owner.token, undefined, made.body.token]) {
      assert.equal((await api('PUT', `${at}/${bot}`, { token, body: { access_level: 10 } })).status, 403);
      assert.equal((await api('DELETE', `${at}/${bot}`, { token })).status, 403);
    }
    const other = (await api('POST', '/projects', { token: owner.token, body: { name: 'other' } })).body;
    for (const path of [`/projects/${other.id}/members`, above, `/groups/${group.id}/members`]) {
      const answer = await api('POST', path, { token: owner.token, body: { user_id: bot, access_level: 10 } });
      assert.equal(answer.status, 400);
      assert.deepEqual(answer.body, {
        message: { user_id: ['project bots cannot be added to other groups / projects'] },
      });
    }
  });

  it('stay hidden with their group when a group that one cannot see was invited', async () => {
    const { api, owner, maintainer, guest, project, at } = await world('inv');
    const secret = (await api('POST', '/groups', { token: guest.token, body: { name: 's', path: 'inv-secret' } })).body;
    await api('POST', `/groups/${secret.id}/members`, {
      token: guest.token,
      body: { user_id: owner.id, access_level: 10 },
    });
    const shared = await api('POST', `/projects/${project.id}/share`, {
      token: owner.token,
      body: { group_id: secret.id, group_access: 30 },
    });
    assert.equal(shared.status, 201);
    const seen = async (token: string) =>
      (await api('GET', `${at}/all`, { token })).body.some((row: { id: number }) => row.id === guest.id);
    assert.equal(await seen(owner.token), true);
    assert.equal(await seen(maintainer.token), false);
  });
});

// Users over REST (reference git-and-deploy 12.5): what is said of them to whom, and what administrators do.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onBothEngines } from '../../support/both-engines.ts';

onBothEngines('users over REST', (server) => {
  it('are listed for signed-in callers, and by exact name for everyone', async () => {
    const { api } = server();
    const lea = await server().user('lea');
    const nobody = await api('GET', '/users', { token: null });
    assert.equal(nobody.status, 403);
    assert.deepEqual(nobody.body, { message: '403 Forbidden - Not authorized to access /api/v4/users' });
    const named = await api('GET', '/users?username=LEA', { token: null });
    assert.equal(named.status, 200);
    assert.deepEqual(Object.keys(named.body[0]), [
      'id',
      'username',
      'name',
      'state',
      'locked',
      'avatar_url',
      'web_url',
    ]);
    const listed = await api('GET', '/users?per_page=100', { token: lea.token });
    assert.ok(listed.body.some((user: { username: string }) => user.username === 'root'));
    assert.equal('email' in listed.body[0], false, 'addresses are for administrators');
    const ids = listed.body.map((user: { id: number }) => user.id);
    assert.deepEqual(
      ids,
      [...ids].sort((a: number, b: number) => b - a),
      'newest first',
    );
    const found = await api('GET', `/users?search=lea%40example.com`, { token: lea.token });
    assert.deepEqual(found.body, [], 'a private address cannot be probed');
    assert.equal((await api('GET', '/users?exclude_internal=true&humans=true')).body.length >= 2, true);
    const ghosts = (await api('GET', '/users?exclude_internal=true&per_page=100')).body;
    assert.equal(
      ghosts.some((user: { username: string }) => user.username === 'ghost'),
      false,
    );
  });

  it('are shown with what each caller may see', async () => {
    const { api } = server();
    const mia = await server().user('mia', ['read_user']);
    const stranger = await api('GET', `/users/${mia.id}`, { token: null });
    assert.equal(stranger.status, 403);
    assert.deepEqual(stranger.body, { message: '403 Forbidden - Not authorized!' });
    const own = await api('GET', '/user', { token: mia.token });
    assert.equal(own.status, 200);
    assert.equal(own.body.username, 'mia');
    assert.equal('is_admin' in own.body, false);
    assert.equal(typeof own.body.namespace_id, 'number');
    assert.equal((await api('GET', '/user')).body.is_admin, true);
    assert.equal('email' in (await api('GET', '/users/1', { token: mia.token })).body, false);
    assert.deepEqual((await api('GET', '/users/999999')).body, { message: '404 User Not Found' });
    assert.equal((await api('GET', '/users/99999999999999999999')).status, 404);
    assert.equal((await api('GET', '/user', { token: null })).status, 401);
  });

  it('are made by administrators with GitLab’s errors', async () => {
    const { api } = server();
    const make = (body: object) => api('POST', '/users', { body });
    const none = await make({ username: 'x' });
    assert.equal(none.status, 400);
    assert.deepEqual(none.body, { error: 'email is missing, name is missing' });
    const person = { email: 'nil@example.com', name: 'Nil', username: 'nil' };
    assert.deepEqual((await make(person)).body, {
      error: 'password, reset_password, force_random_password are missing, at least one parameter must be provided',
    });
    const short = await make({ ...person, password: 'short' });
    assert.deepEqual(short.body, { message: { password: ['is too short (minimum is 8 characters)'] } });
    const nil = await make({ ...person, force_random_password: true, external: true, note: 'a note' });
    assert.equal(nil.status, 201);
    assert.equal(nil.body.note, 'a note');
    assert.equal(nil.body.external, true);
    assert.equal(nil.body.can_create_group, false);
    assert.equal(nil.body.can_create_project, false);
    const mail = await make({ ...person, username: 'other', email: 'NIL@example.com', force_random_password: true });
    assert.equal(mail.status, 409);
    assert.deepEqual(mail.body, { message: 'Email has already been taken' });
    const name = await make({ ...person, username: 'NIL', email: 'x@example.com', force_random_password: true });
    assert.equal(name.status, 409);
    assert.deepEqual(name.body, { message: 'Username has already been taken' });
    for (const username of ['-x', 'a..b', 'x.git', 'admin', 'y/z', '.hidden'])
      assert.equal(
        (await make({ ...person, username, email: 'u@e.co', force_random_password: true })).status,
        400,
        username,
      );
    await api('POST', '/groups', { body: { name: 'Taken', path: 'taken' } });
    const group = await make({ ...person, username: 'Taken', email: 't@e.co', force_random_password: true });
    assert.deepEqual(group.body, { message: 'Username has already been taken' }, 'groups share the space of names');
    assert.equal((await api('GET', '/users?username=other')).body.length, 0, 'a refused user leaves nothing behind');
  });

  it('are not for others to administer', async () => {
    const { api } = server();
    const ida = await server().user('ida');
    for (const [method, path] of [
      ['POST', '/users'],
      ['PUT', '/users/1'],
      ['DELETE', '/users/1'],
      ['POST', '/users/1/block'],
    ] as const) {
      assert.deepEqual(
        (await api(method, path, { token: ida.token, body: {} })).body,
        { message: '403 Forbidden' },
        path,
      );
      assert.equal((await api(method, path, { token: null, body: {} })).status, 401, path);
    }
  });

  it('are changed; a new user name moves their projects, whose old paths keep leading to them', async () => {
    const { api } = server();
    const uma = await server().user('uma');
    const project = await api('POST', '/projects', { token: uma.token, body: { name: 'Work' } });
    assert.equal(project.body.path_with_namespace, 'uma/work');
    const clash = await api('PUT', `/users/${uma.id}`, { body: { username: 'Root' } });
    assert.equal(clash.status, 409);
    assert.deepEqual(clash.body, { message: 'Username has already been taken' });
    const taken = await api('PUT', `/users/${uma.id}`, { body: { email: 'root@localhost' } });
    assert.deepEqual(taken.body, { message: 'Email has already been taken' });
    const changed = await api('PUT', `/users/${uma.id}`, {
      body: { username: 'Una', name: 'Una U', email: 'una@example.com' },
    });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.username, 'Una');
    assert.equal(changed.body.email, 'una@example.com');
    const moved = await api('GET', '/projects/uma%2Fwork', { token: uma.token });
    assert.equal(moved.status, 301);
    assert.match(moved.headers.get('location') ?? '', new RegExp(`/api/v4/projects/${project.body.id}$`));
    assert.equal((await api('GET', '/projects/una%2Fwork', { token: uma.token })).body.path_with_namespace, 'Una/work');
    const again = await api('POST', '/users', {
      body: { email: 'uma@example.com', name: 'Uma', username: 'uma', force_random_password: true },
    });
    assert.equal(again.status, 201, 'name and address are free again');
  });

  it('are blocked, banned and deactivated, and their keys die and live with it', async () => {
    const { api } = server();
    const eva = await server().user('eva');
    const state = (change: string) => api('POST', `/users/${eva.id}/${change}`);
    assert.deepEqual([(await state('unblock')).status, (await state('unblock')).body], [201, false]);
    assert.deepEqual((await state('block')).body, true);
    assert.deepEqual([(await state('block')).status, (await state('block')).body], [201, null]);
    assert.equal((await api('GET', '/user', { token: eva.token })).status, 403);
    assert.equal((await state('activate')).status, 403);
    assert.equal((await state('unblock')).body, true);
    assert.equal((await api('GET', '/user', { token: eva.token })).status, 200);
    assert.equal((await state('deactivate')).body, true);
    assert.equal((await state('deactivate')).body, null);
    assert.equal((await state('unblock')).status, 403);
    assert.equal((await state('activate')).body, true);
    assert.equal((await state('ban')).body, true);
    assert.equal((await api('GET', '/user', { token: eva.token })).status, 403);
    assert.equal((await state('ban')).status, 400);
    assert.equal((await state('unban')).body, true);
    const root = (await api('GET', '/user')).body.id;
    assert.equal((await api('POST', `/users/${root}/block`)).status, 403, 'nobody locks himself out');
    assert.equal((await api('POST', '/users/999999/block')).status, 404);
  });

  it('are deleted with their own projects and keys, and their name is free', async () => {
    const { api } = server();
    const zoe = await server().user('zoe');
    const group = await api('POST', '/groups', { token: zoe.token, body: { name: 'Z', path: 'z-group' } });
    const project = await api('POST', '/projects', { token: zoe.token, body: { name: 'mine' } });
    const shared = await api('POST', '/projects', {
      token: zoe.token,
      body: { name: 'ours', namespace_id: group.body.id },
    });
    const alone = await api('DELETE', `/users/${zoe.id}`);
    assert.equal(alone.status, 409, 'a sole owner stays');
    const root = (await api('GET', '/user')).body.id;
    await api('POST', `/groups/${group.body.id}/members`, { body: { user_id: root, access_level: 50 } });
    assert.equal((await api('DELETE', `/users/${zoe.id}`)).status, 204);
    assert.equal((await api('DELETE', `/users/${zoe.id}`)).status, 404);
    assert.equal((await api('GET', '/user', { token: zoe.token })).status, 401);
    assert.equal((await api('GET', `/projects/${project.body.id}`)).status, 404);
    const ghost = (await api('GET', '/users?username=ghost')).body[0].id;
    assert.equal((await api('GET', `/projects/${shared.body.id}`)).body.creator_id, ghost);
    assert.equal((await api('DELETE', `/users/${ghost}`)).status, 403);
    assert.equal((await api('DELETE', `/users/${root}`)).status, 403);
    assert.ok((await server().user('zoe')).id > zoe.id);
    const events = await api('GET', `/audit_events?entity_type=User&entity_id=${zoe.id}`);
    assert.equal(events.body[0].details.custom_message, 'Deleted user zoe');
  });

  it('cannot be made twice at once', async () => {
    const { api } = server();
    const tries = await Promise.all(
      [1, 2, 3].map((number) =>
        api('POST', '/users', {
          body: { email: `twin${number}@example.com`, name: 'Twin', username: 'twin', force_random_password: true },
        }),
      ),
    );
    assert.deepEqual(tries.map((answer) => answer.status).sort(), [201, 409, 409]);
  });

  it('who administers cannot step down by himself', async () => {
    const { api } = server();
    const root = (await api('GET', '/user')).body;
    const stepped = await api('PUT', `/users/${root.id}`, { body: { admin: false } });
    assert.deepEqual(
      [stepped.status, stepped.body],
      [403, { message: '403 Forbidden - You cannot remove your own administrator rights' }],
    );
    assert.equal((await api('PUT', `/users/${root.id}`, { body: { admin: true, note: 'stays' } })).status, 200);
    const second = await server().user('second-in-command');
    await api('PUT', `/users/${second.id}`, { body: { admin: true } });
    assert.equal((await api('PUT', `/users/${second.id}`, { body: { admin: false } })).body.is_admin, false);
  });

  it('and what else is deleted stays when it was changed after the date in If-Unmodified-Since', async () => {
    const { api } = server();
    const { id, token } = await server().user('careful');
    const group = (await api('POST', '/groups', { token, body: { name: 'g', path: 'careful-group' } })).body;
    const project = (await api('POST', '/projects', { token, body: { name: 'p', namespace_id: group.id } })).body;
    const body = { name: 'd', scopes: ['read_repository'] };
    const deploy = (await api('POST', `/projects/${project.id}/deploy_tokens`, { token, body })).body;
    const guest = await server().user('careful-guest');
    await api('POST', `/projects/${project.id}/members`, { token, body: { user_id: guest.id, access_level: 10 } });
    await api('POST', `/groups/${group.id}/members`, { token, body: { user_id: guest.id, access_level: 10 } });
    const other = (await api('POST', '/groups', { body: { name: 'o', path: 'careful-other', visibility: 'public' } }))
      .body;
    const share = { group_id: other.id, group_access: 10 };
    await api('POST', `/projects/${project.id}/share`, { token, body: share });
    await api('POST', `/groups/${group.id}/share`, { token, body: share });
    const key = {
      name: 'k',
      scopes: ['read_api'],
      expires_at: new Date(Date.now() + 864e5).toISOString().slice(0, 10),
    };
    const ofProject = (await api('POST', `/projects/${project.id}/access_tokens`, { token, body: key })).body;
    const ofGroup = (await api('POST', `/groups/${group.id}/access_tokens`, { token, body: key })).body;
    const own = (await api('POST', `/users/${guest.id}/personal_access_tokens`, { body: key })).body;
    const before = 'Sat, 01 Jan 2000 00:00:00 GMT';
    const after = new Date(server().services.clock.now() + 60_000).toUTCString();
    const paths = [
      `/projects/${project.id}/members/${guest.id}`,
      `/groups/${group.id}/members/${guest.id}`,
      `/projects/${project.id}/share/${other.id}`,
      `/groups/${group.id}/share/${other.id}`,
      `/projects/${project.id}/access_tokens/${ofProject.id}`,
      `/groups/${group.id}/access_tokens/${ofGroup.id}`,
      `/personal_access_tokens/${own.id}`,
      `/projects/${project.id}/deploy_tokens/${deploy.id}`,
      `/projects/${project.id}`,
      `/groups/${group.id}`,
      `/users/${id}`,
    ];
    for (const path of paths) {
      const late = await api('DELETE', path, { headers: { 'if-unmodified-since': before } });
      assert.deepEqual([path, late.status, late.body], [path, 412, { message: '412 Precondition Failed' }]);
      const good = await api('DELETE', path, { headers: { 'if-unmodified-since': after } });
      assert.ok([202, 204].includes(good.status), `${path}: ${good.status} ${good.text}`);
    }
  });

  it('and token bots are blocked like anybody: their key rests until they are let in again', async () => {
    const { api } = server();
    const { token } = await server().user('bot-keeper');
    const project = (await api('POST', '/projects', { token, body: { name: 'with-a-bot' } })).body;
    const expires_at = new Date(Date.now() + 864e5).toISOString().slice(0, 10);
    const body = { name: 'bot', scopes: ['read_api'], expires_at };
    const made = (await api('POST', `/projects/${project.id}/access_tokens`, { token, body })).body;
    const asks = async () => (await api('GET', `/projects/${project.id}`, { token: made.token })).status;
    assert.equal(await asks(), 200);
    const blocked = await api('POST', `/users/${made.user_id}/block`);
    assert.deepEqual([blocked.status, blocked.body], [201, true]);
    assert.ok([401, 403].includes(await asks()));
    assert.equal((await api('POST', `/users/${made.user_id}/unblock`)).status, 201);
    assert.equal(await asks(), 200);
  });

  it('and of several who delete one user together, one does it and the others hear that he is gone', async () => {
    const { id } = await server().user('wanted-gone');
    const together = await Promise.all(Array.from({ length: 5 }, () => server().api('DELETE', `/users/${id}`)));
    assert.deepEqual(together.map((answer) => answer.status).sort(), [204, 404, 404, 404, 404]);
    const events = await server().api('GET', `/audit_events?entity_type=User&entity_id=${id}&action=user:administer`);
    const deletions = events.body.filter((event: { details: unknown }) => /Deleted user/.test(JSON.stringify(event)));
    assert.equal(deletions.length, 1);
  });
});

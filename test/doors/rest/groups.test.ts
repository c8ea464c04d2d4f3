// Groups, namespaces and invitations of groups over REST (reference git-and-deploy 2, 12.2, 12.3).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { onBothEngines } from '../../support/both-engines.ts';

const FIELDS = `id web_url name path description visibility full_name full_path parent_id created_at avatar_url
  request_access_enabled lfs_enabled project_creation_level subgroup_creation_level default_branch_protection`.split(
  /\s+/,
);

onBothEngines('groups over REST', (server) => {
  const group = async (token: string, path: string, more: object = {}) => {
    const answer = await server().api('POST', '/groups', { token, body: { name: path, path, ...more } });
    assert.equal(answer.status, 201, answer.text);
    return answer.body as { id: number; full_path: string; visibility: string };
  };

  it('are made, with their maker as Owner, and shown with all fields', async () => {
    const { api } = server();
    const { token, id } = await server().user('gia');
    const made = await group(token, 'Alpha');
    const shown = await api('GET', '/groups/alpha', { token });
    assert.equal(shown.body.id, made.id);
    for (const field of [...FIELDS, 'shared_with_groups', 'projects']) assert.ok(field in shown.body, field);
    assert.equal(shown.body.visibility, 'private');
    const sub = await group(token, 'beta', { parent_id: made.id });
    const below = await api('GET', `/groups/${sub.id}?with_projects=false`, { token });
    assert.equal(below.body.full_path, 'Alpha/beta');
    assert.equal(below.body.full_name, 'Alpha / beta');
    assert.equal('projects' in below.body, false);
    const members = await api('GET', `/groups/${made.id}/members`, { token });
    assert.deepEqual(
      members.body.map((member: { id: number; access_level: number }) => [member.id, member.access_level]),
      [[id, 50]],
    );
    assert.deepEqual(
      (await api('GET', `/groups/${sub.id}/members`, { token })).body,
      [],
      'the Owner above needs no row below',
    );
  });

  it('say in GitLab’s words why they cannot be saved', async () => {
    const { api } = server();
    const { token } = await server().user('gus');
    const outer = await group(token, 'gus-outer');
    const post = (body: object) => api('POST', '/groups', { token, body });
    assert.deepEqual((await post({ name: 'x' })).body, { error: 'path is missing' });
    const taken = await post({ name: 'x', path: 'GUS-outer' });
    assert.equal(taken.status, 400);
    assert.deepEqual(taken.body, { message: 'Failed to save group {:path=>["has already been taken"]}' });
    for (const path of ['-a', 'a.git', 'admin', 'a b', 'a..b', 'gus'])
      assert.equal((await post({ name: 'x', path })).status, 400, path);
    const open = await post({ name: 'x', path: 'open', parent_id: outer.id, visibility: 'public' });
    assert.match(open.body.message, /^Failed to save group \{:visibility_level=>\["public is not allowed since/);
    assert.equal((await post({ name: 'x', path: 'x', parent_id: 999999 })).status, 404);
    await api('POST', '/projects', { token, body: { name: 'tool', namespace_id: outer.id } });
    assert.equal((await post({ name: 'x', path: 'Tool', parent_id: outer.id })).status, 400, 'a project has that path');
    const races = await Promise.all([1, 2, 3].map(() => post({ name: 'race', path: 'race' })));
    assert.deepEqual(races.map((answer) => answer.status).sort(), [201, 400, 400]);
  });

  it('nest twenty deep and no deeper', async () => {
    const { api } = server();
    const { token } = await server().user('nia');
    let parent = await group(token, 'deep1');
    for (let level = 2; level <= 20; level += 1) parent = await group(token, `deep${level}`, { parent_id: parent.id });
    const deeper = await api('POST', '/groups', { token, body: { name: 'x', path: 'x', parent_id: parent.id } });
    assert.equal(deeper.status, 400);
    assert.match(deeper.body.message, /too deep/);
  });

  it('are nobody’s to change but their Owners’, and look missing to strangers', async () => {
    const { api } = server();
    const [hal, ivy] = [await server().user('hal'), await server().user('ivy')];
    const made = await group(hal.token, 'hals');
    for (const [method, path] of [
      ['GET', `/groups/${made.id}`],
      ['PUT', `/groups/${made.id}`],
      ['DELETE', `/groups/${made.id}`],
      ['GET', `/groups/${made.id}/members`],
      ['POST', `/groups/${made.id}/share`],
    ] as const)
      assert.deepEqual(
        (await api(method, path, { token: ivy.token, ...(method === 'GET' ? {} : { body: {} }) })).body,
        { message: '404 Group Not Found' },
        path,
      );
    await api('POST', `/groups/${made.id}/members`, { token: hal.token, body: { user_id: ivy.id, access_level: 40 } });
    assert.equal((await api('PUT', `/groups/${made.id}`, { token: ivy.token, body: { name: 'mine' } })).status, 403);
    assert.equal((await api('DELETE', `/groups/${made.id}`, { token: ivy.token })).status, 403);
    assert.equal(
      (await api('POST', '/groups', { token: ivy.token, body: { name: 's', path: 's', parent_id: made.id } })).status,
      201,
    );
    await api('PUT', `/groups/${made.id}`, {
      token: hal.token,
      body: { subgroup_creation_level: 'owner', project_creation_level: 'noone' },
    });
    const refused = await api('POST', '/groups', {
      token: ivy.token,
      body: { name: 't', path: 't', parent_id: made.id },
    });
    assert.equal(refused.status, 403, 'the level of who may make subgroups is held');
    const project = await api('POST', '/projects', { token: hal.token, body: { name: 'p', namespace_id: made.id } });
    assert.deepEqual(project.body, { message: { namespace: ['is not valid'] } }, 'and that of who may make projects');
  });

  it('are renamed with everything below them, and cannot hide below what is visible', async () => {
    const { api } = server();
    const { token } = await server().user('kim');
    const top = await group(token, 'kims', { visibility: 'public' });
    const sub = await group(token, 'sub', { parent_id: top.id, visibility: 'internal' });
    const project = await api('POST', '/projects', {
      token,
      body: { name: 'App', namespace_id: sub.id, visibility: 'internal' },
    });
    const hide = await api('PUT', `/groups/${sub.id}`, { token, body: { visibility: 'private' } });
    assert.deepEqual(hide.body, {
      message: {
        visibility_level: ['private is not allowed since this group contains projects with higher visibility.'],
      },
    });
    const above = await api('PUT', `/groups/${top.id}`, { token, body: { visibility: 'private' } });
    assert.match(JSON.stringify(above.body), /sub-groups with higher visibility/);
    const renamed = await api('PUT', `/groups/${top.id}`, { token, body: { path: 'kim-crew', name: 'Crew' } });
    assert.equal(renamed.status, 200);
    assert.equal(
      (await api('GET', `/projects/${project.body.id}`, { token })).body.path_with_namespace,
      'kim-crew/sub/app',
    );
    assert.equal(
      (await api('GET', `/projects/${project.body.id}`, { token })).body.name_with_namespace,
      'Crew / sub / App',
    );
    assert.equal((await api('GET', '/projects/kims%2Fsub%2Fapp', { token })).status, 301);
    const write = await api('PUT', '/projects/kims%2Fsub%2Fapp', { token, body: { name: 'x' } });
    assert.equal(write.status, 405);
    assert.equal((await api('GET', '/groups/kims', { token })).status, 404, 'old paths of groups are not followed');
    const taken = await api('PUT', `/groups/${top.id}`, { token, body: { path: 'root' } });
    assert.deepEqual(taken.body, { message: { path: ['has already been taken'] } });
  });

  it('move into other groups with two proofs, and become no more visible than those', async () => {
    const { api } = server();
    const [lou, max] = [await server().user('lou'), await server().user('max')];
    const [home, other] = [await group(lou.token, 'lous', { visibility: 'public' }), await group(max.token, 'maxs')];
    const child = await group(lou.token, 'child', { parent_id: home.id, visibility: 'public' });
    const move = (token: string, group_id: number | null) =>
      api('POST', `/groups/${home.id}/transfer`, { token, body: { group_id } });
    assert.equal((await move(lou.token, other.id)).status, 404, 'a target that one cannot see');
    assert.equal((await move(lou.token, child.id)).status, 400, 'not into itself');
    assert.equal((await move(lou.token, null)).status, 400);
    await api('POST', `/groups/${other.id}/members`, { token: max.token, body: { user_id: lou.id, access_level: 30 } });
    assert.equal((await move(lou.token, other.id)).status, 403, 'Developer is not enough there');
    await api('PUT', `/groups/${other.id}/members/${lou.id}`, { token: max.token, body: { access_level: 40 } });
    const moved = await move(lou.token, other.id);
    assert.equal(moved.status, 201);
    assert.equal(moved.body.full_path, 'maxs/lous');
    const below = await api('GET', `/groups/${child.id}`, { token: lou.token });
    assert.equal(below.body.full_path, 'maxs/lous/child');
    assert.equal(below.body.visibility, 'private');
  });

  it('are deleted at once for every caller, with keys, bots and repositories', async () => {
    const { api, services } = server();
    const { token } = await server().user('ola');
    const top = await group(token, 'olas');
    const sub = await group(token, 'sub', { parent_id: top.id });
    const project = await api('POST', '/projects', {
      token,
      body: { name: 'p', namespace_id: sub.id, initialize_with_readme: true },
    });
    const expires_at = new Date(services.clock.now() + 864e5).toISOString().slice(0, 10);
    const key = await api('POST', `/groups/${sub.id}/access_tokens`, {
      token,
      body: { name: 'k', scopes: ['api'], access_level: 50, expires_at },
    });
    assert.equal((await api('GET', `/projects/${project.body.id}`, { token: key.body.token })).status, 200);
    const row = await services.db.read
      .selectFrom('projects')
      .select('repository_id')
      .where('id', '=', project.body.id)
      .executeTakeFirstOrThrow();
    assert.equal(await services.repositories.exists(row.repository_id!), true);

    const gone = await api('DELETE', `/groups/${top.id}`, { token });
    assert.equal(gone.status, 202);
    assert.deepEqual(gone.body, { message: '202 Accepted' });
    assert.equal((await api('GET', `/groups/${sub.id}`)).status, 404);
    assert.equal((await api('GET', `/projects/${project.body.id}`)).status, 404);
    assert.equal((await api('GET', '/user', { token: key.body.token })).status, 401);
    assert.equal((await api('GET', `/users/${key.body.user_id}`)).status, 404);
    assert.equal((await api('DELETE', `/groups/${top.id}`, { token })).status, 404);
    await group(token, 'olas');
    // The server's own runner may be faster than this test: what counts is that it is in the trash soon.
    for (let tries = 0; tries < 100 && (await services.repositories.exists(row.repository_id!)); tries += 1) {
      await server().runTasks();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.equal(await services.repositories.exists(row.repository_id!), false);
  });

  it('are listed as each caller may see them', async () => {
    const { api } = server();
    const [pam, rex] = [await server().user('pam'), await server().user('rex')];
    const mine = await group(pam.token, 'pams');
    const open = await group(pam.token, 'pam-open', { visibility: 'public' });
    await group(pam.token, 'inner', { parent_id: open.id, visibility: 'public' });
    const paths = async (token: string | null, query: string) =>
      (await api('GET', `/groups?per_page=100&search=pam&${query}`, { token })).body.map(
        (row: { full_path: string }) => row.full_path,
      );
    assert.deepEqual(await paths(pam.token, ''), ['pam-open', 'pams']);
    assert.deepEqual(await paths(pam.token, 'sort=desc'), ['pams', 'pam-open']);
    assert.deepEqual(await paths(rex.token, ''), [], 'only groups one belongs to');
    assert.deepEqual(await paths(rex.token, 'all_available=true'), ['pam-open']);
    assert.deepEqual(await paths(null, ''), ['pam-open']);
    assert.deepEqual(await paths(pam.token, `skip_groups[]=${mine.id}`), ['pam-open']);
    assert.deepEqual(await paths(rex.token, 'owned=true&all_available=true'), []);
    const below = await api('GET', `/groups/${open.id}/subgroups`, { token: null });
    assert.deepEqual(
      below.body.map((row: { path: string }) => row.path),
      ['inner'],
    );
    assert.equal(
      (await api('GET', `/groups/${open.id}/descendant_groups`, { token: null })).headers.get('x-total'),
      '1',
    );
  });

  it('are invited to groups and projects by those who may see them, no higher than they stand', async () => {
    const { api } = server();
    const [sam, tia, uli] = [await server().user('sam'), await server().user('tia'), await server().user('uli')];
    const [host, guests] = [await group(sam.token, 'host'), await group(tia.token, 'guests')];
    await api('POST', `/groups/${guests.id}/members`, {
      token: tia.token,
      body: { user_id: uli.id, access_level: 30 },
    });
    const project = await api('POST', '/projects', { token: sam.token, body: { name: 'p', namespace_id: host.id } });
    const wish = { group_id: guests.id, group_access: 30 };
    const share = (path: string, token: string, body: object = wish) => api('POST', `${path}/share`, { token, body });
    const at = `/projects/${project.body.id}`;
    assert.deepEqual(
      (await share(at, sam.token)).body,
      { message: '404 Group Not Found' },
      'a group that one cannot see',
    );
    await api('POST', `/groups/${guests.id}/members`, {
      token: tia.token,
      body: { user_id: sam.id, access_level: 10 },
    });
    const shared = await share(at, sam.token);
    assert.equal(shared.status, 201);
    assert.equal(shared.body.group_access, 30);
    assert.equal((await share(at, sam.token)).status, 409);
    assert.equal((await share(at, sam.token, { ...wish, group_access: 5 })).status, 400);
    assert.equal(
      (await share(at, sam.token, { group_id: host.id, group_access: 30 })).status,
      409,
      'not the one it lies in',
    );
    assert.equal((await api('GET', at, { token: uli.token })).body.permissions.group_access, null);
    assert.equal((await api('GET', at, { token: uli.token })).body.shared_with_groups[0].group_full_path, 'guests');
    assert.equal((await api('GET', `${at}/members/all/${uli.id}`, { token: sam.token })).body.access_level, 30);
    assert.equal((await api('GET', `${at}/members/${uli.id}`, { token: sam.token })).status, 404);
    assert.equal((await api('DELETE', `${at}/share/${guests.id}`, { token: sam.token })).status, 204);
    assert.equal((await api('GET', at, { token: uli.token })).status, 404, 'gone at the next request');
    assert.equal((await api('DELETE', `${at}/share/${guests.id}`, { token: sam.token })).status, 404);
    const whole = await share(`/groups/${host.id}`, sam.token, { ...wish, group_access: 20 });
    assert.equal(whole.status, 201);
    assert.equal(whole.body.shared_with_groups[0].group_access_level, 20);
    assert.equal((await api('GET', `${at}/members/all/${uli.id}`, { token: sam.token })).body.access_level, 20);
    assert.equal((await api('DELETE', `/groups/${host.id}/share/${guests.id}`, { token: sam.token })).status, 204);
    assert.equal((await api('GET', at, { token: uli.token })).status, 404);
  });

  it('and personal namespaces are found as namespaces', async () => {
    const { api } = server();
    const { token } = await server().user('vic');
    const made = await group(token, 'vics');
    const listed = await api('GET', '/namespaces', { token });
    assert.deepEqual(
      listed.body.map((row: { full_path: string; kind: string }) => [row.full_path, row.kind]),
      [
        ['vic', 'user'],
        ['vics', 'group'],
      ],
    );
    assert.deepEqual(Object.keys(listed.body[0]), [
      'id',
      'name',
      'path',
      'kind',
      'full_path',
      'parent_id',
      'avatar_url',
      'web_url',
    ]);
    assert.equal((await api('GET', '/namespaces/vics', { token })).body.id, made.id);
    assert.deepEqual((await api('GET', '/namespaces/nowhere', { token })).body, { message: '404 Namespace Not Found' });
    assert.deepEqual((await api('GET', '/namespaces/VIC/exists', { token })).body, {
      exists: true,
      suggests: ['VIC1'],
    });
    assert.deepEqual((await api('GET', `/namespaces/x/exists?parent_id=${made.id}`, { token })).body, {
      exists: false,
      suggests: [],
    });
    assert.equal((await api('GET', '/namespaces', { token: null })).status, 401);
  });

  it('at the top switch the making of access tokens below them off and on', async () => {
    const { api } = server();
    const { token } = await server().user('swan');
    const top = await group(token, 'swans');
    const sub = await group(token, 'young', { parent_id: top.id });
    const project = (await api('POST', '/projects', { token, body: { name: 'lake', namespace_id: sub.id } })).body;
    const places = [`/groups/${top.id}`, `/groups/${sub.id}`, `/projects/${project.id}`];
    const make = (place: string) =>
      api('POST', `${place}/access_tokens`, { token, body: { name: 'bot', scopes: ['api'] } });
    const allow = (id: number, resource_access_token_creation_allowed: boolean) =>
      api('PUT', `/groups/${id}`, { token, body: { resource_access_token_creation_allowed } });
    const before = (await make(places[2]!)).body;
    const off = await allow(top.id, false);
    assert.deepEqual([off.status, off.body.resource_access_token_creation_allowed], [200, false]);
    for (const place of places) {
      const made = await make(place);
      const type = place.startsWith('/groups') ? 'group' : 'project';
      assert.deepEqual(
        [made.status, made.body],
        [400, { message: `400 Bad request - User does not have permission to create ${type} access token` }],
      );
    }
    const tokens = `${places[2]}/access_tokens`;
    assert.equal((await api('POST', `${tokens}/${before.id}/rotate`, { token })).status, 401);
    assert.equal((await api('GET', tokens, { token })).status, 200, 'looking stays');
    assert.equal((await api('DELETE', `${tokens}/${before.id}`, { token })).status, 204, 'revoking stays');
    const below = await allow(sub.id, false);
    assert.deepEqual(
      [below.status, below.body],
      [
        400,
        {
          message: {
            resource_access_token_creation_allowed: ['is not allowed since the group is not top-level group.'],
          },
        },
      ],
    );
    assert.equal((await allow(top.id, true)).status, 200);
    for (const place of places) assert.equal((await make(place)).status, 201);
  });
});

// Projects over REST (reference git-and-deploy 12.1): who may make, see, change, move and end them, and what is said of them.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { it } from 'node:test';
import { onBothEngines } from '../../support/both-engines.ts';

const FIELDS =
  `id name name_with_namespace path path_with_namespace description created_at default_branch tag_list topics
  ssh_url_to_repo http_url_to_repo web_url readme_url avatar_url forks_count star_count last_activity_at namespace
  container_registry_image_prefix _links packages_enabled empty_repo archived visibility owner repository_object_format
  issues_enabled merge_requests_enabled wiki_enabled jobs_enabled snippets_enabled container_registry_enabled
  can_create_merge_request_in issues_access_level repository_access_level merge_requests_access_level forking_access_level
  wiki_access_level builds_access_level snippets_access_level pages_access_level container_registry_access_level
  releases_access_level environments_access_level shared_runners_enabled lfs_enabled creator_id import_status
  open_issues_count updated_at ci_config_path public_jobs shared_with_groups only_allow_merge_if_pipeline_succeeds
  request_access_enabled remove_source_branch_after_merge merge_method squash_option runners_token ci_default_git_depth
  ci_job_token_scope_enabled build_timeout build_git_strategy auto_devops_enabled
  ci_push_repository_for_job_token_allowed permissions`.split(/\s+/);
const MAINTAINERS_ONLY = ['runners_token', 'build_timeout', 'ci_push_repository_for_job_token_allowed'];

onBothEngines('projects over REST', (server) => {
  const tomorrow = () => new Date(server().services.clock.now() + 864e5).toISOString().slice(0, 10);
  const project = async (token: string, body: object) => {
    const answer = await server().api('POST', '/projects', { token, body });
    assert.equal(answer.status, 201, answer.text);
    return answer.body;
  };

  it('are made from a name or a path, in one’s own namespace or a group, and have all fields', async () => {
    const { api, url } = server();
    const { token, id } = await server().user('abe');
    const made = await project(token, {
      name: 'My Äpp 2',
      topics: ['one', 'two'],
      description: 'd',
      visibility: 'public',
    });
    for (const field of FIELDS) assert.ok(field in made, field);
    assert.equal(made.path_with_namespace, 'abe/my-a-pp-2');
    assert.equal(made.http_url_to_repo, `${url}/abe/my-a-pp-2.git`);
    assert.equal(made.default_branch, null);
    assert.equal(made.empty_repo, true);
    assert.equal(made.runners_token, null);
    assert.equal(made.owner.id, id);
    assert.deepEqual(made.topics, ['one', 'two']);
    assert.deepEqual(made.permissions.project_access, { access_level: 50, notification_level: 3 });
    assert.equal((await project(token, { path: 'Only-Path' })).name, 'Only-Path');
    const stranger = await api('GET', `/projects/${made.id}`, { token: null });
    assert.equal(stranger.status, 200);
    for (const field of [...MAINTAINERS_ONLY, 'permissions']) assert.equal(field in stranger.body, false, field);
  });

  it('say why they cannot be made, and hidden, missing and forbidden namespaces are all alike', async () => {
    const { api } = server();
    const [bea, cid] = [await server().user('bea'), await server().user('cid')];
    const { token } = bea;
    const post = (body: object, as = token) => api('POST', '/projects', { token: as, body });
    assert.deepEqual((await post({})).body, {
      error: 'name, path are missing, at least one parameter must be provided',
    });
    await project(token, { name: 'Dup' });
    const taken = await post({ name: 'dup' });
    assert.equal(taken.status, 400);
    assert.deepEqual(taken.body, { message: { name: ['has already been taken'], path: ['has already been taken'] } });
    assert.deepEqual(Object.keys((await post({ name: 'x', path: '-x' })).body.message), ['path']);
    for (const path of ['a b', 'a/b', '../x', 'x.git', 'tree', 'a..b'])
      assert.equal((await post({ name: 'n', path })).status, 400, path);
    const group = (await api('POST', '/groups', { token, body: { name: 'G', path: 'beas' } })).body;
    const own = (await api('GET', '/user', { token })).body.namespace_id;
    const invalid = { message: { namespace: ['is not valid'] } };
    for (const namespace_id of [group.id, own, 999999]) {
      const refused = await post({ name: 'x', namespace_id }, cid.token);
      assert.equal(refused.status, 400);
      assert.deepEqual(refused.body, invalid);
    }
    const open = await post({ name: 'x', namespace_id: group.id, visibility: 'public' });
    assert.deepEqual(open.body, { message: { visibility_level: ['public is not allowed in a private group.'] } });
    assert.equal((await post({ name: 'x', visibility: 'secret' })).status, 400);
    const limited = await api('POST', '/users', {
      body: { email: 'few@example.com', name: 'Few', username: 'few', projects_limit: 0, force_random_password: true },
    });
    const few = await api('POST', `/projects/user/${limited.body.id}`, { body: { name: 'x' } });
    assert.match(JSON.stringify(few.body), /Your project limit is 0 projects!/);
    assert.equal((await post({ name: 'x' }, (await server().user('ro', ['read_api'])).token)).status, 403);
    assert.equal((await api('POST', '/projects', { token: null, body: { name: 'x' } })).status, 401);
    const races = await Promise.all([1, 2, 3, 4].map(() => post({ name: 'race' })));
    assert.deepEqual(races.map((answer) => answer.status).sort(), [201, 400, 400, 400]);
  });

  it('begin with a README when asked to, on a protected default branch', async () => {
    const { api } = server();
    const { token } = await server().user('dee');
    const made = await project(token, {
      name: 'Readme',
      description: 'About',
      initialize_with_readme: true,
      default_branch: 'trunk',
    });
    assert.equal(made.default_branch, 'trunk');
    assert.equal(made.empty_repo, false);
    const branch = await api('GET', `/projects/${made.id}/repository/branches/trunk`, { token });
    assert.equal(branch.status, 200);
    assert.equal(branch.body.protected, true);
    assert.equal(branch.body.commit.author_name, 'dee');
    const sizes = await api('GET', `/projects/${made.id}?statistics=true`, { token });
    assert.equal(sizes.body.statistics.commit_count, 1);
    const unknown = await api('PUT', `/projects/${made.id}`, { token, body: { default_branch: 'nope' } });
    assert.equal(unknown.status, 400);
    assert.equal((await api('POST', '/projects', { token, body: { name: 'x', default_branch: '-x' } })).status, 400);
  });

  it('look missing to whoever may not see them, and shut features stay shut', async () => {
    const { api } = server();
    const [eli, fay] = [await server().user('elis'), await server().user('fay')];
    const made = await project(eli.token, { name: 'hidden' });
    const missing = (await api('GET', '/projects/999999', { token: fay.token })).body;
    for (const method of ['GET', 'PUT', 'DELETE']) {
      const answer = await api(method, `/projects/${made.id}`, { token: fay.token });
      assert.equal(answer.status, 404);
      assert.deepEqual(answer.body, missing);
    }
    assert.equal(
      (await api('GET', '/projects/hidden', { token: eli.token })).status,
      404,
      'a bare word is no project path',
    );
    assert.equal((await api('GET', '/projects/ELIS%2FHIDDEN', { token: eli.token })).body.id, made.id);
    const open = await project(eli.token, { name: 'open', visibility: 'public', repository_access_level: 'private' });
    assert.equal(open.repository_access_level, 'private');
    const files = `/projects/${open.id}/repository/branches`;
    assert.equal((await api('GET', files, { token: eli.token })).status, 200);
    assert.equal((await api('GET', files, { token: fay.token })).status >= 403, true);
  });

  it('are listed with all filters, and pages follow each other by id', async () => {
    const { api } = server();
    const [gil, hua] = [await server().user('gil'), await server().user('hua')];
    const one = await project(gil.token, { name: 'lst one', visibility: 'public', topics: ['x'] });
    const two = await project(gil.token, { name: 'lst two', visibility: 'internal' });
    const three = await project(gil.token, { name: 'lst three' });
    await api('POST', `/projects/${two.id}/archive`, { token: gil.token });
    await api('POST', `/projects/${three.id}/members`, {
      token: gil.token,
      body: { user_id: hua.id, access_level: 20 },
    });
    const ids = async (token: string | null, query: string) =>
      (await api('GET', `/projects?search=lst&${query}`, { token })).body.map((row: { id: number }) => row.id);
    assert.deepEqual(await ids(gil.token, ''), [three.id, two.id, one.id]);
    assert.deepEqual(await ids(gil.token, 'order_by=name&sort=asc'), [one.id, three.id, two.id]);
    assert.deepEqual(await ids(null, ''), [one.id]);
    assert.deepEqual(await ids(hua.token, ''), [three.id, two.id, one.id]);
    assert.deepEqual(await ids(hua.token, 'membership=true'), [three.id]);
    assert.deepEqual(await ids(hua.token, 'min_access_level=30'), []);
    assert.deepEqual(await ids(gil.token, 'owned=true&visibility=private'), [three.id]);
    assert.deepEqual(await ids(gil.token, 'archived=true'), [two.id]);
    assert.deepEqual(await ids(gil.token, 'archived=false'), [three.id, one.id]);
    assert.deepEqual(await ids(gil.token, 'topic=x'), [one.id]);
    assert.deepEqual(await ids(gil.token, 'starred=true'), []);
    assert.deepEqual(await ids(gil.token, `id_after=${one.id}&id_before=${three.id}`), [two.id]);
    assert.deepEqual(await ids(gil.token, 'search=lst%25'), [], 'a per cent sign is no wildcard');
    assert.equal((await api('GET', '/projects?order_by=password', { token: gil.token })).status, 400);
    const short = (await api('GET', '/projects?search=lst&simple=true', { token: gil.token })).body[0];
    assert.equal('archived' in short, false);
    const first = await api('GET', '/projects?search=lst&pagination=keyset&order_by=id&per_page=2&sort=asc', {
      token: gil.token,
    });
    assert.deepEqual(
      first.body.map((row: { id: number }) => row.id),
      [one.id, two.id],
    );
    assert.match(first.headers.get('link') ?? '', new RegExp(`id_after=${two.id}.*rel="next"`));
    const own = await api('GET', `/users/${gil.id}/projects`, { token: hua.token });
    assert.deepEqual(
      own.body.map((row: { id: number }) => row.id),
      [three.id, two.id, one.id],
    );
    assert.equal((await api('GET', '/users/nobody-here/projects')).status, 404);
    const head = await api('HEAD', '/projects?search=lst', { token: gil.token });
    assert.equal(head.headers.get('x-total'), '3');
  });

  it('are changed by Maintainers; visibility and the archive are for Owners', async () => {
    const { api } = server();
    const [ian, joy] = [await server().user('ian'), await server().user('joy')];
    const group = (
      await api('POST', '/groups', { token: ian.token, body: { name: 'I', path: 'ians', visibility: 'public' } })
    ).body;
    const made = await project(ian.token, { name: 'First', namespace_id: group.id });
    await api('POST', `/projects/${made.id}/members`, {
      token: ian.token,
      body: { user_id: joy.id, access_level: 40 },
    });
    const put = (body: object, token = joy.token) => api('PUT', `/projects/${made.id}`, { token, body });
    const renamed = await put({
      name: 'Second',
      path: 'second',
      topics: 'a,b',
      lfs_enabled: false,
      builds_access_level: 'disabled',
    });
    assert.equal(renamed.status, 200);
    assert.equal(renamed.body.path_with_namespace, 'ians/second');
    assert.deepEqual(renamed.body.topics, ['a', 'b']);
    assert.equal(renamed.body.jobs_enabled, false);
    assert.equal((await api('GET', '/projects/ians%2Ffirst', { token: joy.token })).status, 301);
    assert.equal((await put({ visibility: 'public' })).status, 403);
    assert.equal((await put({ visibility: 'public' }, ian.token)).body.visibility, 'public');
    assert.equal((await api('POST', `/projects/${made.id}/archive`, { token: joy.token })).status, 403);
    const archived = await api('POST', `/projects/${made.id}/archive`, { token: ian.token });
    assert.deepEqual([archived.status, archived.body.archived], [201, true]);
    assert.equal((await api('POST', `/projects/${made.id}/unarchive`, { token: ian.token })).body.archived, false);
    await project(ian.token, { name: 'Other', namespace_id: group.id });
    assert.deepEqual((await put({ path: 'OTHER' })).body, { message: { path: ['has already been taken'] } });
    assert.equal((await put({ path: 'a b' })).status, 400);
  });

  it('move between namespaces with two proofs', async () => {
    const { api } = server();
    const [kai, lia] = [await server().user('kai'), await server().user('lia')];
    const group = (await api('POST', '/groups', { token: lia.token, body: { name: 'L', path: 'lias' } })).body;
    const made = await project(kai.token, { name: 'goes', visibility: 'public' });
    const move = (namespace: string | number) =>
      api('PUT', `/projects/${made.id}/transfer`, { token: kai.token, body: { namespace } });
    assert.equal((await move('lias')).status, 404);
    assert.equal((await move('kai')).status, 400);
    await api('POST', `/groups/${group.id}/members`, { token: lia.token, body: { user_id: kai.id, access_level: 40 } });
    const moved = await move(group.id);
    assert.equal(moved.status, 200);
    assert.equal(moved.body.path_with_namespace, 'lias/goes');
    assert.equal(moved.body.visibility, 'private');
    assert.equal((await api('GET', '/projects/kai%2Fgoes', { token: lia.token })).status, 301);
    const back = await project(kai.token, { name: 'goes' });
    assert.equal(
      (await api('GET', '/projects/kai%2Fgoes', { token: kai.token })).body.id,
      back.id,
      'a new one takes the path',
    );
    const into = await api('POST', `/groups/${group.id}/projects/${back.id}`);
    assert.equal(into.status, 400, 'name and path are taken there');
    assert.equal((await api('POST', `/groups/${group.id}/projects/${back.id}`, { token: kai.token })).status, 403);
  });

  it('are forked with their code, no more visible than their source', async () => {
    const { api } = server();
    const [mel, ned] = [await server().user('mel'), await server().user('ned')];
    const source = await project(mel.token, { name: 'src', visibility: 'internal', initialize_with_readme: true });
    const forked = await api('POST', `/projects/${source.id}/fork`, {
      token: ned.token,
      body: { name: 'Mine', path: 'mine' },
    });
    assert.equal(forked.status, 201);
    assert.equal(forked.body.forked_from_project.id, source.id);
    assert.equal(forked.body.visibility, 'internal');
    const files = await api('GET', `/projects/${forked.body.id}/repository/branches`, { token: ned.token });
    assert.deepEqual(
      files.body.map((row: { name: string }) => row.name),
      ['main'],
    );
    assert.equal((await api('GET', `/projects/${source.id}`, { token: mel.token })).body.forks_count, 1);
    assert.deepEqual(
      (await api('GET', `/projects/${source.id}/forks`, { token: mel.token })).body.map(
        (row: { id: number }) => row.id,
      ),
      [forked.body.id],
    );
    assert.equal(
      (await api('POST', `/projects/${source.id}/fork`, { token: ned.token, body: { path: 'mine' } })).status,
      409,
    );
    const wider = await api('POST', `/projects/${source.id}/fork`, {
      token: ned.token,
      body: { path: 'w', name: 'w', visibility: 'public' },
    });
    assert.equal(wider.status, 400);
    await api('PUT', `/projects/${source.id}`, { token: mel.token, body: { visibility: 'private' } });
    assert.equal(
      'forked_from_project' in (await api('GET', `/projects/${forked.body.id}`, { token: ned.token })).body,
      false,
      'a hidden source is not named',
    );
    assert.equal((await api('POST', `/projects/${source.id}/fork`, { token: ned.token, body: {} })).status, 404);
  });

  it('whose repository is gone, or was never copied, say so and never turn into an empty one', async () => {
    const { api, services } = server();
    const { token } = await server().user('tess');
    const source = await project(token, { name: 'whole', initialize_with_readme: true });
    const wish = { token, body: { name: 'first', path: 'first' } };
    const good = (await api('POST', `/projects/${source.id}/fork`, wish)).body;
    assert.equal(good.import_status, 'finished');
    assert.equal(source.import_status, 'none');
    const row = await services.db.read
      .selectFrom('projects')
      .select('repository_id')
      .where('id', '=', source.id)
      .executeTakeFirstOrThrow();
    await rm(services.repositories.path(row.repository_id!), { recursive: true });

    const failed = await api('POST', `/projects/${source.id}/fork`, { token, body: { name: 'n', path: 'second' } });
    assert.deepEqual([failed.status, failed.body.import_status], [201, 'failed'], failed.text);
    for (const { id, path_with_namespace: path } of [source, failed.body]) {
      const branches = await api('GET', `/projects/${id}/repository/branches`, { token });
      assert.deepEqual([branches.status, branches.body], [404, { message: '404 Repository Not Found' }]);
      const basic = { authorization: `Basic ${Buffer.from(`tess:${token}`).toString('base64')}` };
      const refs = `/${path}.git/info/refs?service=git-upload-pack`;
      assert.equal((await server().http('GET', refs, { headers: basic })).status, 404);
    }
    assert.equal(await services.repositories.exists(row.repository_id!), false, 'nothing was made in its place');
    assert.equal((await api('GET', `/projects/${failed.body.id}`, { token })).body.import_status, 'failed');
  });

  it('hold their bots inside: a bot makes, moves and forks nothing outside its reach', async () => {
    const { api } = server();
    const { token } = await server().user('oto');
    const [home, away] = await Promise.all(
      ['otos', 'otos-away'].map(
        async (path) =>
          (await api('POST', '/groups', { token, body: { name: path, path, visibility: 'public' } })).body,
      ),
    );
    const bot = (
      await api('POST', `/groups/${home.id}/access_tokens`, {
        token,
        body: { name: 'bot', scopes: ['api'], access_level: 50, expires_at: tomorrow() },
      })
    ).body.token;
    const inside = await project(bot, { name: 'in', namespace_id: home.id, visibility: 'public' });
    const other = await project(token, {
      name: 'out',
      namespace_id: away.id,
      visibility: 'public',
      initialize_with_readme: true,
    });
    const post = (path: string, body: object) => api('POST', path, { token: bot, body });
    assert.equal((await post('/projects', { name: 'x', namespace_id: away.id })).status, 400);
    assert.equal((await post('/projects', { name: 'x' })).status, 400, 'a bot has no namespace of its own');
    assert.equal((await post('/groups', { name: 'x', path: 'botgroup' })).status, 403);
    assert.equal((await post('/groups', { name: 'x', path: 'x', parent_id: away.id })).status, 403);
    assert.equal((await post('/groups', { name: 'x', path: 'x', parent_id: home.id })).status, 201);
    assert.equal((await post(`/groups/${home.id}/transfer`, { group_id: away.id })).status, 403);
    assert.equal(
      (await api('PUT', `/projects/${inside.id}/transfer`, { token: bot, body: { namespace: away.id } })).status,
      404,
    );
    assert.equal(
      (await post(`/projects/${other.id}/fork`, { namespace_id: away.id, path: 'f', name: 'f' })).status,
      400,
    );
    assert.equal((await api('PUT', `/projects/${other.id}`, { token: bot, body: { name: 'mine' } })).status, 403);
    assert.equal((await api('GET', `/projects/${other.id}`, { token: bot })).status, 200, 'public ones it may read');
  });

  it('are deleted at once, with keys and bots, and their path is free', async () => {
    const { api } = server();
    const { token } = await server().user('pia');
    const made = await project(token, { name: 'gone', initialize_with_readme: true });
    const bot = await api('POST', `/projects/${made.id}/access_tokens`, {
      token,
      body: { name: 'b', scopes: ['api'], access_level: 40, expires_at: tomorrow() },
    });
    const gone = await api('DELETE', `/projects/${made.id}`, { token });
    assert.deepEqual([gone.status, gone.body], [202, { message: '202 Accepted' }]);
    assert.equal((await api('GET', `/projects/${made.id}`, { token })).status, 404);
    assert.equal((await api('GET', '/projects/pia%2Fgone', { token })).status, 404);
    assert.equal((await api('GET', '/user', { token: bot.body.token })).status, 401);
    assert.equal((await api('DELETE', `/projects/${made.id}`, { token })).status, 404);
    assert.notEqual((await project(token, { name: 'gone' })).id, made.id);
  });
});

onBothEngines(
  'restricted visibility',
  (server) => {
    it('is held for everyone but administrators', async () => {
      const { api } = server();
      const { token } = await server().user('quin');
      const refused = await api('POST', '/projects', { token, body: { name: 'x', visibility: 'public' } });
      assert.deepEqual(refused.body, {
        message: { visibility_level: ['public has been restricted by your GitLab administrator'] },
      });
      const group = await api('POST', '/groups', { token, body: { name: 'x', path: 'qx', visibility: 'public' } });
      assert.equal(group.status, 400);
      const plain = await api('POST', '/projects', { token, body: { name: 'x' } });
      assert.equal(plain.body.visibility, 'internal', 'the default steps down to what is free');
      assert.equal(
        (await api('PUT', `/projects/${plain.body.id}`, { token, body: { visibility: 'public' } })).status,
        400,
      );
      assert.equal((await api('POST', '/projects', { body: { name: 'x', visibility: 'public' } })).status, 201);
    });
  },
  { settings: { restricted_visibility_levels: ['public'], default_project_visibility: 'public' } },
);

// Code over REST (reference git-and-deploy 11.3, 12.6 to 12.8): every route, its fields, its errors, and the same rules as a push.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { refusalAuditOf } from '../../../src/doors/http/refusal-audit.ts';
import type { Project, User } from '../../../src/identity/records.ts';
import { type Forge, openForge } from './forge.ts';

describe('code over REST', () => {
  let forge: Forge;
  let maintainer: User;
  let developer: User;
  let asMaintainer: string;
  let asDeveloper: string;
  before(async () => {
    forge = await openForge();
    maintainer = await forge.world.user();
    developer = await forge.world.user();
    asMaintainer = await forge.pat(maintainer, 'api');
    asDeveloper = await forge.pat(developer, 'api');
  });
  after(() => forge.close());

  async function project(
    files?: Record<string, string>,
    visibility: Project['visibility'] = 'private',
  ): Promise<Project> {
    const made = await forge.project(await forge.world.group({ visibility: 'public' }), { visibility }, files);
    await forge.world.member(maintainer, { project: made }, 40);
    await forge.world.member(developer, { project: made }, 30);
    return made;
  }
  const at = (made: Project, path: string) => `/projects/${made.id}${path}`;

  it('says that a branch is protected before it says anything of what lies in it', async () => {
    const made = await project({ 'README.md': 'first' });
    const rule = { name: 'main', push_access_level: 40 };
    await forge.api('POST', at(made, '/protected_branches'), asMaintainer, rule);
    const no = { message: '403 Forbidden - You are not allowed to push into this branch' };
    const commits = at(made, '/repository/commits');
    const write = (actions: object[]) => ({ branch: 'main', commit_message: 'x', actions });
    for (const action of [
      { action: 'create', file_path: 'README.md', content: 'again' },
      { action: 'delete', file_path: 'secret-plans.md' },
      { action: 'update', file_path: 'README.md', content: 'x', last_commit_id: 'f'.repeat(40) },
      { action: 'create', file_path: '../up', content: 'x' },
    ]) {
      const answer = await forge.api('POST', commits, asDeveloper, write([action]));
      assert.deepEqual([action.file_path, answer.status, answer.body], [action.file_path, 403, no]);
      assert.equal((await forge.api('POST', commits, asMaintainer, write([action]))).status, 400);
    }
    await refusalAuditOf(forge.services).idle();
    const events = await forge.services.db.read
      .selectFrom('audit_events')
      .select(['action', 'author_id', 'message'])
      .where('result', '=', 'refused')
      .where('entity_id', '=', made.id)
      .execute();
    assert.deepEqual(events, [
      {
        action: 'repository:commit',
        author_id: developer.id,
        message: 'refused: the rule "main" of branches and tags',
      },
    ]);
    const file = { branch: 'main', commit_message: 'x', content: 'x' };
    const taken = await forge.api('POST', at(made, '/repository/files/README.md'), asDeveloper, file);
    assert.deepEqual(taken.body, { message: 'You are not allowed to push into this branch' });

    const change = { action: 'update', file_path: 'README.md', content: 'second' };
    const side = { ...write([change]), branch: 'side', start_branch: 'main' };
    const low = await forge.api('POST', commits, asDeveloper, side);
    assert.equal(low.status, 201);
    for (const [deed, sha] of [
      ['cherry_pick', low.body.id],
      ['revert', low.body.id],
    ]) {
      const path = `${commits}/${sha}/${deed}`;
      for (const body of [{ branch: 'main', dry_run: true }, { branch: 'main' }]) {
        const answer = await forge.api('POST', path, asDeveloper, body);
        assert.deepEqual([deed, body, answer.status, answer.body], [deed, body, 403, no]);
      }
    }
    const tried = await forge.api('POST', `${commits}/${low.body.id}/cherry_pick`, asMaintainer, {
      branch: 'main',
      dry_run: true,
    });
    assert.deepEqual([tried.status, tried.body], [200, { dry_run: 'success' }]);
  });

  it('reads files whose names hold what only git would have, and writes none such', async () => {
    const names = ['dev-disk-by\\x2dlabel.mount', 'tab\there', 'two\nlines', 'units/a\\b.service', 'bell\u0007'];
    const made = await project({ 'README.md': 'x' });
    const git = async (args: readonly string[], input = '') =>
      (await forge.services.repositories.must(made.repository_id!, args, { input })).toString('utf8').trim();
    const entry = async (name: string) => {
      const blob = await git(['hash-object', '-w', '--stdin'], `in ${name}`);
      return `100644 blob ${blob}\t${name.replace('units/', '')}\0`;
    };
    const flat = await Promise.all(names.filter((name) => !name.startsWith('units/')).map(entry));
    const units = await git(['mktree', '-z'], await entry('units/a\\b.service'));
    const tree = await git(['mktree', '-z'], `${flat.join('')}040000 tree ${units}\tunits\0`);
    const who = ['-c', 'user.name=x', '-c', 'user.email=x@example.com'];
    await git(['update-ref', 'refs/heads/main', await git([...who, 'commit-tree', tree, '-m', 'odd names'])]);
    for (const name of names) {
      const path = at(made, `/repository/files/${encodeURIComponent(name)}`);
      const one = await forge.api('GET', `${path}?ref=main`, asDeveloper);
      assert.deepEqual([one.status, one.body.file_path], [200, name], JSON.stringify(one.body));
      assert.equal(Buffer.from(one.body.content, 'base64').toString(), `in ${name}`);
      assert.equal((await forge.api('GET', `${path}/raw?ref=main`, asDeveloper)).status, 200);
      assert.equal((await forge.api('GET', `${path}/blame?ref=main`, asDeveloper)).status, 200);
      const history = await forge.api(
        'GET',
        at(made, `/repository/commits?path=${encodeURIComponent(name)}`),
        asDeveloper,
      );
      assert.equal(history.body.length, 1);
      const again = { branch: 'main', commit_message: 'x', content: 'x' };
      assert.equal((await forge.api('PUT', path, asMaintainer, again)).status, 400);
    }
    const folder = await forge.api('GET', at(made, `/repository/tree?path=units`), asDeveloper);
    assert.deepEqual(
      folder.body.map((entry: { path: string }) => entry.path),
      ['units/a\\b.service'],
    );
    for (const name of ['tab\u0000here', '..\\config', 'a\n/../b', 'no\nsuch'])
      assert.equal(
        (await forge.api('GET', at(made, `/repository/files/${encodeURIComponent(name)}?ref=main`), asDeveloper))
          .status,
        404,
        name,
      );
    assert.equal((await forge.api('GET', at(made, `/repository/branches/a%0Ab`), asDeveloper)).status, 404);
  });

  it('lists, shows, makes and removes branches', async () => {
    const made = await project();
    const base = at(made, '/repository/branches');
    const one = await forge.api('GET', `${base}/main`, asDeveloper);
    assert.equal(one.status, 200);
    assert.equal(one.body.name, 'main');
    assert.equal(one.body.default, true);
    assert.equal(one.body.protected, false);
    assert.equal(one.body.can_push, true);
    assert.match(one.body.commit.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000(Z|[+-]\d\d:\d\d)$/);
    assert.equal(one.body.commit.short_id, one.body.commit.id.slice(0, 8));
    assert.deepEqual(
      Object.keys(one.body).sort(),
      'can_push commit default developers_can_merge developers_can_push merged name protected web_url'
        .split(' ')
        .sort(),
    );
    const created = await forge.api('POST', `${base}?branch=feature%2Fx&ref=main`, asDeveloper);
    assert.equal(created.status, 201);
    assert.equal(created.body.merged, true);
    assert.equal((await forge.api('GET', `${base}/feature%2Fx`, asDeveloper)).status, 200);
    const again = await forge.api('POST', base, asDeveloper, { branch: 'feature/x', ref: 'main' });
    assert.deepEqual([again.status, again.body], [400, { message: 'Branch already exists' }]);
    const nowhere = await forge.api('POST', base, asDeveloper, { branch: 'y', ref: 'nope' });
    assert.deepEqual([nowhere.status, nowhere.body], [400, { message: 'Invalid reference name: nope' }]);
    const named = await forge.api('POST', base, asDeveloper, { branch: '-y', ref: 'main' });
    assert.deepEqual([named.status, named.body], [400, { message: 'The branch refname is invalid' }]);
    const sha = await forge.api('POST', base, asDeveloper, { branch: 'a'.repeat(40), ref: 'main' });
    assert.equal(sha.body.message, 'You cannot create a branch with a SHA-1 or SHA-256 branch name.');
    const list = await forge.api('GET', `${base}?search=^feat`, asDeveloper);
    assert.deepEqual(
      list.body.map((branch: { name: string }) => branch.name),
      ['feature/x'],
    );
    assert.equal(list.headers.get('x-total'), '1');
    assert.equal((await forge.api('HEAD', `${base}/main`, asDeveloper)).status, 204);
    assert.equal((await forge.api('HEAD', `${base}/nope`, asDeveloper)).status, 404);
    const none = await forge.api('GET', `${base}/nope`, asDeveloper);
    assert.deepEqual([none.status, none.body], [404, { message: '404 Branch Not Found' }]);
    assert.equal((await forge.api('DELETE', `${base}/main`, asMaintainer)).status, 405);
    assert.equal((await forge.api('DELETE', `${base}/feature%2Fx`, asDeveloper)).status, 204);
    await forge.api('POST', base, asDeveloper, { branch: 'old', ref: 'main' });
    assert.equal((await forge.api('DELETE', at(made, '/repository/merged_branches'), asDeveloper)).status, 202);
    assert.equal((await forge.api('GET', base, asDeveloper)).body.length, 1);
  });

  it('protects branches by rules that take, change and give back, and holds commits to them', async () => {
    const made = await project();
    const base = at(made, '/protected_branches');
    assert.equal((await forge.api('GET', base, asDeveloper)).status, 403);
    const rule = await forge.api('POST', base, asMaintainer, {
      name: '*-stable',
      push_access_level: 0,
      allow_force_push: true,
    });
    assert.equal(rule.status, 201);
    assert.equal(rule.body.name, '*-stable');
    assert.deepEqual(
      rule.body.push_access_levels.map((each: { access_level: number }) => each.access_level),
      [0],
    );
    assert.equal(rule.body.push_access_levels[0].access_level_description, 'No one');
    assert.equal(rule.body.merge_access_levels[0].access_level_description, 'Maintainers');
    assert.deepEqual(rule.body.unprotect_access_levels, []);
    const twice = await forge.api('POST', base, asMaintainer, { name: '*-stable' });
    assert.deepEqual([twice.status, twice.body], [409, { message: "Protected branch '*-stable' already exists" }]);
    const bad = await forge.api('POST', base, asMaintainer, { name: 'x', push_access_level: 20 });
    assert.deepEqual([bad.status, bad.body], [400, { error: 'push_access_level does not have a valid value' }]);
    const key = await forge.api('POST', base, asMaintainer, { name: 'x', allowed_to_push: [{ deploy_key_id: 999 }] });
    assert.equal(key.status, 422);
    assert.match(key.body.message, /deploy key is not enabled for this project/);
    const { id } = rule.body.push_access_levels[0];
    const changed = await forge.api('PATCH', `${base}/%2A-stable`, asMaintainer, {
      allow_force_push: false,
      allowed_to_push: [{ id, _destroy: true }, { user_id: developer.id }],
    });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.allow_force_push, false);
    assert.equal(changed.body.push_access_levels[0].user_id, developer.id);
    assert.equal(changed.body.push_access_levels[0].access_level_description, developer.name);
    assert.equal((await forge.api('GET', `${base}/*-stable`, asMaintainer)).status, 200);
    assert.equal((await forge.api('GET', `${base}?search=STABLE`, asMaintainer)).body.length, 1);

    const branches = at(made, '/repository/branches');
    const low = await forge.api('POST', branches, asMaintainer, { branch: '1-stable', ref: 'main' });
    assert.deepEqual(
      [low.status, low.body.message],
      [
        403,
        '403 Forbidden - You can only use an existing protected branch ref as the basis of a new protected branch.',
      ],
    );
    assert.equal((await forge.api('POST', branches, asDeveloper, { branch: '2-stable', ref: 'main' })).status, 201);
    assert.equal((await forge.api('DELETE', `${branches}/2-stable`, asDeveloper)).status, 403);
    assert.equal((await forge.api('DELETE', `${branches}/2-stable`, asMaintainer)).status, 204);

    await forge.api('POST', base, asMaintainer, { name: 'main' });
    const commit = await forge.api('POST', at(made, '/repository/commits'), asDeveloper, {
      branch: 'main',
      commit_message: 'no',
      actions: [{ action: 'create', file_path: 'x', content: 'x' }],
    });
    assert.deepEqual(
      [commit.status, commit.body],
      [403, { message: '403 Forbidden - You are not allowed to push into this branch' }],
    );
    const file = await forge.api('POST', at(made, '/repository/files/x'), asDeveloper, {
      branch: 'main',
      commit_message: 'no',
      content: 'x',
    });
    assert.deepEqual([file.status, file.body], [400, { message: 'You are not allowed to push into this branch' }]);
    assert.equal((await forge.api('GET', `${branches}/main`, asDeveloper)).body.can_push, false);
    assert.equal((await forge.api('DELETE', `${base}/main`, asMaintainer)).status, 204);
    const gone = await forge.api('GET', `${base}/main`, asMaintainer);
    assert.deepEqual([gone.status, gone.body], [404, { message: '404 Not found' }]);
  });

  it('makes plain and annotated tags and protects them', async () => {
    const made = await project();
    const base = at(made, '/repository/tags');
    const plain = await forge.api('POST', base, asDeveloper, { tag_name: 'v1', ref: 'main' });
    assert.equal(plain.status, 201);
    assert.equal(plain.body.target, plain.body.commit.id);
    assert.equal(plain.body.release, null);
    const noted = await forge.api('POST', base, asDeveloper, { tag_name: 'v2', ref: 'main', message: 'second' });
    assert.equal(noted.status, 201, JSON.stringify(noted.body));
    assert.equal(noted.body.message, 'second');
    assert.notEqual(noted.body.target, noted.body.commit.id);
    const pushes = await forge.services.db.read
      .selectFrom('pushes')
      .select('state')
      .where('project_id', '=', made.id)
      .execute();
    assert.deepEqual(
      pushes.map((row) => row.state),
      ['done', 'done'],
    );
    assert.equal((await forge.api('POST', base, asDeveloper, { tag_name: 'v1', ref: 'main' })).status, 400);
    assert.equal((await forge.api('POST', base, asDeveloper, { tag_name: 'main', ref: 'main' })).status, 400);
    const rule = await forge.api('POST', at(made, '/protected_tags'), asMaintainer, { name: 'v*' });
    assert.deepEqual(
      rule.body.create_access_levels.map((each: { access_level: number }) => each.access_level),
      [40],
    );
    assert.equal((await forge.api('POST', base, asDeveloper, { tag_name: 'v3', ref: 'main' })).status, 403);
    assert.equal((await forge.api('DELETE', `${base}/v1`, asDeveloper)).status, 403);
    assert.equal((await forge.api('DELETE', `${base}/v1`, asMaintainer)).status, 204);
    assert.equal((await forge.api('GET', base, asDeveloper)).body[0].protected, true);
  });

  it('commits, shows history and differences, picks and reverts', async () => {
    const made = await project({});
    const commits = at(made, '/repository/commits');
    const first = await forge.api('POST', commits, asMaintainer, {
      branch: 'main',
      commit_message: 'first\n\nSigned-off-by: A <a@b>',
      author_name: 'Grace',
      author_email: 'grace@example.com',
      actions: [
        { action: 'create', file_path: 'a/b.txt', content: 'one\ntwo\n' },
        { action: 'create', file_path: 'c.bin', content: 'AAEC', encoding: 'base64' },
      ],
    });
    assert.equal(first.status, 201, JSON.stringify(first.body));
    assert.equal(first.body.author_name, 'Grace');
    assert.equal(first.body.committer_name, maintainer.name);
    assert.deepEqual(first.body.trailers, { 'Signed-off-by': 'A <a@b>' });
    assert.equal(first.body.stats.additions, 2);
    assert.equal(first.body.project_id, made.id);
    const row = await forge.services.db.read
      .selectFrom('projects')
      .selectAll()
      .where('id', '=', made.id)
      .executeTakeFirstOrThrow();
    assert.equal(row.default_branch, 'main');
    const low = await forge.api('POST', commits, asDeveloper, {
      branch: 'work',
      start_branch: 'main',
      commit_message: 'second',
      actions: [{ action: 'update', file_path: 'a/b.txt', content: 'one\n2\n' }],
    });
    assert.equal(low.status, 201);
    const twoStarts = await forge.api('POST', commits, asDeveloper, {
      branch: 'other',
      start_branch: 'main',
      start_sha: first.body.id,
      commit_message: 'third',
      actions: [],
    });
    assert.deepEqual(
      [twoStarts.status, twoStarts.body],
      [400, { error: 'start_branch, start_sha are mutually exclusive' }],
    );
    const list = await forge.api('GET', `${commits}?ref_name=work&with_stats=true`, asDeveloper);
    assert.deepEqual(
      list.body.map((each: { title: string }) => each.title),
      ['second', 'first'],
    );
    assert.deepEqual(list.body[0].stats, { additions: 1, deletions: 1, total: 2 });
    const diff = await forge.api('GET', `${commits}/${low.body.id}/diff`, asDeveloper);
    assert.equal(diff.body[0].diff, '@@ -1,2 +1,2 @@\n one\n-two\n+2\n');
    assert.deepEqual((await forge.api('GET', `${commits}/${first.body.id}/refs`, asDeveloper)).body, [
      { type: 'branch', name: 'main' },
      { type: 'branch', name: 'work' },
    ]);
    assert.deepEqual((await forge.api('GET', `${commits}/work/merge_requests`, asDeveloper)).body, []);
    const unsigned = await forge.api('GET', `${commits}/work/signature`, asDeveloper);
    assert.deepEqual([unsigned.status, unsigned.body], [404, { message: '404 Signature Not Found' }]);
    const missing = await forge.api('GET', `${commits}/${'0'.repeat(40)}`, asDeveloper);
    assert.deepEqual([missing.status, missing.body], [404, { message: '404 Commit Not Found' }]);
    const picked = await forge.api('POST', `${commits}/${low.body.id}/cherry_pick`, asMaintainer, { branch: 'main' });
    assert.equal(picked.status, 201, JSON.stringify(picked.body));
    const again = await forge.api('POST', `${commits}/${low.body.id}/cherry_pick`, asMaintainer, { branch: 'main' });
    assert.deepEqual([again.status, again.body.error_code], [400, 'empty']);
    const reverted = await forge.api('POST', `${commits}/${picked.body.id}/revert`, asMaintainer, { branch: 'main' });
    assert.equal(reverted.status, 201);
    assert.equal(reverted.body.title, 'Revert "second"');
    const compare = await forge.api('GET', at(made, '/repository/compare?from=main&to=work'), asDeveloper);
    assert.equal(compare.body.commits.length, 1);
    assert.equal(compare.body.diffs[0].new_path, 'a/b.txt');
    assert.equal(compare.body.compare_same_ref, false);
    const base = await forge.api('GET', at(made, '/repository/merge_base?refs[]=main&refs[]=work'), asDeveloper);
    assert.equal(base.body.id, first.body.id);
    const lone = await forge.api('GET', at(made, '/repository/merge_base?refs[]=main'), asDeveloper);
    assert.equal(lone.status, 400);
    assert.match(lone.body.message, /Provide at least 2 refs/);
    const people = await forge.api('GET', at(made, '/repository/contributors'), asDeveloper);
    assert.ok(
      people.body.some((each: { name: string; additions: number }) => each.name === 'Grace' && each.additions === 0),
    );
    const outside = await forge.api('POST', commits, asMaintainer, {
      branch: 'main',
      commit_message: 'x',
      actions: [{ action: 'create', file_path: '../.git/config', content: 'x' }],
    });
    assert.equal(outside.status, 400);
  });

  it('reads files as JSON, raw, by header and by line, and writes them one commit each', async () => {
    const made = await project({ 'dir/a.txt': 'hello\n' });
    const file = at(made, '/repository/files/dir%2Fa.txt');
    const json = await forge.api('GET', `${file}?ref=main`, asDeveloper);
    assert.equal(json.status, 200);
    assert.equal(Buffer.from(json.body.content, 'base64').toString(), 'hello\n');
    assert.deepEqual(
      Object.keys(json.body).sort(),
      'blob_id commit_id content content_sha256 encoding execute_filemode file_name file_path last_commit_id ref size'.split(
        ' ',
      ),
    );
    const head = await fetch(`${forge.url}/api/v4${file}?ref=main`, {
      method: 'HEAD',
      headers: { 'private-token': asDeveloper },
    });
    assert.equal(head.status, 200);
    assert.equal(head.headers.get('x-gitlab-blob-id'), json.body.blob_id);
    assert.equal(head.headers.get('x-gitlab-content-sha256'), json.body.content_sha256);
    assert.equal(head.headers.get('x-gitlab-execute-filemode'), 'false');
    const raw = await forge.api('GET', `${file}/raw`, asDeveloper);
    assert.equal(raw.bytes.toString(), 'hello\n');
    assert.equal(raw.headers.get('x-gitlab-size'), '6');
    assert.equal(raw.headers.get('x-content-type-options'), 'nosniff');
    const blame = await forge.api('GET', `${file}/blame?ref=main&range[start]=1&range[end]=1`, asDeveloper);
    assert.deepEqual(blame.body[0].lines, ['hello']);
    const noRef = await forge.api('GET', file, asDeveloper);
    assert.deepEqual([noRef.status, noRef.body], [400, { error: 'ref is missing' }]);
    const lost = await forge.api('GET', at(made, '/repository/files/nope?ref=main'), asDeveloper);
    assert.deepEqual([lost.status, lost.body], [404, { message: '404 File Not Found' }]);
    const write = { branch: 'main', commit_message: 'change', content: 'new\n' };
    const put = await forge.api('PUT', file, asDeveloper, { ...write, last_commit_id: json.body.last_commit_id });
    assert.deepEqual([put.status, put.body], [200, { file_path: 'dir/a.txt', branch: 'main' }]);
    const stale = await forge.api('PUT', file, asDeveloper, { ...write, last_commit_id: json.body.last_commit_id });
    assert.equal(stale.status, 400);
    assert.match(stale.body.message, /has changed since/);
    const exists = await forge.api('POST', file, asDeveloper, write);
    assert.deepEqual([exists.status, exists.body], [400, { message: 'A file with this name already exists' }]);
    const made2 = await forge.api('POST', at(made, '/repository/files/b'), asDeveloper, {
      ...write,
      encoding: 'base64',
      content: 'aGk=',
    });
    assert.equal(made2.status, 201);
    assert.equal((await forge.api('GET', at(made, '/repository/files/b/raw'), asDeveloper)).bytes.toString(), 'hi');
    const gone = await forge.api('DELETE', at(made, '/repository/files/b?branch=main&commit_message=x'), asDeveloper);
    assert.equal(gone.status, 204);
    const twice = await forge.api('DELETE', at(made, '/repository/files/b?branch=main&commit_message=x'), asDeveloper);
    assert.deepEqual([twice.status, twice.body], [400, { message: "A file with this name doesn't exist" }]);
  });

  it('lists trees, gives blobs, and archives with the same bytes every time', async () => {
    const made = await project({ 'dir/a.txt': 'a', 'b.txt': 'b', 'c.txt': 'c' });
    const tree = at(made, '/repository/tree');
    const root = await forge.api('GET', tree, asDeveloper);
    assert.deepEqual(
      root.body.map((each: { path: string }) => each.path),
      ['dir', 'b.txt', 'c.txt'],
    );
    assert.deepEqual(Object.keys(root.body[0]), ['id', 'name', 'type', 'path', 'mode']);
    assert.equal((await forge.api('GET', `${tree}?recursive=true`, asDeveloper)).body.length, 4);
    const paged = await forge.api('GET', `${tree}?pagination=keyset&per_page=2`, asDeveloper);
    assert.equal(paged.body.length, 2);
    const next = /<([^>]+)>; rel="next"/.exec(paged.headers.get('link') ?? '')![1]!;
    const rest = await forge.api('GET', next.slice(next.indexOf('/api/v4') + 7), asDeveloper);
    assert.deepEqual(
      rest.body.map((each: { path: string }) => each.path),
      ['c.txt'],
    );
    for (const query of ['?path=nope', '?ref=nope']) {
      const none = await forge.api('GET', tree + query, asDeveloper);
      assert.deepEqual([none.status, none.body], [404, { message: '404 Tree Not Found' }]);
    }
    const { id } = root.body[1];
    const blob = await forge.api('GET', at(made, `/repository/blobs/${id}`), asDeveloper);
    assert.deepEqual(blob.body, { size: 1, encoding: 'base64', content: 'Yg==', sha: id });
    assert.equal((await forge.api('GET', at(made, `/repository/blobs/${id}/raw`), asDeveloper)).bytes.toString(), 'b');
    const other = await project();
    assert.equal((await forge.api('GET', at(other, `/repository/blobs/${id}/raw`), asDeveloper)).status, 404);
    for (const ending of ['', '.tar.gz', '.zip', '.tar']) {
      const [one, two] = [
        await forge.api('GET', at(made, `/repository/archive${ending}`), asDeveloper),
        await forge.api('GET', at(made, `/repository/archive${ending}?sha=main`), asDeveloper),
      ];
      assert.equal(one.status, 200);
      assert.ok(one.bytes.equals(two.bytes), ending);
      assert.match(
        one.headers.get('content-disposition')!,
        new RegExp(`^attachment; filename="${made.path}-main-[0-9a-f]{40}\\.`),
      );
    }
    assert.equal((await forge.api('GET', at(made, '/repository/archive?sha=nope'), asDeveloper)).status, 404);
  });

  it('opens files, but not branches, to a token of scope read_repository, and nothing private to strangers', async () => {
    const made = await project({ a: 'a' });
    const reader = await forge.pat(developer, 'read_repository');
    const stranger = await forge.pat(await forge.world.user(), 'api');
    const open = [
      '/repository/files/a?ref=main',
      '/repository/files/a/raw',
      '/repository/tree',
      '/repository/archive',
      '/repository/compare?from=main&to=main',
    ];
    for (const path of open) assert.equal((await forge.api('GET', at(made, path), reader)).status, 200, path);
    for (const path of ['/repository/branches', '/repository/commits', '/repository/tags'])
      assert.equal((await forge.api('GET', at(made, path), reader)).status, 403, path);
    for (const path of [...open, '/repository/branches', '/protected_branches'])
      for (const token of [stranger, null]) {
        const answer = await forge.api('GET', at(made, path), token);
        assert.ok(answer.status === 404 || (token === null && answer.status === 401), `${path} ${answer.status}`);
      }
    const everyone = await project({ a: 'a' }, 'public');
    for (const path of [...open, '/repository/branches', '/repository/commits'])
      assert.equal((await forge.api('GET', at(everyone, path), null)).status, 200, path);
  });

  it('takes no name or path that a program could take for something else', async () => {
    const made = await project({ a: 'a' });
    const { repositories } = forge.services;
    const before = (await repositories.must(made.repository_id!, ['for-each-ref'])).toString();
    const evil = [
      '--upload-pack=touch /tmp/x',
      '-x',
      'a\nb',
      '../../etc/passwd',
      '.git/config',
      'a/.GIT/hooks/x',
      '@{upstream}',
      'HEAD^{/x}',
      ':/first',
      'main:a',
      'a..b',
      'x'.repeat(5000),
    ];
    for (const name of evil) {
      const coded = encodeURIComponent(name);
      const commit = { branch: 'main', commit_message: 'x' };
      for (const [method, path, body] of [
        ['POST', '/repository/branches', { branch: name, ref: 'main' }],
        ['POST', '/repository/branches', { branch: 'fine', ref: name }],
        ['DELETE', `/repository/branches/${coded}`],
        ['POST', '/repository/tags', { tag_name: name, ref: 'main' }],
        ['POST', '/repository/tags', { tag_name: 'fine', ref: name }],
        ['GET', `/repository/commits/${coded}`],
        ['GET', `/repository/commits?ref_name=${coded}`],
        ['GET', `/repository/tree?ref=${coded}`],
        ['GET', `/repository/tree?path=${coded}`],
        ['GET', `/repository/files/${coded}?ref=main`],
        ['GET', `/repository/files/a/raw?ref=${coded}`],
        ['GET', `/repository/archive?sha=${coded}`],
        ['GET', `/repository/compare?from=${coded}&to=main`],
        ['GET', `/repository/blobs/${coded}/raw`],
        ['POST', `/repository/commits/main/cherry_pick`, { branch: name }],
        ['PUT', `/repository/files/${coded}`, { ...commit, content: 'x' }],
        ['POST', '/repository/commits', { ...commit, branch: name, actions: [{ action: 'create', file_path: 'n' }] }],
        ['POST', '/repository/commits', { ...commit, start_sha: name, branch: 'n', actions: [] }],
      ] as const) {
        const answer = await forge.api(method, at(made, path), asMaintainer, body);
        assert.ok(
          [400, 403, 404].includes(answer.status),
          `${method} ${path.slice(0, 80)} ${name.slice(0, 20)}: ${answer.status}`,
        );
      }
    }
    assert.equal((await repositories.must(made.repository_id!, ['for-each-ref'])).toString(), before);
    const odd = { branch: 'main', commit_message: 'x', content: '%%%', encoding: 'base64' };
    const base64 = await forge.api('POST', at(made, '/repository/files/n'), asMaintainer, odd);
    assert.deepEqual([base64.status, base64.body], [400, { error: 'content is invalid' }]);
  });

  it('says of an empty repository that it has nothing', async () => {
    const made = await project({});
    assert.deepEqual((await forge.api('GET', at(made, '/repository/branches'), asDeveloper)).body, []);
    assert.deepEqual((await forge.api('GET', at(made, '/repository/commits'), asDeveloper)).body, []);
    assert.equal((await forge.api('GET', at(made, '/repository/tree'), asDeveloper)).status, 404);
    assert.equal((await forge.api('GET', at(made, '/repository/archive'), asDeveloper)).status, 404);
  });
});

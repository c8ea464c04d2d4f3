// Clone, fetch and push with a real git (reference git-and-deploy 13.2, items 1 to 4, 6, 10 and 13).
import assert, { fail } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { protectDefaultBranch } from '../../../src/access/protected-ref-store.ts';
import { endCredential } from '../../../src/credentials/end.ts';
import { liveUsesOf } from '../../../src/credentials/live-uses.ts';
import { hashPassword } from '../../../src/identity/passwords.ts';
import { DAY, isoDate } from '../../../src/kernel/clock.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { type Forge, openForge } from './forge.ts';

const NOT_FOUND = /The project you were looking for could not be found or you don't have permission to view it\./;
const DENIED = /HTTP Basic: Access denied\./;

describe('git over HTTP', () => {
  let forge: Forge;
  before(async () => {
    forge = await openForge();
  });
  after(() => forge.close());

  const settings = (patch: Record<string, unknown>) =>
    forge.services.db.tx((tx) => updateSettings(tx, patch, forge.world.clock.now()));
  const http = (method: string, path: string, credentials?: string, headers: Record<string, string> = {}) =>
    fetch(`${forge.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...headers,
        ...(credentials === undefined ? {} : { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` }),
      },
    });

  async function place(
    level: number,
    visibility: 'private' | 'public' | 'internal' = 'private',
    files?: Record<string, string>,
  ) {
    const { world } = forge;
    const group = await world.group({ visibility: 'public' });
    const user = await world.user();
    const project = await forge.project(group, { visibility }, files);
    if (level > 0) await world.member(user, { project }, level);
    return { group, user, project };
  }

  it('clones with and without .git, and a private and a missing path ask strangers for the same thing', async () => {
    const { project } = await place(0, 'public');
    const tree = await forge.workTree(false);
    const plain = await forge.git(tree, 'clone', '-q', forge.remote(project.full_path), 'plain');
    assert.equal(plain.code, 0, plain.out);
    const direct = await forge.git(tree, 'clone', '-q', forge.remote(`${project.full_path}.git`), 'direct');
    assert.equal(direct.code, 0, direct.out);

    const { project: hidden } = await place(0);
    const answers = [];
    for (const path of [hidden.full_path, 'no/such', 'nosuch', `${hidden.full_path}.wiki`]) {
      const answer = await http('GET', `/${path}.git/info/refs?service=git-upload-pack`);
      answers.push([answer.status, answer.headers.get('www-authenticate'), await answer.text()].join('|'));
    }
    assert.equal(new Set(answers).size, 1, answers.join('\n'));
    assert.match(answers[0]!, /^401\|Basic realm="GitLab"\|HTTP Basic: Access denied\./);
  });

  it('answers 301 by the shape of the path alone, with a path-only Location', async () => {
    for (const [path, location] of [
      ['/no/such/info/refs?service=git-upload-pack', '/no/such.git/info/refs?service=git-upload-pack'],
      ['/no/such/info/refs', '/no/such.git/info/refs'],
    ]) {
      const answer = await http('GET', path!);
      assert.equal(answer.status, 301);
      assert.equal(answer.headers.get('location'), location);
    }
    assert.equal((await http('GET', '/no/such/info/refs?service=git-upload-pack&x=1')).status, 404);
    assert.equal((await http('HEAD', '/no/such.git/info/refs')).status, 403);
  });

  it('takes a personal token under any user name, and its scope decides', async () => {
    const { user, project } = await place(30);
    const reader = await forge.pat(user, 'read_repository');
    for (const login of ['x', '', user.username, 'oauth2']) {
      const answer = await http(
        'GET',
        `/${project.full_path}.git/info/refs?service=git-upload-pack`,
        `${login}:${reader}`,
      );
      assert.equal(answer.status, 200, login);
      await answer.body?.cancel();
    }
    const tree = await forge.workTree(false);
    const cloned = await forge.git(tree, 'clone', '-q', forge.remote(project.full_path, 'x', reader), 'c');
    assert.equal(cloned.code, 0, cloned.out);
    await forge.commit(`${tree}/c`);
    const push = await forge.git(`${tree}/c`, 'push', 'origin', 'HEAD:work');
    assert.equal(push.code, 128);
    assert.match(push.out, /remote: You are not allowed to upload code\./);
    const nothing = await forge.pat(user, 'read_user');
    const clone = await forge.git(tree, 'clone', forge.remote(project.full_path, 'x', nothing), 'd');
    assert.equal(clone.code, 128);
    assert.match(clone.out, /remote: You are not allowed to download code\./);
    // The token as user name with an empty password is not read.
    assert.equal(
      (await http('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, `${reader}:`)).status,
      401,
    );
  });

  it('hides a private project from strangers with 404, from foreign bots with 401, and tells a Guest what he lacks', async () => {
    const { user: stranger } = await place(0);
    const { project } = await place(0);
    const token = await forge.pat(stranger, 'api');
    const tree = await forge.workTree(false);
    for (const path of [project.full_path, 'no/such/thing']) {
      const clone = await forge.git(tree, 'clone', forge.remote(path, 'x', token), 'a');
      assert.equal(clone.code, 128);
      assert.match(clone.out, NOT_FOUND);
    }
    const one = await http('GET', '/nosuch.git/info/refs?service=git-upload-pack', `x:${token}`);
    assert.equal(one.status, 404);
    assert.match(await one.text(), /The namespace you were looking for could not be found\./);

    const { world } = forge;
    const { project: home } = await place(0);
    const bot = await world.user({ type: 'project_bot', bot_project_id: home.id });
    await world.member(bot, { project: home }, 40);
    const key = await forge.key({ kind: 'project_access_token', userId: bot.id, projectId: home.id, scopes: ['api'] });
    const said = [];
    for (const path of [project.full_path, 'no/such/thing']) {
      const answer = await http('GET', `/${path}.git/info/refs?service=git-upload-pack`, `x:${key}`);
      said.push(`${answer.status} ${await answer.text()}`);
    }
    assert.match(said[0]!, /^401 /);
    assert.equal(said[0], said[1]);
    const own = await forge.git(tree, 'clone', '-q', forge.remote(home.full_path, 'x', key), 'own');
    assert.equal(own.code, 0, own.out);

    const guest = await world.user();
    await world.member(guest, { project }, 10);
    const clone = await forge.git(
      tree,
      'clone',
      forge.remote(project.full_path, 'x', await forge.pat(guest, 'api')),
      'g',
    );
    assert.match(clone.out, /remote: You are not allowed to download code from this project\./);
  });

  it('knows a deploy token by exactly its own user name, and only at home', async () => {
    const { world } = forge;
    const group = await world.group({ visibility: 'public' });
    const child = await world.group({ parent: group, visibility: 'public' });
    const project = await forge.project(group);
    const elsewhere = await forge.project(await world.group({ visibility: 'public' }), { visibility: 'public' });
    const wish = {
      kind: 'deploy_token' as const,
      projectId: project.id,
      scopes: ['read_repository'],
      username: 'Deploy+1',
    };
    const secret = await forge.key(wish);
    const tree = await forge.workTree(false);
    const clone = await forge.git(tree, 'clone', '-q', forge.remote(project.full_path, 'Deploy+1', secret), 'c');
    assert.equal(clone.code, 0, clone.out);
    for (const [path, login] of [
      [project.full_path, 'deploy+1'],
      [project.full_path, 'x'],
      [elsewhere.full_path, 'Deploy+1'],
      ['no/such', 'Deploy+1'],
    ] as const) {
      const answer = await http('GET', `/${path}.git/info/refs?service=git-upload-pack`, `${login}:${secret}`);
      assert.equal(answer.status, 401, `${path} ${login}`);
    }
    await forge.commit(`${tree}/c`);
    const push = await forge.git(`${tree}/c`, 'push', 'origin', 'HEAD:work');
    assert.match(push.out, /remote: You are not allowed to upload code\./);

    const wide = await forge.key({
      kind: 'deploy_token',
      groupId: group.id,
      scopes: ['read_repository'],
      username: 'g',
    });
    const deep = await forge.project(child);
    const deepClone = await forge.git(tree, 'clone', '-q', forge.remote(deep.full_path, 'g', wide), 'deep');
    assert.equal(deepClone.code, 0, deepClone.out);

    const today = Math.floor(world.clock.now() / DAY) * DAY;
    assert.equal(isoDate(today), isoDate(world.clock.now()));
    const late = await world.issue({ ...wish, username: 'late', expiresAt: today });
    const gone = await world.issue({ ...wish, username: 'gone' });
    await forge.services.db.tx((tx) => endCredential(tx, forge.services, gone.credential.id, 'revoked'));
    for (const [login, issued] of [
      ['late', late],
      ['gone', gone],
    ] as const) {
      const credentials = `${login}:${issued.secret.reveal()}`;
      const answer = await http('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, credentials);
      assert.equal(answer.status, 401, login);
    }
  });

  it('lets a deploy token with the opt-in scope push to what nothing protects, and names it in the audit', async () => {
    const { group } = await place(0);
    const project = await forge.project(group);
    await forge.services.db.tx((tx) => protectDefaultBranch(tx, project.id, 'main', 2, 0));
    await settings({ deploy_token_write_repository: true });
    try {
      const scopes = ['write_repository'];
      const secret = await forge.key({ kind: 'deploy_token', projectId: project.id, scopes, username: 'writer' });
      const tree = await forge.workTree(false);
      await forge.git(tree, 'clone', '-q', forge.remote(project.full_path, 'writer', secret), 'c');
      await forge.commit(`${tree}/c`);
      const free = await forge.git(`${tree}/c`, 'push', 'origin', 'HEAD:work');
      assert.equal(free.code, 0, free.out);
      const refused = await forge.git(`${tree}/c`, 'push', 'origin', 'HEAD:main');
      assert.equal(refused.code, 1);
      assert.match(
        refused.out,
        /remote: GitLab: You are not allowed to push code to protected branches on this project\./,
      );
      assert.match(refused.out, /! \[remote rejected\] HEAD -> main \(pre-receive hook declined\)/);
      const rows = await forge.services.db.read
        .selectFrom('audit_events')
        .selectAll()
        .where('entity_id', '=', project.id)
        .where('action', '=', 'repository:push')
        .orderBy('id')
        .execute();
      assert.deepEqual(
        rows.map((row) => [row.result, row.author_name, JSON.parse(row.details!).username]),
        [
          ['allowed', 'writer', 'writer'],
          ['refused', 'writer', 'writer'],
        ],
      );
    } finally {
      await settings({ deploy_token_write_repository: false });
    }
  });

  it('takes an account password last, and with passwords off asks for nothing', async () => {
    const { user, project } = await place(30);
    const password = 'correct horse: battery';
    const digest = await hashPassword(new Secret(password));
    await forge.services.db.tx((tx) =>
      tx.updateTable('users').set({ password_digest: digest }).where('id', '=', user.id).execute(),
    );
    const path = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
    assert.equal((await http('GET', path, `${user.username}:${password}`)).status, 200);
    assert.equal((await http('GET', path, `${user.email}:${password}`)).status, 200);
    const wrong = await http('GET', path, `${user.username}:not it`);
    assert.equal(wrong.status, 401);
    assert.equal(wrong.headers.get('www-authenticate'), 'Basic realm="GitLab"');
    await settings({ password_authentication_enabled_for_git: false });
    try {
      const off = await http('GET', path, `${user.username}:${password}`);
      assert.equal(off.status, 401);
      assert.equal(off.headers.get('www-authenticate'), null);
      assert.match(await off.text(), DENIED);
    } finally {
      await settings({ password_authentication_enabled_for_git: true });
    }
  });

  it('gives no second chance to wrong credentials on a public project', async () => {
    const { project } = await place(0, 'public');
    const path = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
    assert.equal((await http('GET', path)).status, 200);
    assert.equal((await http('GET', path, 'x:glpat-wrongwrongwrongwrong')).status, 401);
  });

  it('refuses an address after too many wrong credentials, unread', async () => {
    const { user, project } = await place(30);
    const token = await forge.pat(user, 'api');
    const path = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
    await settings({ failed_authentication_limit: 3 });
    try {
      for (let index = 0; index < 3; index += 1) await http('GET', path, 'x:glpat-wrongwrongwrongwrong');
      const blocked = await http('GET', path, `x:${token}`);
      assert.equal(blocked.status, 403);
      assert.match(await blocked.text(), /^Too many failed authentication attempts from this IP/);
      assert.ok(Number(blocked.headers.get('retry-after')) > 0);
    } finally {
      await settings({ failed_authentication_limit: 30 });
      forge.world.clock.advance(3_600_000);
    }
    assert.equal((await http('GET', path, `x:${token}`)).status, 200);
  });

  it('clones shallow and partial, fetches a bare commit, negotiates over many refs, pushes big, with options, atomically', async () => {
    const { user, project } = await place(40, 'private', {});
    const token = await forge.pat(user, 'write_repository');
    const remote = forge.remote(`${project.full_path}.git`, 'x', token);
    const tree = await forge.workTree();
    await forge.commit(tree, 'big.bin', randomBytes(3 * 1024 * 1024));
    const first = await forge.git(tree, 'push', remote, 'main', '-o', 'ci.skip', '-o', 'unknown.option');
    assert.equal(first.code, 0, first.out);
    const head = (await forge.git(tree, 'rev-parse', 'HEAD')).out.trim();
    const parent = (await forge.git(tree, 'rev-parse', 'HEAD^')).out.trim();

    const refs = Array.from({ length: 1200 }, (_, index) => `refs/heads/topic-${index}`);
    for (const ref of refs.slice(0, 1)) await forge.git(tree, 'update-ref', ref, head);
    await forge.gitWith(tree, {}, 'fetch', '-q', '.', ...refs.map((ref) => `main:${ref}`));
    const many = await forge.git(tree, 'push', '-q', remote, '--all');
    assert.equal(many.code, 0, many.out);

    const elsewhere = await forge.workTree(false);
    const partial = await forge.git(
      elsewhere,
      '-c',
      'protocol.version=2',
      'clone',
      '-q',
      '--filter=blob:none',
      '--depth',
      '1',
      '--single-branch',
      remote,
      'p',
    );
    assert.equal(partial.code, 0, partial.out);
    await forge.git(elsewhere, 'init', '-q', 'bare-fetch');
    const bare = await forge.git(`${elsewhere}/bare-fetch`, 'fetch', '-q', remote, parent);
    assert.equal(bare.code, 0, bare.out);
    for (const version of ['0', '1', '2']) {
      const full = await forge.git(
        elsewhere,
        '-c',
        `protocol.version=${version}`,
        'clone',
        '-q',
        remote,
        `v${version}`,
      );
      assert.equal(full.code, 0, full.out);
    }
    await forge.commit(tree);
    await forge.git(tree, 'push', '-q', remote, 'main');
    const fetched = await forge.git(`${elsewhere}/v2`, 'fetch', '-q');
    assert.equal(fetched.code, 0, fetched.out);

    await forge.commit(tree);
    const atomic = await forge.git(tree, 'push', '--atomic', remote, 'main:one', `main:refs/heads/${head}`);
    assert.equal(atomic.code, 1);
    assert.match(atomic.out, /You cannot create a branch with a SHA-1 or SHA-256 branch name\./);
    const listed = await forge.git(tree, 'ls-remote', remote, 'refs/heads/one');
    assert.equal(listed.out, '');
    const hidden = await forge.git(tree, 'push', remote, 'main:refs/keep-around/x');
    assert.match(hidden.out, /deny updating a hidden ref/);
  });

  it('makes the first pushed branch the default one, protects it and writes the push down once', async () => {
    const { user, project } = await place(40, 'private', {});
    const remote = forge.remote(`${project.full_path}.git`, 'x', await forge.pat(user, 'write_repository'));
    const tree = await forge.workTree();
    const push = await forge.git(tree, 'push', remote, 'main:trunk');
    assert.equal(push.code, 0, push.out);
    const { read } = forge.services.db;
    const row = await read.selectFrom('projects').selectAll().where('id', '=', project.id).executeTakeFirstOrThrow();
    assert.equal(row.default_branch, 'trunk');
    const rule = await read.selectFrom('protected_refs').selectAll().where('project_id', '=', project.id).execute();
    assert.deepEqual(
      rule.map((each) => each.name),
      ['trunk'],
    );
    const pushes = await read.selectFrom('pushes').selectAll().where('project_id', '=', project.id).execute();
    assert.deepEqual(
      pushes.map((each) => each.state),
      ['done'],
    );
    const remoteHead = await forge.git(tree, 'ls-remote', '--symref', remote, 'HEAD');
    assert.match(remoteHead.out, /ref: refs\/heads\/trunk\tHEAD/);
    const gone = await forge.git(tree, 'push', remote, ':trunk');
    assert.match(gone.out, /The default branch of a project cannot be deleted\./);
  });

  it("refuses a Developer's first push with the three lines that say whom to ask", async () => {
    const { user, project } = await place(30, 'private', {});
    const remote = forge.remote(`${project.full_path}.git`, 'x', await forge.pat(user, 'api'));
    const push = await forge.git(await forge.workTree(), 'push', remote, 'main');
    assert.equal(push.code, 1);
    assert.match(
      push.out,
      new RegExp(`GitLab: A default branch \\(e\\.g\\. main\\) does not yet exist for ${project.full_path}`),
    );
    assert.match(push.out, /Ask a project Owner or Maintainer to create a default branch:/);
  });

  it('judges force, deletion and roles on a protected branch, and leaves nothing of a refused push', async () => {
    const { world } = forge;
    const { user: maintainer, project } = await place(40, 'private', {});
    const developer = await world.user();
    await world.member(developer, { project }, 30);
    const reporter = await world.user();
    await world.member(reporter, { project }, 20);
    const url = async (user: typeof developer) =>
      forge.remote(`${project.full_path}.git`, 'x', await forge.pat(user, 'write_repository'));
    const [asMaintainer, asDeveloper, asReporter] = [await url(maintainer), await url(developer), await url(reporter)];
    const tree = await forge.workTree();
    assert.equal((await forge.git(tree, 'push', asMaintainer, 'main')).code, 0);
    await forge.commit(tree);
    const low = await forge.git(tree, 'push', asDeveloper, 'main', 'main:side');
    assert.equal(low.code, 1);
    assert.match(low.out, /GitLab: You are not allowed to push code to protected branches on this project\./);
    assert.equal((await forge.git(tree, 'ls-remote', asDeveloper, 'refs/heads/side')).out, '');
    const none = await forge.git(tree, 'push', asReporter, 'main:side');
    assert.equal(none.code, 128);
    assert.match(none.out, /remote: You are not allowed to push code to this project\./);
    assert.equal((await forge.git(tree, 'push', asMaintainer, 'main')).code, 0);
    await forge.git(tree, 'reset', '-q', '--hard', 'HEAD^');
    await forge.commit(tree);
    const forced = await forge.git(tree, 'push', '-f', asMaintainer, 'main');
    assert.equal(forced.code, 1);
    assert.match(forced.out, /GitLab: You are not allowed to force push code to a protected branch on this project\./);
    assert.equal((await forge.git(tree, 'push', asDeveloper, 'main:side')).code, 0);
    assert.equal((await forge.git(tree, 'push', asDeveloper, ':side')).code, 0);
    const states = await forge.services.db.read
      .selectFrom('pushes')
      .select('state')
      .where('project_id', '=', project.id)
      .execute();
    assert.deepEqual([...new Set(states.map((row) => row.state))], ['done']);
  });

  it('serves a renamed project under its old path and says so after a push', async () => {
    const { user, project } = await place(40);
    const remote = forge.remote(`${project.full_path}.git`, 'x', await forge.pat(user, 'write_repository'));
    const tree = await forge.workTree(false);
    await forge.git(tree, 'clone', '-q', remote, 'c');
    const newPath = `${project.full_path}-new`;
    await forge.services.db.tx(async (tx) => {
      await tx
        .updateTable('projects')
        .set({ full_path: newPath, full_path_lower: newPath })
        .where('id', '=', project.id)
        .execute();
      const values = { full_path_lower: project.full_path, project_id: project.id, namespace_id: null, created_at: 0 };
      await tx.insertInto('path_redirects').values(values).execute();
    });
    assert.equal((await forge.git(`${tree}/c`, 'fetch', '-q')).code, 0);
    await forge.commit(`${tree}/c`);
    const push = await forge.git(`${tree}/c`, 'push', 'origin', 'HEAD:work');
    assert.equal(push.code, 0, push.out);
    assert.ok(push.out.includes(`remote: Project '${project.full_path}' was moved to '${newPath}'.`), push.out);
    assert.ok(push.out.includes(`remote:   git remote set-url origin ${forge.services.url}/${newPath}.git`), push.out);
  });

  it('refuses a push to an archived project and all git when the protocol is off', async () => {
    const { user, project } = await place(40, 'private');
    const token = await forge.pat(user, 'api');
    const { db } = forge.services;
    await db.tx((tx) => tx.updateTable('projects').set({ archived: 1 }).where('id', '=', project.id).execute());
    const archived = await http('GET', `/${project.full_path}.git/info/refs?service=git-receive-pack`, `x:${token}`);
    assert.equal(archived.status, 403);
    assert.equal((await archived.text()).trim(), "You can't push code to an archived project.");
    await settings({ enabled_git_access_protocol: 'ssh' });
    try {
      const off = await http('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, `x:${token}`);
      assert.equal(off.status, 403);
      assert.equal((await off.text()).trim(), 'Git access over HTTP is not allowed');
    } finally {
      await settings({ enabled_git_access_protocol: null });
    }
    const dumb = await http('GET', `/${project.full_path}.git/info/refs`, `x:${token}`);
    assert.equal(dumb.status, 403);
    assert.equal((await http('GET', `/${project.full_path}.git/info/refs`)).status, 401);
  });

  it('makes a private project for a push to a free path of the pusher, and only for the push itself', async () => {
    const { world, services } = forge;
    const user = await world.user();
    const home = await world.personal(user);
    const path = `${home.full_path}/fresh`;
    const writer = await forge.pat(user, 'write_repository');
    const remote = forge.remote(`${path}.git`, 'x', writer);
    const asked = await http('GET', `/${path}.git/info/refs?service=git-receive-pack`, `x:${writer}`);
    assert.equal(asked.status, 200);
    await asked.body?.cancel();
    const projects = () => services.db.read.selectFrom('projects').selectAll().where('full_path', '=', path).execute();
    assert.deepEqual(await projects(), []);
    const fetched = await http('GET', `/${path}.git/info/refs?service=git-upload-pack`, `x:${writer}`);
    assert.equal(fetched.status, 404);

    const tree = await forge.workTree();
    await forge.commit(tree, 'big.bin', randomBytes(2 * 1024 * 1024));
    const push = await forge.git(tree, 'push', remote, 'main');
    assert.equal(push.code, 0, push.out);
    assert.ok(push.out.includes(`remote: The private project ${path} was successfully created.`), push.out);
    assert.ok(push.out.includes(`remote:   git remote add origin ${services.url}/${path}.git`), push.out);
    const [project] = await projects();
    assert.equal(project?.visibility, 'private');
    assert.equal(project?.default_branch, 'main');

    const reserved = await forge.git(tree, 'push', forge.remote(`${home.full_path}/new.git`, 'x', writer), 'main');
    assert.equal(reserved.code, 128);
    assert.match(reserved.out, /remote: Could not create project: path is a reserved name/);
    const stranger = await forge.pat(await world.user(), 'api');
    for (const where of [`${home.full_path}/other`, 'nobody/other']) {
      const refused = await forge.git(tree, 'push', forge.remote(`${where}.git`, 'x', stranger), 'main');
      assert.match(refused.out, NOT_FOUND);
    }
    const reader = await forge.git(
      tree,
      'push',
      forge.remote(`${home.full_path}/other.git`, 'x', await forge.pat(user, 'read_repository')),
      'main',
    );
    assert.match(reader.out, /You are not allowed to upload code\./);
  });

  it('makes the folder of a repository that nobody wrote to, and takes no empty one for a lost one', async () => {
    const { user, project } = await place(40, 'private', {});
    const token = await forge.pat(user, 'api');
    const { repositories } = forge.services;
    const path = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
    await repositories.delete(project.repository_id!);
    assert.equal((await http('GET', path, `x:${token}`)).status, 200);
    assert.equal(await repositories.exists(project.repository_id!), true);

    const tree = await forge.workTree();
    const remote = forge.remote(`${project.full_path}.git`, 'x', token);
    assert.equal((await forge.git(tree, 'push', '-q', remote, 'main')).code, 0);
    await repositories.delete(project.repository_id!);
    for (const service of ['git-upload-pack', 'git-receive-pack']) {
      const lost = await http('GET', path.replace('git-upload-pack', service), `x:${token}`);
      assert.equal(lost.status, 404);
      assert.equal(await lost.text(), 'A repository for this project does not exist yet.\n');
    }
    const rest = await forge.api('GET', `/projects/${project.id}/repository/branches`, token);
    assert.deepEqual([rest.status, rest.body], [404, { message: '404 Repository Not Found' }]);
    assert.equal(await repositories.exists(project.repository_id!), false);
  });

  it('ends a clone under way when its key ends, and leaves no git behind', async () => {
    const { user, project } = await place(40, 'private', {});
    const { world, services } = forge;
    const issued = await world.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['write_repository'] });
    const remote = forge.remote(`${project.full_path}.git`, 'x', issued.secret.reveal());
    const tree = await forge.workTree();
    await forge.commit(tree, 'big.bin', randomBytes(24 * 1024 * 1024));
    assert.equal((await forge.git(tree, 'push', '-q', remote, 'main')).code, 0);
    const head = (await forge.git(tree, 'rev-parse', 'HEAD')).out.trim();
    const line = (text: string) => (text.length + 4).toString(16).padStart(4, '0') + text;
    const answer = await fetch(`${forge.url}/${project.full_path}.git/git-upload-pack`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`x:${issued.secret.reveal()}`).toString('base64')}`,
        'content-type': 'application/x-git-upload-pack-request',
      },
      body: `${line(`want ${head}\n`)}0000${line('done\n')}`,
    });
    assert.equal(answer.status, 200);
    const reader = answer.body!.getReader();
    await reader.read();
    assert.ok(liveUsesOf(services).size > 0);
    await services.db.tx((tx) => endCredential(tx, services, issued.credential.id, 'revoked'));
    await assert.rejects(async () => {
      for (;;) if ((await reader.read()).done) fail('the clone ran to its end');
    }, /terminated|aborted/);
    for (let wait = 0; wait < 60 && services.git.running().stream > 0; wait += 1)
      await new Promise((done) => setTimeout(done, 50));
    assert.equal(services.git.running().stream, 0);
  });

  it('reads no address that carries an escape, a double slash, dots or a semicolon', async () => {
    const { project } = await place(0, 'public');
    const [group, name] = project.full_path.split('/') as [string, string];
    for (const path of [
      `${group}%2F${name}`,
      `${group}//${name}`,
      `${group}/x/..%2f${name}`,
      `${group};/${name}`,
      `${group}\\${name}`,
      `%67${group.slice(1)}/${name}`,
      `${group}/%2e%2e/${group}/${name}`,
      `${group}/${name}%00`,
    ]) {
      const { request } = await import('node:http');
      const { hostname, port } = new URL(forge.url);
      const status = await new Promise<number>((done, stop) => {
        const asked = request({ hostname, port, path: `/${path}.git/info/refs?service=git-upload-pack` }, (answer) => {
          answer.resume();
          done(answer.statusCode ?? 0);
        });
        asked.on('error', stop).end();
      });
      assert.ok([400, 401, 404].includes(status), `${path}: ${status}`);
    }
  });
});

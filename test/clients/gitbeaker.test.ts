// @gitbeaker/rest, unmodified, against a running server: the calls that release and bot scripts make, keys first, with errors.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Gitlab } from '@gitbeaker/rest';
import { startServer, type TestServer } from '../support/server.ts';

type Client = InstanceType<typeof Gitlab>;

const DAY = 86_400_000;
const inDays = (days: number): string => new Date(performance.timeOrigin + days * DAY).toISOString().slice(0, 10);
const unique = (prefix: string): string => `${prefix}-${randomBytes(4).toString('hex')}`;

async function refused(status: number, call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const { response, description } = (error as { cause?: { response?: Response; description?: string } }).cause ?? {};
    assert.equal(response?.status, status, String(error));
    return description ?? '';
  }
  assert.fail(`expected a refusal with status ${status}`);
}

describe('gitbeaker', () => {
  let server: TestServer;
  let root: Client;
  const as = (token: string): Client => new Gitlab({ host: server.url, token });
  before(async () => {
    server = await startServer();
    root = as(server.rootToken);
  });
  after(() => server?.stop());

  async function newProject(): Promise<{ groupId: number; projectId: number; path: string }> {
    const name = unique('group');
    const group = await root.Groups.create(name, name);
    const project = await root.Projects.create({ name: 'app', namespaceId: group.id, initializeWithReadme: true });
    return { groupId: group.id, projectId: project.id, path: `${name}/app` };
  }

  async function newUser(): Promise<{ id: number; username: string; client: Client }> {
    const username = unique('user');
    const { id, token } = await server.user(username);
    return { id, username, client: as(token) };
  }

  it('makes users and says who it is', async () => {
    const username = unique('user');
    const user = await root.Users.create({
      username,
      name: 'Someone',
      email: `${username}@example.com`,
      password: 'a long password',
      skipConfirmation: true,
    });
    assert.equal((await root.Users.showCurrentUser()).username, 'root');
    assert.deepEqual(
      (await root.Users.all({ username })).map((found) => found.id),
      [user.id],
    );
    await refused(
      409,
      root.Users.create({ username, name: 'x', email: 'other@example.com', password: 'a long password' }),
    );
    await refused(401, as('glpat-nonsensenonsensenons').Users.showCurrentUser());
  });

  it('makes groups and projects, finds them by path, and pages through them', async () => {
    const { groupId, projectId, path } = await newProject();
    assert.equal((await root.Projects.show(path)).id, projectId);
    for (const number of [1, 2, 3]) await root.Projects.create({ name: `more-${number}`, namespaceId: groupId });
    const all = await root.Groups.allProjects(groupId, { perPage: 2 });
    assert.equal(all.length, 4, 'the Link header leads through all pages');
    const { client } = await newUser();
    await refused(404, client.Projects.show(path));
    await refused(404, client.Projects.remove(projectId));
    await root.Projects.edit(projectId, { description: 'changed' });
    assert.equal((await root.Projects.show(projectId)).description, 'changed');
  });

  it('adds and changes members', async () => {
    const { projectId } = await newProject();
    const { id, username, client } = await newUser();
    await root.ProjectMembers.add(projectId, 20, { userId: id });
    assert.equal((await client.Projects.show(projectId)).id, projectId);
    await refused(409, root.ProjectMembers.add(projectId, 20, { userId: id }));
    await root.ProjectMembers.edit(projectId, id, 30);
    const members = await root.ProjectMembers.all(projectId, { includeInherited: true });
    assert.equal(members.find((member) => member.username === username)?.access_level, 30);
    await root.ProjectMembers.remove(projectId, id);
    await refused(404, client.Projects.show(projectId));
  });

  it('takes personal tokens through their whole life', async () => {
    const { id, client } = await newUser();
    const made = await root.PersonalAccessTokens.create(id, 'made', ['read_api'], { expiresAt: inDays(9) });
    const token = (made as unknown as { token: string }).token;
    assert.equal((await as(token).PersonalAccessTokens.show()).id, made.id);
    const own = await client.PersonalAccessTokens.all({ userId: id });
    assert.ok(own.some((key) => key.id === made.id));
    const rotated = await client.PersonalAccessTokens.rotate(made.id, { expiresAt: inDays(20) });
    const next = (rotated as unknown as { token: string }).token;
    await refused(401, as(token).Users.showCurrentUser());
    assert.equal((await as(next).PersonalAccessTokens.show()).id, rotated.id);
    await client.PersonalAccessTokens.remove({ tokenId: rotated.id });
    await refused(401, as(next).PersonalAccessTokens.show());
    await refused(401, client.PersonalAccessTokens.show({ tokenId: 1 }));
  });

  it('takes impersonation tokens through their whole life', async () => {
    const { id } = await newUser();
    const made = await root.UserImpersonationTokens.create(id, 'as him', ['api'], { expiresAt: inDays(3) });
    const { token } = made as unknown as { token: string };
    assert.equal((await as(token).Users.showCurrentUser()).id, id);
    assert.equal((await root.UserImpersonationTokens.all(id, { state: 'active' })).length, 1);
    await root.UserImpersonationTokens.revoke(id, made.id);
    await refused(401, as(token).Users.showCurrentUser());
  });

  it('takes project and group tokens through their whole life', async () => {
    const { projectId, groupId } = await newProject();
    const onProject = await root.ProjectAccessTokens.create(projectId, 'bot', ['api'], inDays(30), { accessLevel: 30 });
    const onGroup = await root.GroupAccessTokens.create(groupId, 'bot', ['read_api'], inDays(30), { accessLevel: 20 });
    for (const made of [onProject, onGroup]) {
      const { token } = made as unknown as { token: string };
      assert.equal((await as(token).Projects.show(projectId)).id, projectId);
    }
    assert.equal((await root.ProjectAccessTokens.show(projectId, onProject.id)).access_level, 30);
    const rotated = await root.ProjectAccessTokens.rotate(projectId, onProject.id, { expiresAt: inDays(30) });
    assert.notEqual(rotated.id, onProject.id);
    await root.ProjectAccessTokens.revoke(projectId, rotated.id);
    await root.GroupAccessTokens.revoke(groupId, onGroup.id);
    await refused(401, as((onGroup as unknown as { token: string }).token).Projects.show(projectId));
    await refused(404, root.ProjectAccessTokens.show(projectId, onGroup.id));
    const { id, client } = await newUser();
    await root.ProjectMembers.add(projectId, 30, { userId: id });
    await refused(400, client.ProjectAccessTokens.create(projectId, 'mine', ['api'], inDays(1)));
  });

  it('takes deploy tokens through their whole life', async () => {
    const { projectId, groupId } = await newProject();
    const made = await root.DeployTokens.create('puller', ['read_repository'], { projectId, username: 'robot' });
    assert.match((made as unknown as { token: string }).token, /^gldt-/);
    assert.equal((await root.DeployTokens.show(made.id, { projectId })).username, 'robot');
    await root.DeployTokens.create('registry', ['read_registry', 'write_registry'], { groupId });
    assert.equal((await root.DeployTokens.all({ groupId })).length, 1);
    await root.DeployTokens.remove(made.id, { projectId });
    await refused(404, root.DeployTokens.show(made.id, { projectId }));
  });

  it('protects branches and writes files', async () => {
    const { projectId } = await newProject();
    await root.ProtectedBranches.create(projectId, '*-stable', { pushAccessLevel: 40 });
    assert.equal((await root.ProtectedBranches.all(projectId)).length, 2);
    await root.ProtectedBranches.remove(projectId, '*-stable');
    await root.RepositoryFiles.create(projectId, 'docs/a.md', 'main', 'hello\n', 'add a file');
    const file = await root.RepositoryFiles.show(projectId, 'docs/a.md', 'main');
    assert.equal(Buffer.from(file.content, 'base64').toString(), 'hello\n');
    await root.RepositoryFiles.edit(projectId, 'docs/a.md', 'main', 'changed\n', 'change it');
    await refused(400, root.RepositoryFiles.create(projectId, 'docs/a.md', 'main', 'x', 'again'));
    await root.Commits.create(projectId, 'topic', 'from a script', [{ action: 'delete', filePath: 'docs/a.md' }], {
      startBranch: 'main',
    });
    assert.deepEqual(
      (await root.Repositories.allRepositoryTrees(projectId, { ref: 'topic' })).map((entry) => entry.path),
      ['README.md'],
    );
    await root.Tags.create(projectId, 'v1', 'main');
    assert.equal((await root.Branches.all(projectId)).length, 2);
    const { id, client } = await newUser();
    await root.ProjectMembers.add(projectId, 30, { userId: id });
    const text = await refused(
      403,
      client.Commits.create(projectId, 'main', 'no', [{ action: 'create', filePath: 'z', content: 'z' }]),
    );
    assert.match(text, /not allowed to push into this branch/);
  });
});

// Lesson R35 (CVE-2025-23208: groups were added at each sign-in and never taken away):
// 1. somebody is a member, is shared with, and is given a role, and uses each of them, so that whatever is gathered is gathered;
// 2. the membership, the share or the role is taken away again, at the place, above it, or where the invited group has it from;
// 3. what he held before still counts, beside what he holds now.
// Rights are read as they are at that moment: the very next request is refused, over REST, git and in lists.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('what was taken away', () => {
  let lab: Lab;
  let user: User;
  let group: Namespace;
  let project: Project;
  let token: string;

  before(async () => {
    lab = await openLab();
  });
  after(() => lab?.stop());
  beforeEach(async () => {
    user = await lab.world.user({});
    group = await lab.world.group({});
    project = await lab.project(group);
    token = await lab.pat(user, 'api');
  });

  const rest = async () => (await lab.api('GET', `/projects/${project.id}`, { token })).status;
  const git = async (secret = token, login = 'x') =>
    (await lab.raw('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, basic(login, secret))).status;
  const listed = async () => (await lab.api('GET', '/projects?membership=true', { token })).body.length;

  test('a member is removed', async () => {
    await lab.api('POST', `/groups/${group.id}/members`, { body: { user_id: user.id, access_level: 30 } });
    assert.deepEqual([await rest(), await git(), await listed()], [200, 200, 1]);
    assert.equal((await lab.api('DELETE', `/groups/${group.id}/members/${user.id}`)).status, 204);
    assert.deepEqual([await rest(), await git(), await listed()], [404, 404, 0]);
  });

  test('a share is taken back, or the one who was shared with leaves', async () => {
    const friends = await lab.world.group({});
    await lab.api('POST', `/groups/${friends.id}/members`, { body: { user_id: user.id, access_level: 40 } });
    const share = { group_id: friends.id, group_access: 30 };
    assert.equal((await lab.api('POST', `/projects/${project.id}/share`, { body: share })).status, 201);
    assert.deepEqual([await rest(), await git()], [200, 200]);
    assert.equal((await lab.api('DELETE', `/projects/${project.id}/share/${friends.id}`)).status, 204);
    assert.deepEqual([await rest(), await git()], [404, 404]);
    assert.equal((await lab.api('POST', `/projects/${project.id}/share`, { body: share })).status, 201);
    assert.equal(await rest(), 200);
    assert.equal((await lab.api('DELETE', `/groups/${friends.id}/members/${user.id}`)).status, 204);
    assert.deepEqual([await rest(), await git()], [404, 404]);
  });

  test('the group that was shared with is deleted', async () => {
    const friends = await lab.world.group({});
    await lab.api('POST', `/groups/${friends.id}/members`, { body: { user_id: user.id, access_level: 40 } });
    const share = { group_id: friends.id, group_access: 30 };
    assert.equal((await lab.api('POST', `/projects/${project.id}/share`, { body: share })).status, 201);
    assert.deepEqual([await rest(), await git(), await listed()], [200, 200, 1]);
    assert.equal((await lab.api('DELETE', `/groups/${friends.id}`)).status, 202);
    assert.deepEqual([await rest(), await git(), await listed()], [404, 404, 0]);
  });

  test('a role is lowered', async () => {
    await lab.api('POST', `/projects/${project.id}/members`, { body: { user_id: user.id, access_level: 30 } });
    const write = (branch: string) =>
      lab.api('POST', `/projects/${project.id}/repository/branches`, { token, body: { branch, ref: 'main' } });
    assert.equal((await write('one')).status, 201);
    await lab.api('PUT', `/projects/${project.id}/members/${user.id}`, { body: { access_level: 10 } });
    assert.equal((await write('two')).status, 403);
    assert.equal(await git(), 403);
  });

  test('a membership further up is removed, and one further down alone counts', async () => {
    const below = await lab.project(await lab.world.group({ parent: group }));
    const branch = (name: string) =>
      lab.api('POST', `/projects/${below.id}/repository/branches`, { token, body: { branch: name, ref: 'main' } });
    const add = (path: string, access_level: number) =>
      lab.api('POST', `${path}/members`, { body: { user_id: user.id, access_level } });
    assert.equal((await add(`/groups/${group.id}`, 10)).status, 201);
    assert.equal((await add(`/projects/${below.id}`, 30)).status, 201);
    assert.equal((await branch('one')).status, 201);
    assert.equal((await lab.api('DELETE', `/projects/${below.id}/members/${user.id}`)).status, 204);
    assert.equal((await branch('two')).status, 403, 'Guest from above is what is left');
    assert.equal((await lab.api('DELETE', `/groups/${group.id}/members/${user.id}`)).status, 204);
    assert.equal((await branch('three')).status, 404);
  });

  test('an administrator is none any more', async () => {
    await lab.api('PUT', `/users/${user.id}`, { body: { admin: true } });
    assert.deepEqual([await rest(), await git()], [200, 200]);
    await lab.api('PUT', `/users/${user.id}`, { body: { admin: false } });
    assert.deepEqual([await rest(), await git(), await listed()], [404, 404, 0]);
  });
});

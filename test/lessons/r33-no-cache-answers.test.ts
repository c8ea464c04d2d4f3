// Lesson R33 (CVE-2026-35172: a cache brought back access to what had been deleted):
// 1. somebody used a key, a password and a session a moment ago, so that whatever is remembered is remembered;
// 2. the key is revoked, the password changed, the holder blocked, the project taken away;
// 3. the next request is still answered from memory.
// The very next request is refused, each time.
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('the request right after', () => {
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

  test('a key is revoked', async () => {
    await lab.world.member(user, { project }, 30);
    assert.deepEqual([await rest(), await git()], [200, 200]);
    assert.equal((await lab.api('DELETE', '/personal_access_tokens/self', { token })).status, 204);
    assert.deepEqual([await rest(), await git()], [401, 401]);
  });

  test('a password is changed, and its sessions with it', async () => {
    const made = await lab.server.user('changes');
    await lab.api('POST', `/projects/${project.id}/members`, { body: { user_id: made.id, access_level: 30 } });
    const login = { login: 'changes', password: made.password };
    const signedIn = await lab.api('POST', '/keyward/session', { token: null, body: login });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    const session = async () => (await lab.api('GET', '/user', { token: null, headers: { cookie } })).status;
    assert.deepEqual(
      [await git(made.password, 'changes'), await git(made.password, 'changes'), await session()],
      [200, 200, 200],
    );
    const changed = await lab.api('PUT', `/users/${made.id}`, { body: { password: 'another good password' } });
    assert.equal(changed.status, 200, changed.text);
    assert.deepEqual([await git(made.password, 'changes'), await session()], [401, 401]);
    assert.equal(await git('another good password', 'changes'), 200);
  });

  test('the holder is blocked, and the project deleted', async () => {
    await lab.world.member(user, { project }, 30);
    assert.equal(await rest(), 200);
    await lab.api('POST', `/users/${user.id}/block`);
    assert.deepEqual([await rest(), await git()], [403, 401]);
    await lab.api('POST', `/users/${user.id}/unblock`);
    assert.equal(await rest(), 200);
    assert.equal((await lab.api('DELETE', `/projects/${project.id}`)).status, 202);
    assert.deepEqual([await rest(), await git(), await listed()], [404, 404, 0]);
  });
});

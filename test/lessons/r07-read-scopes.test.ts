// Lesson R7 (CVE-2025-11340: a read-only token wrote through mutations):
// 1. an administrator, who may do anything, has keys whose scopes only read;
// 2. each is presented to every route that writes, and to git's push;
// 3. a row, a ref or a setting changes.
// Nothing changes: the whole database is the same before and after.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ruleOf } from '../../src/access/actions.ts';
import { SCOPES } from '../../src/credentials/scopes.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import type { Project, User } from '../../src/identity/records.ts';
import { fill, type Lab, openLab, workTree, writing } from './lab.ts';

const READ_SCOPES = SCOPES.filter((scope) => scope.startsWith('read_'));
const BODY = {
  name: 'made',
  path: 'made',
  username: 'made',
  email: 'made@example.com',
  title: 'made',
  scopes: ['api'],
  access_level: 30,
  user_id: 1,
  branch: 'made',
  ref: 'main',
  commit_message: 'made',
  content: 'made',
  actions: [{ action: 'create', file_path: 'made', content: 'made' }],
  visibility: 'public',
};

describe('a scope that reads', () => {
  let lab: Lab;
  let user: User;
  let project: Project;
  let values: Record<string, string | number>;

  before(async () => {
    lab = await openLab();
    user = await lab.world.user({ admin: 1 });
    const group = await lab.world.group({});
    project = await lab.project(group);
    await lab.world.member(user, { group }, 50);
    values = { projects: project.id, groups: group.id, users: user.id, user_id: user.id, branch: 'main', sha: 'main' };
  });
  after(() => lab?.stop());

  for (const scope of READ_SCOPES)
    test(`${scope} changes nothing through any route`, async () => {
      const token = await lab.pat(user, scope);
      // A token may always end itself; that is no right over anything else.
      const others = writing.filter((route) => !route.action.startsWith('own_token:'));
      const before = lab.snapshot();
      for (const route of others) {
        const answer = await lab.api(route.method, fill(route, values), { token, body: BODY });
        const isQuestion = ruleOf(route.action).effect === 'read';
        const where = `${route.method} ${route.path}: ${answer.status} ${answer.text}`;
        assert.ok(isQuestion ? answer.status < 500 : [401, 403, 404, 405].includes(answer.status), where);
      }
      assert.deepEqual(lab.snapshot(), before);
    });

  test('does not push', async () => {
    const tree = await workTree(lab, { 'new.txt': 'new' });
    for (const scope of READ_SCOPES) {
      const url = lab.remote(project, 'x', await lab.pat(user, scope));
      const pushed = await lab.git(tree, 'push', url, `HEAD:refs/heads/by-${scope}`);
      assert.equal(pushed.code, 128, `${scope}: ${pushed.out}`);
    }
    const url = lab.remote(project, 'x', await lab.pat(user, 'write_repository'));
    const pushed = await lab.git(tree, 'push', url, 'HEAD:refs/heads/by-writer');
    assert.equal(pushed.code, 0, pushed.out);
  });

  test('opens no action that writes, in the table itself', () => {
    for (const { action, method, path } of routes) {
      const rule = ruleOf(action);
      if (rule.effect !== 'write' || rule.scopes === 'any') continue;
      assert.ok(!rule.scopes.some((scope) => scope.startsWith('read_')), `${method} ${path}: ${action}`);
    }
  });
});

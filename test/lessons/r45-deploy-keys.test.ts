// Lesson R45 (GitLab 24364, 416957: deploy keys passed over branch protection, or outlived their creator's membership):
// 1. a Maintainer adds a deploy key that may push; the branch is protected against everyone, or a rule names another key;
// 2. the Maintainer loses his role, leaves, or is blocked;
// 3. the key still pushes where nobody may.
// The key is a principal of its own: protections apply, a rule that names a key admits that key alone, its push needs its
// creator's right at that moment, its pull does not, and a blocked creator ends both.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { newSshKeyText } from '../support/world.ts';
import { type Lab, openLab } from './lab.ts';

describe('a deploy key', () => {
  let lab: Lab;
  let project: Project;
  let creator: User;
  let keys: [number, number];

  before(async () => {
    lab = await openLab();
    project = await lab.project(await lab.world.group({}));
    creator = await lab.world.user({});
    await lab.world.member(creator, { project }, 40);
    const token = await lab.pat(creator, 'api');
    const add = async () => {
      const body = { title: 'k', key: newSshKeyText(), can_push: true };
      const made = await lab.api('POST', `/projects/${project.id}/deploy_keys`, { token, body });
      assert.equal(made.status, 201, made.text);
      return made.body.id as number;
    };
    keys = [await add(), await add()];
  });
  after(() => lab?.stop());

  const may = async (action: string, ref?: string, key = keys[0]) => {
    const body = { credential_id: key, action, project: String(project.id), ref };
    const answer = await lab.api('POST', '/keyward/explain', { body });
    assert.equal(answer.status, 200, answer.text);
    return answer.body.allowed as boolean;
  };
  const protect = async (rules: object) => {
    const at = `/projects/${project.id}/protected_branches`;
    await lab.api('DELETE', `${at}/main`);
    const made = await lab.api('POST', at, { body: { name: 'main', ...rules } });
    assert.equal(made.status, 201, made.text);
  };

  test('is held by protected branches, and a rule that names one admits that one alone', async () => {
    assert.equal(await may('repository:push', 'work'), true);
    await protect({ push_access_level: 0 });
    assert.equal(await may('repository:push', 'main'), false);
    await protect({ push_access_level: 0, allowed_to_push: [{ deploy_key_id: keys[0] }] });
    assert.equal(await may('repository:push', 'main', keys[0]), true);
    assert.equal(await may('repository:push', 'main', keys[1]), false);
  });

  test('pushes only while its creator may, and pulls on until he is blocked', async () => {
    assert.deepEqual([await may('repository:pull'), await may('repository:push', 'work')], [true, true]);
    await lab.api('PUT', `/projects/${project.id}/members/${creator.id}`, { body: { access_level: 20 } });
    assert.deepEqual([await may('repository:pull'), await may('repository:push', 'work')], [true, false]);
    assert.equal((await lab.api('DELETE', `/projects/${project.id}/members/${creator.id}`)).status, 204);
    assert.deepEqual([await may('repository:pull'), await may('repository:push', 'work')], [true, false]);
    await lab.api('POST', `/users/${creator.id}/block`);
    assert.deepEqual([await may('repository:pull'), await may('repository:push', 'work')], [false, false]);
  });
});

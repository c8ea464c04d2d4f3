// Lesson R10 (CVE-2026-78335, CVE-2026-82632: a narrow token acted on the parent group, or on a target outside its boundary):
// 1. a bot holds Owner in its project, and the same bot user was made Owner of a group elsewhere as well;
// 2. it names that group, the parent, or another project in a body or a query: to make, move, fork, share, invite;
// 3. something outside of what the key was made for changes.
// Every object touched is asked for by itself, so each of these is refused.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

describe('a place named in the body', () => {
  let lab: Lab;
  let own: Project;
  let foreign: Project;
  let parent: Namespace;
  let elsewhere: Namespace;
  let bot: { user: User; token: string };

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    parent = await world.group({});
    elsewhere = await world.group({});
    own = await lab.project(parent);
    foreign = await lab.project(elsewhere);
    bot = await lab.bot(own, 50);
    // Even with a membership there: the boundary is the key's, whatever its user was given.
    await world.member(bot.user, { group: elsewhere }, 50);
    await world.member(bot.user, { project: foreign }, 50);
  });
  after(() => lab?.stop());

  test('inside the boundary the same key works', async () => {
    const changed = await lab.api('PUT', `/projects/${own.id}`, { token: bot.token, body: { description: 'mine' } });
    assert.equal(changed.status, 200, changed.text);
  });

  test('outside of it nothing is made, moved, forked, shared or read', async () => {
    const { token } = bot;
    const attempts: [string, string, object?][] = [
      ['POST', '/projects', { name: 'new', namespace_id: elsewhere.id }],
      ['POST', '/projects', { name: 'new', namespace_id: parent.id }],
      ['POST', '/projects', { name: 'new' }],
      ['POST', '/groups', { name: 'new', path: 'new' }],
      ['POST', '/groups', { name: 'new', path: 'new', parent_id: elsewhere.id }],
      ['PUT', `/projects/${own.id}/transfer`, { namespace: elsewhere.id }],
      ['POST', `/projects/${own.id}/fork`, { namespace_id: elsewhere.id }],
      ['POST', `/projects/${foreign.id}/fork`, { namespace_id: elsewhere.id }],
      ['PUT', `/projects/${foreign.id}`, { description: 'taken' }],
      ['PUT', `/groups/${parent.id}`, { description: 'taken' }],
      ['PUT', `/groups/${elsewhere.id}`, { description: 'taken' }],
      ['POST', `/groups/${elsewhere.id}/members`, { user_id: 1, access_level: 50 }],
      ['POST', `/projects/${own.id}/share`, { group_id: elsewhere.id, group_access: 40 }],
      ['POST', `/projects/${foreign.id}/deploy_tokens`, { name: 'd', scopes: ['read_repository'] }],
      ['POST', `/groups/${parent.id}/deploy_tokens`, { name: 'd', scopes: ['read_repository'] }],
      ['POST', `/projects/${foreign.id}/repository/branches`, { branch: 'b', ref: 'main' }],
      ['GET', `/projects/${foreign.id}`],
      ['GET', `/projects/${foreign.id}/repository/files/README.md/raw?ref=main`],
    ];
    const before = lab.snapshot();
    for (const [method, path, body] of attempts) {
      const answer = await lab.api(method, path, { token, body });
      assert.ok(answer.status >= 400 && answer.status < 500, `${method} ${path}: ${answer.status} ${answer.text}`);
    }
    assert.deepEqual(lab.snapshot(), before);
    const listed = await lab.api('GET', '/projects?membership=true&per_page=100', { token });
    assert.deepEqual(
      listed.body.map((project: { id: number }) => project.id),
      [own.id],
    );
  });
});

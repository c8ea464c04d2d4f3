// Lesson R20 (CVE-2026-116289: a restricted token registered a runner, which then received what the token could not see):
// 1. a bot of one project makes things that outlive its own key: a deploy token, a deploy key, a membership;
// 2. it asks for more than it holds: a higher role, another place;
// 3. or the bot ends, and what it made goes on with rights of its own.
// What it makes reaches where it reached, at most with its role, and a deploy key pushes only while its creator may.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { newSshKeyText } from '../support/world.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('what a bot makes', () => {
  let lab: Lab;
  let own: Project;
  let sibling: Project;
  let bot: { user: User; token: string; id: number };

  before(async () => {
    lab = await openLab();
    const group = await lab.world.group({});
    own = await lab.project(group);
    sibling = await lab.project(group);
    bot = await lab.bot(own, 40);
  });
  after(() => lab?.stop());

  test('a deploy token opens the bot`s project alone', async () => {
    const body = { name: 'd', username: 'd', scopes: ['read_repository'] };
    const made = await lab.api('POST', `/projects/${own.id}/deploy_tokens`, { token: bot.token, body });
    assert.equal(made.status, 201, made.text);
    const at = (project: Project) =>
      lab.raw('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, basic('d', made.body.token));
    assert.equal((await at(own)).status, 200);
    assert.ok([401, 404].includes((await at(sibling)).status));
  });

  test('no membership above its own role, no key of a user, no further bot', async () => {
    const friend = await lab.world.user({});
    for (const [path, body] of [
      [`/projects/${own.id}/members`, { user_id: friend.id, access_level: 50 }],
      [`/projects/${own.id}/access_tokens`, { name: 'b', scopes: ['api'], access_level: 30, expires_at: '2026-06-01' }],
      ['/user/personal_access_tokens', { name: 'p', scopes: ['self_rotate'] }],
      ['/user/keys', { title: 'k', key: newSshKeyText() }],
    ] as const) {
      const made = await lab.api('POST', path, { token: bot.token, body });
      assert.ok([400, 401, 403].includes(made.status), `${path}: ${made.status} ${made.text}`);
    }
  });

  test('a deploy key pushes while the bot may, and no longer', async () => {
    const body = { title: 'k', key: newSshKeyText(), can_push: true };
    const made = await lab.api('POST', `/projects/${own.id}/deploy_keys`, { token: bot.token, body });
    assert.equal(made.status, 201, made.text);
    const may = async (action: string) => {
      const question = { credential_id: made.body.id, action, project: String(own.id), ref: 'work' };
      return (await lab.api('POST', '/keyward/explain', { body: question })).body.allowed;
    };
    assert.equal(await may('repository:push'), true);
    assert.equal((await lab.api('DELETE', `/projects/${own.id}/access_tokens/${bot.id}`)).status, 204);
    assert.equal(await may('repository:push'), false);
  });
});

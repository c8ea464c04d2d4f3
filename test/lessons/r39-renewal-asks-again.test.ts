// Lesson R39 (CVE-2026-115356: a token was renewed after the identity behind it was deleted):
// 1. a key is alive, and then its holder is blocked, deleted, or leaves the place that the key is for;
// 2. somebody who may rotates the key: an administrator, an owner, the key itself;
// 3. the new key lives on without the one it stands for.
// Rotation looks at the holder and the membership at that moment, refuses, and leaves no new key behind.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

describe('a rotation', () => {
  let lab: Lab;
  let project: Project;
  before(async () => {
    lab = await openLab();
    project = await lab.project(await lab.world.group({}));
  });
  after(() => lab?.stop());

  const living = () =>
    lab.server.services.db.read
      .selectFrom('credentials')
      .select('id')
      .where('ended_at', 'is', null)
      .execute()
      .then((rows) => rows.length);

  for (const end of ['block', 'ban', 'deactivate', 'delete'])
    test(`is refused after ${end}, to an administrator too`, async () => {
      const user = await lab.world.user({});
      const { credential, secret } = await lab.world.issue({ kind: 'personal_access_token', userId: user.id });
      const rotate = () => lab.api('POST', `/personal_access_tokens/${credential.id}/rotate`);
      if (end === 'delete') await lab.api('DELETE', `/users/${user.id}?hard_delete=true`);
      else assert.equal((await lab.api('POST', `/users/${user.id}/${end}`)).status, 201);
      if (end === 'delete') await lab.server.runTasks();
      const before = await living();
      const answer = await rotate();
      assert.ok(answer.status === 400 || answer.status === 404, `${answer.status} ${answer.text}`);
      const self = await lab.api('POST', '/personal_access_tokens/self/rotate', { token: secret.reveal() });
      assert.ok(self.status === 401 || self.status === 403, self.text);
      assert.ok((await living()) <= before);
    });

  test('of a bot asks for its place', async () => {
    const bot = await lab.bot(project, 40);
    const at = `/projects/${project.id}`;
    assert.equal((await lab.api('POST', `${at}/access_tokens/self/rotate`, { token: bot.token })).status, 200);
    const other = await lab.bot(project, 40);
    await lab.server.services.db.tx((tx) => tx.deleteFrom('members').where('user_id', '=', other.user.id).execute());
    const before = await living();
    for (const [path, token] of [
      [`${at}/access_tokens/${other.id}/rotate`, undefined],
      [`${at}/access_tokens/self/rotate`, other.token],
      ['/personal_access_tokens/self/rotate', other.token],
      [`/personal_access_tokens/${other.id}/rotate`, undefined],
    ] as const) {
      const answer = await lab.api('POST', path, { token });
      assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status} ${answer.text}`);
      assert.doesNotMatch(answer.text, /glpat-/);
    }
    assert.equal(await living(), before);
  });
});

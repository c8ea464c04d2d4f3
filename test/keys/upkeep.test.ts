// What time does to keys: notices in each window exactly once, retention, and the sweep of short-lived rows (reference
// access-tokens 7.5, 7.7; lessons R38).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { findCredential } from '../../src/credentials/credential-store.ts';
import { openSession } from '../../src/credentials/sessions.ts';
import { DAY, startOfDay } from '../../src/kernel/clock.ts';
import { expiryTask } from '../../src/keys/expiry-task.ts';
import { retentionTask } from '../../src/keys/retention-task.ts';
import type { TaskContext } from '../../src/tasks/runner.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START, type World } from '../support/world.ts';

const context = (): TaskContext => ({
  taskId: 1,
  attempt: 1,
  signal: new AbortController().signal,
  complete: async () => {},
});
const TODAY = startOfDay(START);

async function mailsOf(world: World): Promise<{ to: string; subject: string; text: string }[]> {
  const rows = await world.house.db.read.selectFrom('tasks').select('payload').where('kind', '=', 'mail').execute();
  return rows.map((row) => JSON.parse(row.payload));
}

const run = (world: World) => expiryTask(world.house)(null, context());
const retire = (world: World) => retentionTask(world.house)(null, context());

forEachEngine('the upkeep of keys', (engine) => {
  describe('notices before the date', () => {
    test('a personal token is announced once in each of its three windows, and once when it has expired', async () => {
      const world = makeWorld(await engine.open());
      const user = await world.user();
      await world.issue({ kind: 'personal_access_token', userId: user.id, name: 'mine', expiresAt: TODAY + 61 * DAY });
      const counts: number[] = [];
      for (const day of [0, 1, 30, 31, 53, 54, 60, 61, 62]) {
        world.clock.set(START + day * DAY);
        await run(world);
        await run(world);
        counts.push((await mailsOf(world)).length);
      }
      assert.deepEqual(counts, [0, 1, 1, 2, 2, 3, 3, 4, 4]);
      const sent = await mailsOf(world);
      assert.ok(sent.every((mail) => mail.to === user.email));
      assert.match(sent[0]!.subject, /will expire on 2026-05-01/);
      assert.match(sent[3]!.text, /"mine" has expired/);
    });

    test('more keys than one page, all of one midnight, are announced each', async () => {
      const world = makeWorld(await engine.open());
      const [early, user] = [await world.user(), await world.user()];
      const keys = 401;
      for (let made = 0; made < keys; made++)
        await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: TODAY + 5 * DAY });
      await world.issue({ kind: 'personal_access_token', userId: early.id, expiresAt: TODAY + 2 * DAY });
      await run(world);
      const noticed = await world.house.db.read.selectFrom('credential_notices').selectAll().execute();
      assert.equal(noticed.length, keys + 1);
    });

    test('two runs at once send one mail', async () => {
      const world = makeWorld(await engine.open());
      const user = await world.user();
      await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: TODAY + 5 * DAY });
      await Promise.all([run(world), run(world), run(world)]);
      assert.equal((await mailsOf(world)).length, 1);
    });

    test('impersonation tokens, revoked tokens and those of blocked users are never announced', async () => {
      const world = makeWorld(await engine.open());
      const [user, blocked] = [await world.user(), await world.user({ state: 'blocked' })];
      const expiresAt = TODAY + 5 * DAY;
      await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt, impersonation: true });
      await world.issue({ kind: 'personal_access_token', userId: blocked.id, expiresAt });
      const revoked = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt });
      await world.house.db.tx((tx) =>
        tx.updateTable('credentials').set({ ended_at: START }).where('id', '=', revoked.credential.id).execute(),
      );
      await run(world);
      assert.deepEqual(await mailsOf(world), []);
    });

    test('tokens of a place go to the people in charge of it', async () => {
      const world = makeWorld(await engine.open());
      const group = await world.group({});
      const project = await world.project(group);
      const [owner, direct, developer] = [await world.user(), await world.user(), await world.user()];
      await world.member(owner, { group }, 50);
      await world.member(direct, { project }, 40);
      await world.member(developer, { project }, 30);
      const maintainer = await world.user();
      await world.member(maintainer, { group }, 40);
      const bot = await world.user({ type: 'project_bot' });
      const expiresAt = TODAY + 5 * DAY;
      const told = async () => {
        const sent = (await mailsOf(world)).map((mail) => mail.to).sort();
        await world.house.db.tx((tx) => tx.deleteFrom('tasks').execute());
        return sent;
      };
      await world.issue({ kind: 'project_access_token', userId: bot.id, projectId: project.id, expiresAt });
      await run(world);
      assert.deepEqual(await told(), [direct.email]);
      await world.issue({ kind: 'group_access_token', userId: bot.id, groupId: group.id, expiresAt });
      await run(world);
      assert.deepEqual(await told(), [owner.email]);
      await world.issue({ kind: 'deploy_token', projectId: project.id, expiresAt });
      await run(world);
      assert.deepEqual(await told(), [direct.email]);
    });
  });

  describe('retention', () => {
    test('a dead token is known until its time is over, then unknown; its row stays without a digest', async () => {
      const world = makeWorld(await engine.open());
      const user = await world.user();
      const expired = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: TODAY });
      const alive = await world.issue({ kind: 'personal_access_token', userId: user.id });
      world.clock.set(TODAY + 30 * DAY - 1);
      await retire(world);
      const before = await world.verifier.token(expired.secret);
      assert.equal(!before.ok && before.error.code, 'expired');
      world.clock.set(TODAY + 30 * DAY);
      await retire(world);
      const after = await world.verifier.token(expired.secret);
      assert.equal(!after.ok && after.error.code, 'unknown');
      assert.equal(await findCredential(world.house.db.read, expired.credential.id), null);
      const kept = await findCredential(world.house.db.read, expired.credential.id, { forgotten: true });
      assert.deepEqual([kept?.secret_digest, kept?.name], [null, 'key']);
      assert.equal((await world.verifier.token(alive.secret)).ok, true);
    });

    test('the bot of an expired project token goes at the end of retention and not before', async () => {
      const world = makeWorld(await engine.open());
      const project = await world.project(await world.group({}));
      const bot = await world.user({ type: 'project_bot', bot_project_id: project.id });
      await world.member(bot, { project }, 40);
      await world.issue({
        kind: 'project_access_token',
        userId: bot.id,
        projectId: project.id,
        expiresAt: TODAY + DAY,
      });
      const state = async () =>
        (await world.house.db.read.selectFrom('users').select('state').where('id', '=', bot.id).executeTakeFirst())
          ?.state;
      world.clock.set(TODAY + 30 * DAY);
      await retire(world);
      assert.equal(await state(), 'active');
      world.clock.set(TODAY + 31 * DAY);
      await retire(world);
      assert.equal(await state(), 'deleted');
    });

    test('ended sessions are swept after a day, rows that others remember are not', async () => {
      const world = makeWorld(await engine.open());
      const user = await world.user();
      const session = await world.house.db.tx((tx) => openSession(tx, world.house, user));
      const end = session.credential.expires_at!;
      world.clock.set(end + DAY - 1);
      await retire(world);
      assert.notEqual(await findCredential(world.house.db.read, session.credential.id), null);
      world.clock.set(end + DAY);
      await retire(world);
      assert.equal(await findCredential(world.house.db.read, session.credential.id, { forgotten: true }), null);
    });
  });
});

// Whoever is shut out is out at once: what he has open is cut, his sessions end, his keys are dead while it lasts.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Allowed } from '../../src/access/allowed.ts';
import { decide } from '../../src/access/decide.ts';
import type { Actor } from '../../src/credentials/actor.ts';
import { liveUsesOf } from '../../src/credentials/live-uses.ts';
import { openSession } from '../../src/credentials/sessions.ts';
import { deleteUser } from '../../src/directory/delete-user.ts';
import { createReapHandler } from '../../src/directory/reap-task.ts';
import { changeState } from '../../src/directory/user-states.ts';
import type { TaskContext } from '../../src/tasks/runner.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, type World } from '../support/world.ts';

async function administrator(world: World): Promise<{ actor: Actor; allowed: Allowed<'user:administer'> }> {
  const admin = await world.user({ admin: 1 });
  const { secret } = await world.issue({ kind: 'personal_access_token', userId: admin.id, scopes: ['api'] });
  const verified = await world.verifier.token(secret);
  assert.ok(verified.ok);
  const decided = await decide(world.house.db.read, world.clock, verified.value, { action: 'user:administer' });
  assert.ok(decided.ok);
  return { actor: { credential: verified.value, door: 'rest', ip: null }, allowed: decided.value };
}

forEachEngine('being shut out', (engine) => {
  for (const change of ['block', 'ban', 'deactivate'] as const)
    it(`by ${change} cuts what is open and ends sessions, and leaves the keys for later`, async () => {
      const world = makeWorld(await engine.open());
      const { house } = world;
      const { actor, allowed } = await administrator(world);
      const user = await world.user();
      const { secret } = await world.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['api'] });
      const session = await house.db.tx((tx) => openSession(tx, house, user));
      const verified = await world.verifier.token(secret);
      assert.ok(verified.ok);
      const use = liveUsesOf(house).open(verified.value);
      const bystander = liveUsesOf(house).open(actor.credential);

      assert.equal(await changeState(house, actor, allowed, user.id, change), true);
      assert.equal(use.signal.aborted, true);
      assert.equal(bystander.signal.aborted, false);
      assert.equal((await world.verifier.session(session.cookie, session.csrf)).ok, false);
      if (change !== 'deactivate') {
        const dead = await world.verifier.token(secret);
        assert.equal(dead.ok, false);
      }
      const back = { block: 'unblock', ban: 'unban', deactivate: 'activate' } as const;
      assert.equal(await changeState(house, actor, allowed, user.id, back[change]), true);
      assert.equal((await world.verifier.token(secret)).ok, true);
      assert.equal(
        (await world.verifier.session(session.cookie, session.csrf)).ok,
        false,
        'a session does not come back',
      );
    });

  it('happens once when two administrators block at once', async () => {
    const world = makeWorld(await engine.open());
    const { actor, allowed } = await administrator(world);
    const user = await world.user();
    const answers = await Promise.all([1, 2, 3].map(() => changeState(world.house, actor, allowed, user.id, 'block')));
    assert.deepEqual(answers.filter((answer) => answer === true).length, 1);
    const rows = await world.house.db.read
      .selectFrom('audit_events')
      .select('id')
      .where('entity_type', '=', 'User')
      .where('entity_id', '=', user.id)
      .execute();
    assert.equal(rows.length, 1);
  });

  it('for good ends every key, and the repositories of his projects go to the trash, twice asked or once', async () => {
    const world = makeWorld(await engine.open());
    const { house } = world;
    const { actor, allowed } = await administrator(world);
    const user = await world.user();
    const project = await world.project(await world.personal(user));
    const repository = await house.db.tx((tx) =>
      tx
        .insertInto('repositories')
        .values({ project_id: project.id, created_at: 0, trashed_at: null })
        .returning('id')
        .executeTakeFirstOrThrow(),
    );
    const { secret } = await world.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['api'] });
    await deleteUser(house, actor, allowed, user.id, { hard: false });
    assert.equal((await world.verifier.token(secret)).ok, false);
    const gone = await house.db.read.selectFrom('projects').selectAll().where('id', '=', project.id).executeTakeFirst();
    assert.ok(gone?.deleted_at);
    const task = await house.db.read
      .selectFrom('tasks')
      .selectAll()
      .where('kind', '=', 'reap_project')
      .executeTakeFirst();
    assert.deepEqual(JSON.parse(task!.payload), { projectIds: [project.id] });

    const trashed: number[] = [];
    const reap = createReapHandler(house, async (id) => void trashed.push(id));
    const context = {} as TaskContext;
    await reap(JSON.parse(task!.payload), context);
    await reap(JSON.parse(task!.payload), context);
    assert.deepEqual(trashed, [repository.id]);
  });
});

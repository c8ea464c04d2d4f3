// A deploy key before the judge: pulls need only that it is enabled, pushes need write access here and the right of its creator
// at that moment (reference git-and-deploy 6.5, security-lessons R45).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { cutDisabledElsewhere, disableDeployKeys } from '../../src/access/deploy-key-places.ts';
import { deleteGrants, findEnabledKey, insertGrant, setGrantPush } from '../../src/access/deploy-key-store.ts';
import { explain } from '../../src/access/explain.ts';
import { atProject } from '../../src/access/place.ts';
import { deleteBot } from '../../src/credentials/bots.ts';
import { findCredential } from '../../src/credentials/credential-store.ts';
import { endCredential } from '../../src/credentials/end.ts';
import { cutEndedElsewhere } from '../../src/credentials/live-use-watch.ts';
import { liveUsesOf } from '../../src/credentials/live-uses.ts';
import type { Project, User } from '../../src/identity/records.ts';
import { SECOND } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START } from '../support/world.ts';

async function small(db: Database) {
  const world = makeWorld(db);
  const creator = await world.user({ username: 'carla' });
  const group = await world.group();
  const [here, there, elsewhere] = [
    await world.project(group),
    await world.project(group),
    await world.project(group, { visibility: 'public' }),
  ];
  await world.member(creator, { project: here }, 30);
  await world.member(creator, { project: there }, 30);
  const key = await world.sshKey({ kind: 'deploy_key', userId: creator.id });
  const grant = (project: Project, canPush: boolean) =>
    db.tx((tx) => insertGrant(tx, { keyId: key.id, projectId: project.id, canPush }, START));
  await grant(here, true);
  await grant(there, false);
  const ask = async (action: 'repository:pull' | 'repository:push' | 'project:read', project: Project) => {
    const verified = await world.verifier.sshKey(key.fingerprint!);
    if (!verified.ok) return verified.error.code;
    const answer = await decide(db.read, world.clock, verified.value, { action, place: atProject(project.id) });
    return answer.ok ? 'yes' : answer.error.code;
  };
  const setUser = (user: User, values: Partial<User>) =>
    db.tx(async (tx) => void (await tx.updateTable('users').set(values).where('id', '=', user.id).execute()));
  const setLevel = (level: number) =>
    db.tx(async (tx) => {
      await tx.updateTable('members').set({ access_level: level }).where('user_id', '=', creator.id).execute();
    });
  return { world, creator, here, there, elsewhere, key, ask, setUser, setLevel };
}

forEachEngine('deploy keys', (engine) => {
  test('open the projects in which they are enabled, for pushes only where they may push, and no API', async () => {
    const db = await engine.open();
    const { here, there, elsewhere, ask, key } = await small(db);
    assert.equal(await ask('repository:pull', here), 'yes');
    assert.equal(await ask('repository:push', here), 'yes');
    assert.equal(await ask('repository:pull', there), 'yes');
    assert.equal(await ask('repository:push', there), 'role_too_low');
    assert.equal(await ask('repository:pull', elsewhere), 'out_of_reach');
    assert.equal(await ask('project:read', here), 'kind_not_allowed');
    await db.tx((tx) => setGrantPush(tx, key.id, there.id, true, START));
    assert.equal(await ask('repository:push', there), 'yes');
    assert.equal((await findEnabledKey(db.read, here.id, { id: key.id }))?.can_push, 1);
  });

  test('push only while their creator could; pulls outlive his role but not his block', async () => {
    const db = await engine.open();
    const { world, creator, here, ask, setUser, setLevel } = await small(db);
    await setLevel(20);
    assert.equal(await ask('repository:push', here), 'role_too_low');
    assert.equal(await ask('repository:pull', here), 'yes');
    await setLevel(40);
    assert.equal(await ask('repository:push', here), 'yes');
    await setUser(creator, { state: 'blocked' });
    assert.equal(await ask('repository:pull', here), 'holder_blocked');
    assert.equal(await ask('repository:push', here), 'holder_blocked');
    await setUser(creator, { state: 'active' });
    await db.tx((tx) => deleteBot(tx, world.house, creator.id));
    assert.equal(await ask('repository:pull', here), 'yes');
    assert.equal(await ask('repository:push', here), 'role_too_low');
  });

  test('of a deleted user pass to the Ghost User, while his own SSH keys end and free their bodies', async () => {
    const db = await engine.open();
    const { world, creator, key } = await small(db);
    const own = await world.sshKey({ kind: 'user_ssh_key', userId: creator.id });
    await db.tx((tx) => deleteBot(tx, world.house, creator.id));
    const row = await findCredential(db.read, key.id);
    assert.equal(row?.ended_at, null);
    const ghost = await db.read.selectFrom('users').selectAll().where('type', '=', 'ghost').executeTakeFirstOrThrow();
    assert.equal(row?.user_id, ghost.id);
    assert.equal((await world.verifier.sshKey(own.fingerprint!)).ok, false);
    const gone = await findCredential(db.read, own.id, { forgotten: true });
    assert.equal(gone?.fingerprint, null);
    assert.equal(gone?.end_reason, 'holder_deleted');
  });

  test('are cut by their date, and when their creator is kept out by another node, not when he has gone', async () => {
    const db = await engine.open();
    const { world, creator, key, setUser } = await small(db);
    const open = async (print: string) => {
      const verified = await world.verifier.sshKey(print);
      assert.ok(verified.ok);
      return liveUsesOf(world.house).open(verified.value);
    };
    const dated = await world.sshKey({
      kind: 'user_ssh_key',
      userId: creator.id,
      expiresAt: world.clock.now() + SECOND,
    });
    const [byDate, lasting] = [await open(dated.fingerprint!), await open(key.fingerprint!)];
    await cutEndedElsewhere(world.house);
    assert.equal(byDate.signal.aborted, false);
    world.clock.advance(SECOND);
    await cutEndedElsewhere(world.house);
    assert.equal(byDate.signal.aborted, true);
    await setUser(creator, { state: 'deleted' });
    await cutEndedElsewhere(world.house);
    assert.equal(lasting.signal.aborted, false);
    await setUser(creator, { state: 'blocked' });
    await cutEndedElsewhere(world.house);
    assert.equal(lasting.signal.aborted, true);
  });

  test('are cut where they are disabled and nowhere else, by a deed here or on another node', async () => {
    const db = await engine.open();
    const { world, here, there, key } = await small(db);
    const other = await world.sshKey({ kind: 'deploy_key', public: true });
    await db.tx((tx) => insertGrant(tx, { keyId: other.id, projectId: here.id, canPush: false }, START));
    const open = async (print: string, project: Project | null) => {
      const verified = await world.verifier.sshKey(print);
      assert.ok(verified.ok);
      const use = liveUsesOf(world.house).open(verified.value);
      if (project) use.at(project.id);
      return use;
    };
    const both = async () => [
      await open(key.fingerprint!, here),
      await open(key.fingerprint!, there),
      await open(other.fingerprint!, here),
    ];
    const cut = (uses: readonly { readonly signal: AbortSignal }[]) => uses.map((use) => use.signal.aborted);
    const uses = [...(await both()), await open(key.fingerprint!, null)];
    await cutDisabledElsewhere(world.house);
    assert.deepEqual(cut(uses), [false, false, false, false]);
    // What another node does ends in the same rows, and tells this process nothing.
    const elsewhere = () =>
      db.tx(async (tx) => void (await deleteGrants(tx, { projectIds: [here.id], keyId: key.id })));
    await elsewhere();
    assert.deepEqual(cut(uses), [false, false, false, false]);
    await cutDisabledElsewhere(world.house);
    assert.deepEqual(cut(uses), [true, false, false, true], 'who was about to begin may have been let in there');
    await db.tx((tx) => insertGrant(tx, { keyId: key.id, projectId: here.id, canPush: true }, START));
    const again = [...(await both()), await open(key.fingerprint!, null)];
    const which = { projectIds: [here.id], keyId: key.id };
    await db.tx((tx) => disableDeployKeys(tx, world.house, which, 'revoked'));
    assert.deepEqual(cut(again), [true, false, false, true]);
    assert.deepEqual(cut(uses.slice(1, 3)), [false, false]);
    for (const use of [...uses, ...again]) use.done();
    assert.equal(liveUsesOf(world.house).size, 0);
  });

  test('leave what is open when the transaction that disables them is rolled back', async () => {
    const db = await engine.open();
    const { world, here, key } = await small(db);
    const verified = await world.verifier.sshKey(key.fingerprint!);
    assert.ok(verified.ok);
    const use = liveUsesOf(world.house).open(verified.value);
    use.at(here.id);
    const given = db.tx(async (tx) => {
      await disableDeployKeys(tx, world.house, { projectIds: [here.id] }, 'place_deleted');
      throw new Error('given up');
    });
    await assert.rejects(given, /given up/);
    await cutDisabledElsewhere(world.house);
    assert.equal(use.signal.aborted, false);
    use.done();
  });

  test('end with their last project, and are cut where they are disabled', async () => {
    const db = await engine.open();
    const { world, here, there, key, ask } = await small(db);
    const open = await world.sshKey({ kind: 'deploy_key', public: true });
    await db.tx((tx) => insertGrant(tx, { keyId: open.id, projectId: here.id, canPush: false }, START));
    const verified = await world.verifier.sshKey(key.fingerprint!);
    assert.ok(verified.ok);
    const use = liveUsesOf(world.house).open(verified.value);
    const first = await db.tx((tx) => disableDeployKeys(tx, world.house, { projectIds: [here.id] }, 'place_deleted'));
    assert.deepEqual([first.disabled.sort((a, b) => a - b), first.ended], [[key.id, open.id], []]);
    assert.ok(use.signal.aborted);
    assert.equal(await ask('repository:pull', here), 'hidden');
    assert.equal(await ask('repository:pull', there), 'yes');
    const last = await db.tx((tx) => disableDeployKeys(tx, world.house, { projectIds: [there.id] }, 'revoked'));
    assert.deepEqual(last.ended, [key.id]);
    assert.equal(await ask('repository:pull', there), 'unknown');
    assert.ok((await world.verifier.sshKey(open.fingerprint!)).ok);
  });
});

forEachEngine('deploy keys and protected branches', (engine) => {
  test('a role rule asks for the role of the creator, and a rule that names a key admits that key alone', async () => {
    const db = await engine.open();
    const { world, creator, here, key, setLevel } = await small(db);
    const other = await world.sshKey({ kind: 'deploy_key', userId: creator.id });
    await db.tx((tx) => insertGrant(tx, { keyId: other.id, projectId: here.id, canPush: true }, START));
    const own = await world.sshKey({ kind: 'user_ssh_key', userId: creator.id });
    const setRule = (entry: { access_level: number } | { deploy_key_id: number }) =>
      db.tx(async (tx) => {
        await tx.deleteFrom('protected_refs').where('project_id', '=', here.id).execute();
        const rule = await tx
          .insertInto('protected_refs')
          .values({
            project_id: here.id,
            ref_type: 'branch',
            name: 'main',
            allow_force_push: 0,
            code_owner_approval_required: 0,
            created_at: START,
          })
          .returning('id')
          .executeTakeFirstOrThrow();
        const nobody = { access_level: null, user_id: null, group_id: null, deploy_key_id: null };
        await tx
          .insertInto('protected_ref_levels')
          .values({ protected_ref_id: rule.id, operation: 'push', ...nobody, ...entry })
          .execute();
      });
    const who = [key, other, own];
    const mayPush = async (ref: string) => {
      const answers: boolean[] = [];
      for (const { fingerprint } of who) {
        const verified = await world.verifier.sshKey(fingerprint!);
        assert.ok(verified.ok);
        const place = atProject(here.id);
        const said = await explain(world.house, verified, { action: 'repository:push', place, ref });
        answers.push(said.allowed);
      }
      return answers;
    };
    await setRule({ access_level: 40 });
    assert.deepEqual(await mayPush('main'), [false, false, false], 'a Developer and his keys');
    assert.deepEqual(await mayPush('feature'), [true, true, true]);
    await setLevel(40);
    assert.deepEqual(await mayPush('main'), [true, true, true], 'a Maintainer and his keys');
    await setRule({ deploy_key_id: key.id });
    assert.deepEqual(await mayPush('main'), [true, false, false], 'the named key alone');
    await setLevel(30);
    assert.deepEqual(await mayPush('main'), [true, false, false], 'whatever branch right its creator has');
    await setLevel(20);
    assert.deepEqual(await mayPush('main'), [false, false, false], 'but not without any right to push');
    await setLevel(40);
    await setRule({ access_level: 0 });
    assert.deepEqual(await mayPush('main'), [false, false, false], 'no one');
    await setRule({ deploy_key_id: key.id });
    await db.tx((tx) => disableDeployKeys(tx, world.house, { projectIds: [here.id], keyId: key.id }, 'revoked'));
    const left = await db.read.selectFrom('protected_ref_levels').selectAll().execute();
    assert.deepEqual(left, [], 'a rule forgets a key that is disabled');
  });
});

forEachEngine('SSH keys', (engine) => {
  test('are proven by fingerprint: expired and blocked ones with their name, signing ones not at all', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const make = (values: object) => world.sshKey({ kind: 'user_ssh_key', userId: user.id, ...values });
    const plain = await make({});
    const signing = await make({ usageType: 'signing' });
    const short = await make({ expiresAt: START + 1000, usageType: 'auth' });
    const say = async (fingerprint: string) => {
      const verified = await world.verifier.sshKey(fingerprint);
      return verified.ok ? verified.value.kind : [verified.error.code, verified.error.identified?.id ?? null];
    };
    assert.equal(await say(plain.fingerprint!), 'user_ssh_key');
    assert.equal(await say(`SHA256:${plain.fingerprint!}`), 'user_ssh_key');
    assert.deepEqual(await say(signing.fingerprint!), ['unknown', null]);
    assert.equal(await say(short.fingerprint!), 'user_ssh_key');
    world.clock.advance(1000);
    assert.deepEqual(await say(short.fingerprint!), ['expired', short.id]);
    await db.tx(async (tx) => void (await tx.updateTable('users').set({ state: 'blocked' }).execute()));
    assert.deepEqual(await say(plain.fingerprint!), ['holder_blocked', plain.id]);
    await db.tx(async (tx) => void (await tx.updateTable('users').set({ state: 'active' }).execute()));
    await db.tx((tx) => endCredential(tx, world.house, plain.id, 'revoked'));
    assert.deepEqual(await say(plain.fingerprint!), ['unknown', null]);
    assert.deepEqual(await say('nothing of ours'), ['unknown', null]);
  });
});

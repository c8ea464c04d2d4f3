// A push's row: written before refs move, ended exactly once with what really moved, by its completion or after a crash. And the
// rules that protect refs, stored on both engines.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { atProject } from '../../src/access/place.ts';
import {
  deleteEntry,
  deleteProtection,
  findProtection,
  insertEntry,
  insertProtection,
  listProtections,
  pageProtections,
  protectDefaultBranch,
  updateEntry,
  updateProtection,
} from '../../src/access/protected-ref-store.ts';
import { prepareCommit } from '../../src/repositories/commit-actions.ts';
import { createGit } from '../../src/repositories/git.ts';
import type { RepositoryHouse } from '../../src/repositories/house.ts';
import { publish } from '../../src/repositories/prepared.ts';
import { intendPush } from '../../src/repositories/push.ts';
import { completePush, reconcilePushes } from '../../src/repositories/push-completion.ts';
import { findPush } from '../../src/repositories/push-store.ts';
import { createRepositories } from '../../src/repositories/repository-files.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld } from '../support/world.ts';

const WHO = { name: 'Ada', email: 'ada@example.com', time: 1_700_000_000_000 };

forEachEngine('pushes and protected refs', (engine) => {
  it('keeps rules with their entries', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const project = await world.project(await world.group());
    const wish = {
      name: 'rel%_*',
      levels: { push: [{ accessLevel: 40 }, { userId: 7 }], merge: [{ accessLevel: 30 }] },
    };
    const id = await db.tx((tx) => insertProtection(tx, project.id, 'branch', wish, 5));
    assert.ok(id !== null);
    assert.equal(await db.tx((tx) => insertProtection(tx, project.id, 'branch', wish, 6)), null);
    assert.ok(
      (await db.tx((tx) => insertProtection(tx, project.id, 'tag', { name: 'rel%_*', levels: {} }, 6))) !== null,
    );
    const rule = (await findProtection(db.read, project.id, 'branch', 'rel%_*'))!;
    assert.deepEqual(
      rule.levels.push.map((entry) => [entry.accessLevel, entry.userId]),
      [
        [40, null],
        [null, 7],
      ],
    );
    const [first, second] = rule.levels.push;
    await db.tx(async (tx) => {
      assert.equal(await updateEntry(tx, rule.id, 'push', first!.id, { accessLevel: 0 }), true);
      assert.equal(await updateEntry(tx, rule.id, 'merge', first!.id, { accessLevel: 0 }), false);
      assert.equal(await deleteEntry(tx, rule.id + 1, 'push', second!.id), false);
      assert.equal(await deleteEntry(tx, rule.id, 'push', second!.id), true);
      await insertEntry(tx, rule.id, 'unprotect', { groupId: 3 });
      await updateProtection(tx, rule.id, { allowForcePush: true });
    });
    const changed = (await findProtection(db.read, project.id, 'branch', 'rel%_*'))!;
    assert.equal(changed.allowForcePush, true);
    assert.deepEqual(
      changed.levels.push.map((entry) => entry.accessLevel),
      [0],
    );
    assert.deepEqual(
      changed.levels.unprotect.map((entry) => entry.groupId),
      [3],
    );
    await db.tx((tx) => protectDefaultBranch(tx, project.id, 'main', 3, 7));
    await db.tx((tx) => protectDefaultBranch(tx, project.id, 'main', 1, 8));
    await db.tx((tx) => protectDefaultBranch(tx, project.id, 'other', 0, 8));
    const main = (await findProtection(db.read, project.id, 'branch', 'main'))!;
    assert.deepEqual([main.levels.push[0]?.accessLevel, main.levels.merge[0]?.accessLevel], [40, 30]);
    assert.equal((await listProtections(db.read, project.id)).length, 3);
    const page = { offset: 0, perPage: 20 };
    assert.equal((await pageProtections(db.list, project.id, 'branch', '%_', page)).total, 1);
    assert.equal((await pageProtections(db.list, project.id, 'branch', 'REL', page)).items[0]?.name, 'rel%_*');
    assert.equal((await pageProtections(db.list, project.id, 'branch', '', { offset: 1, perPage: 1 })).total, 2);
    assert.equal(await db.tx((tx) => deleteProtection(tx, project.id, 'branch', 'rel%_*')), rule.id);
    assert.equal(await db.tx((tx) => deleteProtection(tx, project.id, 'branch', 'rel%_*')), null);
    await db.close();
  });

  it('ends each push once, also those that a crash left, with the refs that really moved', async (context) => {
    const db = await engine.open();
    const world = makeWorld(db);
    const folder = await mkdtemp(join(tmpdir(), 'keyward-push-'));
    context.after(() => rm(folder, { recursive: true, force: true }));
    const repositories = createRepositories({ root: folder, git: createGit() });
    const house: RepositoryHouse = { ...world.house, repositories };
    const user = await world.user();
    const project = await world.project(await world.group(), { default_branch: null });
    await world.member(user, { project }, 40);
    const repositoryId = project.id;
    await repositories.create(repositoryId);
    const issued = await world.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['write_repository'] });
    const verified = await world.verifier.token(issued.secret);
    assert.ok(verified.ok);
    const actor = { credential: verified.value, door: 'git-http', ip: '127.0.0.1' } as const;
    const allowed = await decide(db.read, world.clock, verified.value, {
      action: 'repository:push',
      place: atProject(project.id),
    });
    assert.ok(allowed.ok);

    const prepare = (branch: string, startBranch?: string) =>
      prepareCommit(repositories, repositoryId, {
        branch,
        message: branch,
        actions: [{ action: 'create', filePath: `${branch}.txt`, content: Buffer.from(branch) }],
        author: WHO,
        committer: WHO,
        ...(startBranch === undefined ? {} : { startBranch }),
      });
    const intend = async (updates: { ref: string; oldId: string | null; newId: string | null }[]) => {
      const place = allowed.value.place;
      const intended = await intendPush(house, {
        actor,
        action: 'repository:push',
        place,
        repositoryId,
        door: 'git',
        updates,
        options: ['ci.skip'],
      });
      assert.ok(intended.ok);
      return intended.value;
    };

    // The process dies after git moved one of two refs: nobody completes, the next start does.
    const trunk = await prepare('trunk');
    const crashed = await intend([
      { ref: 'refs/heads/trunk', oldId: null, newId: trunk.newId },
      { ref: 'refs/heads/never', oldId: null, newId: trunk.newId },
    ]);
    await publish(repositories, trunk);
    const lost = await intend([{ ref: 'refs/heads/lost', oldId: null, newId: trunk.newId }]);
    assert.equal((await findPush(db.read, crashed))?.state, 'intended');
    world.clock.advance(1000);
    assert.equal(await reconcilePushes(house), 2);
    const row = (await findPush(db.read, crashed))!;
    assert.equal(row.state, 'done');
    assert.deepEqual(JSON.parse(row.updates), [{ ref: 'refs/heads/trunk', oldId: null, newId: trunk.newId }]);
    assert.deepEqual(JSON.parse(row.options), ['ci.skip']);
    assert.equal((await findPush(db.read, lost))?.state, 'abandoned');
    const after = await db.read
      .selectFrom('projects')
      .selectAll()
      .where('id', '=', project.id)
      .executeTakeFirstOrThrow();
    assert.equal(after.default_branch, 'trunk');
    assert.equal(after.last_activity_at, world.clock.now());
    assert.deepEqual(
      (await listProtections(db.read, project.id)).map((rule) => rule.name),
      ['trunk'],
    );
    const audits = () =>
      db.read.selectFrom('audit_events').selectAll().where('action', '=', 'repository:push').orderBy('id').execute();
    assert.deepEqual(
      (await audits()).map((each) => [each.author_name, each.credential_id]),
      [[user.username, issued.credential.id]],
    );
    assert.equal(await reconcilePushes(house), 0);

    // Completion and reconcile at once: the event is raised by one of them.
    const work = await prepare('work', 'trunk');
    const raced = await intend([{ ref: 'refs/heads/work', oldId: null, newId: work.newId }]);
    await publish(repositories, work);
    await Promise.all([completePush(house, raced, actor), reconcilePushes(house), completePush(house, raced, actor)]);
    assert.equal((await findPush(db.read, raced))?.state, 'done');
    assert.equal((await audits()).length, 2);
    await db.close();
  });
});

// Lesson R37 (CVE-2021-32923: a lease renewed within its last second never ended; CVE-2020-25816: a derived one outlived its
// parent):
// 1. a key of each kind has an end; no task runs, so nothing is cleaned up;
// 2. it is presented one millisecond before its end, at it, and one after; rotated with a longer overlap than it has left;
// 3. it is asked for with an end of zero, or of none where there must be one.
// It is dead from its end on, to the millisecond; an overlap never outlives the first end; zero never means for ever.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { atProject } from '../../src/access/place.ts';
import { issueLfsToken, LFS_TOKEN_LIFE, verifyLfsToken } from '../../src/credentials/lfs-token.ts';
import { rotateCredential } from '../../src/credentials/rotate.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START } from '../support/world.ts';

const END = START + 10_000;
const KINDS = [
  'personal_access_token',
  'project_access_token',
  'group_access_token',
  'deploy_token',
  'runner_token',
  'job_token',
  'trigger_token',
] as const;

forEachEngine('the end of a key', (engine) => {
  test('is exact for every kind that has a text, without any cleanup', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    const group = await world.group({});
    const project = await world.project(group);
    for (const kind of KINDS) {
      world.clock.set(START);
      const place = kind === 'group_access_token' ? { groupId: group.id } : { projectId: project.id };
      const holder =
        kind === 'runner_token' ? { runnerId: 1 } : kind === 'deploy_token' ? place : { userId: user.id, ...place };
      const { secret } = await world.issue({ kind, ...holder, scopes: [], expiresAt: END });
      for (const [moment, alive] of [
        [END - 1, true],
        [END, false],
        [END + 1, false],
      ] as const) {
        world.clock.set(moment);
        const verified = await world.verifier.token(new Secret(secret.reveal()));
        assert.equal(verified.ok, alive, `${kind} at ${moment - END}`);
        if (!verified.ok) assert.equal(verified.error.code, 'expired', kind);
      }
    }
  });

  test('of an SSH key and of a deploy key is as exact', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    for (const wish of [
      { kind: 'user_ssh_key', userId: user.id },
      { kind: 'deploy_key', createdByUserId: user.id },
    ] as const) {
      world.clock.set(START);
      const { id } = await world.sshKey({ ...wish, expiresAt: END });
      for (const [moment, alive] of [
        [END - 1, true],
        [END, false],
      ] as const) {
        world.clock.set(moment);
        assert.equal((await world.verifier.byId(id)).ok, alive, `${wish.kind} at ${moment - END}`);
      }
    }
  });

  test('of an overlap is never later than the first end', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    const old = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: END });
    world.clock.set(END - 1000);
    const rotated = await world.house.db.tx((tx) =>
      rotateCredential(tx, world.house, {
        id: old.credential.id,
        expiresAt: END + 1e9,
        overlapSeconds: 86_400,
        byUserId: user.id,
        byCredentialId: null,
      }),
    );
    assert.ok(rotated.ok);
    const alive = async () => (await world.verifier.token(old.secret)).ok;
    assert.equal(await alive(), true);
    world.clock.set(END - 1);
    assert.equal(await alive(), true);
    world.clock.set(END);
    assert.equal(await alive(), false);
    assert.equal((await world.verifier.token(rotated.value.secret)).ok, true);
  });

  test('of what is derived from it is never later than its own', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    for (const [expiresAt, latest] of [
      [END, END],
      [null, START + LFS_TOKEN_LIFE],
      [START + LFS_TOKEN_LIFE * 2, START + LFS_TOKEN_LIFE],
    ] as const) {
      world.clock.set(START);
      const key = await world.verifier.token(
        (await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt })).secret,
      );
      assert.ok(key.ok);
      const derived = issueLfsToken(world.house, key.value, { operation: 'upload', repositoryId: 1 })!;
      assert.equal(derived.expiresAt, latest);
      for (const [moment, alive] of [
        [latest - 1, true],
        [latest, false],
      ] as const) {
        world.clock.set(moment);
        const grant = await verifyLfsToken(world.house, world.verifier, derived.login, derived.secret);
        assert.equal(grant !== null, alive, `${expiresAt} at ${moment - latest}`);
      }
    }
  });

  test('of a membership and of a share is at midnight of its day', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    const project = await world.project(await world.group({}));
    await world.member(user, { project }, 30, '2026-03-02');
    const { secret } = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const midnight = Date.UTC(2026, 2, 2);
    for (const [moment, allowed] of [
      [midnight - 1, true],
      [midnight, false],
    ] as const) {
      world.clock.set(moment);
      const key = await world.verifier.token(secret);
      assert.ok(key.ok);
      const question = { action: 'project:read', place: atProject(project.id) } as const;
      const verdict = await decide(world.house.db.read, world.clock, key.value, question);
      assert.equal(verdict.ok, allowed, String(moment - midnight));
    }
  });

  test('is never "never" for want of a date, nor for zero', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user({});
    for (const expiresAt of [0, 1, START]) {
      const { secret } = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt });
      assert.equal((await world.verifier.token(secret)).ok, false, String(expiresAt));
    }
  });
});

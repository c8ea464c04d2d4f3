// Random worlds: a list holds just what `decide` would allow one by one, `explain` says what `decide` says, and fewer scopes
// never open more. Seeded, so that a failure can be run again (KEYWARD_WORLD_SEED).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_ACTIONS, ruleOf } from '../../src/access/actions.ts';
import { decide, type Question } from '../../src/access/decide.ts';
import { insertGrant } from '../../src/access/deploy-key-store.ts';
import { explain } from '../../src/access/explain.ts';
import { atGroup, atProject } from '../../src/access/place.ts';
import { reachOf } from '../../src/access/reach.ts';
import { visibleGroups, visibleProjects } from '../../src/access/visible-store.ts';
import { SCOPES } from '../../src/credentials/scopes.ts';
import { anonymous, proven, type VerifiedCredential } from '../../src/credentials/verified-credential.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { ok } from '../../src/kernel/result.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START, type World } from '../support/world.ts';

const SEED = Number(process.env['KEYWARD_WORLD_SEED'] ?? 20260301);

/** mulberry32: small, seeded, good enough to draw worlds. */
function dice(seed: number) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 4294967296;
  };
  return {
    below: (limit: number) => Math.floor(next() * limit),
    pick: <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!,
    chance: (probability: number) => next() < probability,
  };
}
type Dice = ReturnType<typeof dice>;

interface Drawn {
  readonly groups: Namespace[];
  readonly projects: Project[];
  readonly credentials: VerifiedCredential[];
}

async function draw(world: World, roll: Dice): Promise<Drawn> {
  const visibilities = ['private', 'internal', 'public'] as const;
  const levels = [5, 10, 15, 20, 25, 30, 40, 50];
  const users: User[] = [];
  for (let index = 0; index < 4; index++)
    users.push(
      await world.user({ external: roll.chance(0.3) ? 1 : 0, admin: index === 0 && roll.chance(0.5) ? 1 : 0 }),
    );
  const groups: Namespace[] = [];
  for (let index = 0; index < 6; index++) {
    const parent = index > 1 && roll.chance(0.7) ? roll.pick(groups) : undefined;
    groups.push(await world.group({ parent, visibility: roll.pick(visibilities) }));
  }
  const homes = [...groups, await world.personal(users[1]!)];
  const projects: Project[] = [];
  for (let index = 0; index < 8; index++)
    projects.push(
      await world.project(roll.pick(homes), {
        visibility: roll.pick(visibilities),
        archived: roll.chance(0.15) ? 1 : 0,
        features: roll.chance(0.4)
          ? JSON.stringify({ repository: roll.pick(['private', 'disabled', 'enabled']) })
          : '{}',
      }),
    );
  const seen = new Set<string>();
  for (let index = 0; index < 10; index++) {
    const user = roll.pick(users);
    const at = roll.chance(0.5) ? { project: roll.pick(projects) } : { group: roll.pick(groups) };
    const key = `${user.id} ${at.project?.id} ${at.group?.id}`;
    if (seen.has(key)) continue;
    seen.add(key);
    await world.member(
      user,
      at,
      roll.pick(levels),
      roll.chance(0.2) ? roll.pick(['2026-03-01', '2026-03-02', '2020-01-01']) : undefined,
    );
  }
  for (let index = 0; index < 4; index++) {
    const group = roll.pick(groups);
    const at = roll.chance(0.5) ? { project: roll.pick(projects) } : { group: roll.pick(groups) };
    const key = `share ${group.id} ${at.project?.id} ${at.group?.id}`;
    if (seen.has(key)) continue;
    seen.add(key);
    await world.share(group, at, roll.pick([10, 20, 30, 40, 50]));
  }
  const credentials: VerifiedCredential[] = [anonymous()];
  const add = async (wish: Parameters<World['issue']>[0]) => {
    const verified = await world.verifier.token((await world.issue(wish)).secret);
    assert.ok(verified.ok);
    credentials.push(verified.value);
  };
  for (const user of users)
    await add({
      kind: 'personal_access_token',
      userId: user.id,
      scopes: [roll.pick(['api', 'read_api', 'read_repository'])],
    });
  const project = roll.pick(projects);
  const projectBot = await world.user({ type: 'project_bot', external: roll.chance(0.3) ? 1 : 0 });
  await world.member(projectBot, { project }, roll.pick([10, 20, 30, 40]));
  await add({ kind: 'project_access_token', userId: projectBot.id, projectId: project.id, scopes: ['api'] });
  const group = roll.pick(groups);
  const groupBot = await world.user({ type: 'project_bot', external: roll.chance(0.3) ? 1 : 0 });
  await world.member(groupBot, { group }, roll.pick([10, 20, 30, 50]));
  await add({ kind: 'group_access_token', userId: groupBot.id, groupId: group.id, scopes: ['api'] });
  await add({ kind: 'deploy_token', groupId: group.id, scopes: ['read_repository'] });
  await add({ kind: 'deploy_token', projectId: project.id, scopes: ['read_registry'] });
  for (const creator of [...users, projectBot, null]) {
    const key = await world.sshKey({ kind: 'deploy_key', userId: creator?.id ?? null, public: roll.chance(0.3) });
    for (const each of projects)
      if (roll.chance(0.5))
        await world.house.db.tx((tx) =>
          insertGrant(tx, { keyId: key.id, projectId: each.id, canPush: roll.chance(0.6) }, START),
        );
    const verified = await world.verifier.sshKey(key.fingerprint!);
    assert.ok(verified.ok);
    credentials.push(verified.value);
  }
  return { groups, projects, credentials };
}

const PROJECT_ACTIONS = [
  'project:read',
  'repository:pull',
  'repository:push',
  'file:read',
  'project:update',
  'project_deploy_token:list',
] as const;
const GROUP_ACTIONS = ['group:read', 'group:update', 'subgroup:create', 'group_deploy_token:list'] as const;

forEachEngine('random worlds', (engine) => {
  const worlds = engine.name === 'sqlite' ? 12 : 4;

  test('a list holds just what decide allows', async () => {
    const roll = dice(SEED);
    const pushable = { yes: 0, no: 0 };
    for (let round = 0; round < worlds; round++) {
      const db = await engine.open();
      const world = makeWorld(db);
      const { groups, projects, credentials } = await draw(world, roll);
      for (const held of credentials) {
        for (const action of PROJECT_ACTIONS) {
          const listed = await db.list
            .selectFrom('projects as p')
            .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
            .select('p.id')
            .where(visibleProjects(world.clock, held, action))
            .orderBy('p.id')
            .execute();
          const one: number[] = [];
          for (const { id } of projects)
            if ((await decide(db.read, world.clock, held, { action, place: atProject(id) })).ok) one.push(id);
          if (held.kind === 'deploy_key' && action === 'repository:push') pushable[one.length > 0 ? 'yes' : 'no']++;
          assert.deepEqual(
            listed.map((row) => row.id),
            one,
            `world ${round}, ${held.kind} of ${held.name} ${JSON.stringify(held.holder)}, ${action}`,
          );
        }
        for (const action of GROUP_ACTIONS) {
          const listed = await db.list
            .selectFrom('namespaces as n')
            .select('n.id')
            .where(visibleGroups(world.clock, held, action))
            .orderBy('n.id')
            .execute();
          const one: number[] = [];
          for (const { id } of groups)
            if ((await decide(db.read, world.clock, held, { action, place: atGroup(id) })).ok) one.push(id);
          assert.deepEqual(
            listed.map((row) => row.id),
            one,
            `world ${round}, ${held.kind}, ${action}`,
          );
        }
      }
      await db.close();
    }
    assert.ok(pushable.yes > 0 && pushable.no > 0, `the worlds say little of deploy keys: ${JSON.stringify(pushable)}`);
  });

  test('explain says what decide says, and reach lists what explain allows', async () => {
    const roll = dice(SEED + 1);
    const db = await engine.open();
    const world = makeWorld(db);
    const { groups, projects, credentials } = await draw(world, roll);
    for (const held of credentials) {
      for (const action of ALL_ACTIONS) {
        const type = ruleOf(action).place;
        const ref = type === 'project' ? roll.pick(projects).full_path : roll.pick(groups).id;
        const place = type === 'instance' ? undefined : ({ type, ref } as const);
        const question = { action, place } as Question;
        const answer = await decide(db.read, world.clock, held, question);
        const said = await explain(world.house, ok(held), { action, place });
        assert.equal(said.allowed, answer.ok, `${held.kind} ${action}`);
        assert.equal(said.refusedBy, answer.ok ? null : answer.error.lock);
        assert.equal(said.locks.length, 4);
      }
      const { items } = await reachOf(world.house, held, { offset: 0, perPage: 100 });
      for (const item of items)
        for (const action of item.actions) {
          const place = item.type === 'group' ? atGroup(item.id) : atProject(item.id);
          const said = await explain(world.house, ok(held), { action, place });
          assert.ok(said.allowed, `${held.kind} ${action} at ${item.full_path}`);
        }
    }
  });

  test('fewer scopes never open more', async () => {
    const roll = dice(SEED + 2);
    const db = await engine.open();
    const world = makeWorld(db);
    const { groups, projects, credentials } = await draw(world, roll);
    for (let round = 0; round < 150; round++) {
      const held = roll.pick(credentials);
      if (held.kind === 'anonymous') continue;
      const scopes = SCOPES.filter(() => roll.chance(0.5));
      const fewer = scopes.filter(() => roll.chance(0.6));
      const action = roll.pick(ALL_ACTIONS);
      const type = ruleOf(action).place;
      const place =
        type === 'instance'
          ? undefined
          : { type, ref: type === 'project' ? roll.pick(projects).id : roll.pick(groups).id };
      const question = { action, place } as Question;
      const narrow = await decide(db.read, world.clock, proven({ ...held, scopes: fewer }), question);
      const wide = await decide(db.read, world.clock, proven({ ...held, scopes }), question);
      assert.ok(!narrow.ok || wide.ok, `${action}: ${fewer.join(' ')} opened it, ${scopes.join(' ')} did not`);
    }
  });
});

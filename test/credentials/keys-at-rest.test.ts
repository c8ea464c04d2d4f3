// Keys from issue to their end, on both engines: what verify says at each moment of a key's life.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listCredentials } from '../../src/credentials/credential-list-store.ts';
import { findCredential, forgetCredentials } from '../../src/credentials/credential-store.ts';
import { endAllOfPlace, endAllOfUser, endCredential, endFamily } from '../../src/credentials/end.ts';
import { recallAnswer, rememberAnswer } from '../../src/credentials/idempotency.ts';
import { liveUsesOf } from '../../src/credentials/live-uses.ts';
import { rotateCredential } from '../../src/credentials/rotate.ts';
import { openSession } from '../../src/credentials/sessions.ts';
import { createVerifier } from '../../src/credentials/verify.ts';
import { hashPassword } from '../../src/identity/passwords.ts';
import { DAY, HOUR, MINUTE } from '../../src/kernel/clock.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START, testKeys, type World } from '../support/world.ts';

const codeOf = async (world: World, secret: Secret): Promise<string> => {
  const answer = await world.verifier.token(secret);
  return answer.ok ? 'alive' : answer.error.code;
};

const rotation = (id: number, overlapSeconds = 0) => ({
  id,
  expiresAt: null,
  overlapSeconds,
  byUserId: null,
  byCredentialId: null,
});

forEachEngine('keys', (engine) => {
  test('a key is proven with its kind, holder, scopes and reach', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user();
    const group = await world.group();
    const project = await world.project(group);
    const personal = await world.issue({
      kind: 'personal_access_token',
      userId: user.id,
      scopes: ['read_api', 'k8s_proxy'],
    });
    const found = await world.verifier.token(personal.secret);
    assert.ok(found.ok);
    assert.equal(found.value.kind, 'personal_access_token');
    assert.deepEqual(found.value.scopes, ['read_api', 'k8s_proxy']);
    assert.deepEqual(found.value.reach, { type: 'everything' });
    assert.equal(found.value.holder.type === 'user' && found.value.holder.user.id, user.id);
    assert.equal(found.value.familyId, personal.credential.id);

    const deploy = await world.issue({ kind: 'deploy_token', groupId: group.id, scopes: ['read_repository'] });
    const deployed = await world.verifier.token(deploy.secret);
    assert.ok(deployed.ok);
    assert.deepEqual(deployed.value.reach, { type: 'group', groupId: group.id });
    assert.deepEqual(deployed.value.holder, {
      type: 'deploy_token',
      username: `gitlab+deploy-token-${deploy.credential.id}`,
    });
    const bot = await world.user({ type: 'project_bot' });
    const of = await world.issue({ kind: 'project_access_token', userId: bot.id, projectId: project.id });
    const botted = await world.verifier.token(of.secret);
    assert.deepEqual(botted.ok && botted.value.reach, { type: 'project', projectId: project.id });
  });

  test('the database holds no secret, and a copy of it cannot authenticate', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const { secret, credential } = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const row = await findCredential(db.read, credential.id);
    assert.ok(!JSON.stringify(row).includes(secret.reveal()));
    assert.notEqual(row?.secret_digest, null);
    const digestAsToken = await world.verifier.token(new Secret(row!.secret_digest!));
    assert.ok(!digestAsToken.ok);
    const thief = createVerifier({ ...world.house, keys: testKeysOfAnother() });
    assert.equal((await thief.token(secret)).ok, false);
  });

  test('a key dies at the first instant of its date, not after it', async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user();
    const expiresAt = Date.UTC(2026, 3, 1);
    const { secret } = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt });
    world.clock.set(expiresAt - 1);
    assert.equal(await codeOf(world, secret), 'alive');
    world.clock.set(expiresAt);
    assert.equal(await codeOf(world, secret), 'expired');
    world.clock.set(expiresAt + 1);
    assert.equal(await codeOf(world, secret), 'expired');
  });

  test('revoked, blocked, deleted, forgotten and switched off each have their word', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const wish = { kind: 'personal_access_token', userId: user.id } as const;
    const revoked = await world.issue(wish);
    assert.equal(await db.tx((tx) => endCredential(tx, world.house, revoked.credential.id, 'revoked')), true);
    assert.equal(await db.tx((tx) => endCredential(tx, world.house, revoked.credential.id, 'revoked')), false);
    assert.equal(await codeOf(world, revoked.secret), 'revoked');
    await db.tx((tx) => forgetCredentials(tx, [revoked.credential.id], world.clock.now()));
    assert.equal(await codeOf(world, revoked.secret), 'unknown');
    assert.equal(await findCredential(db.read, revoked.credential.id), null);
    assert.ok(await findCredential(db.read, revoked.credential.id, { forgotten: true }));

    const impersonation = await world.issue({ ...wish, impersonation: true });
    assert.equal(await codeOf(world, impersonation.secret), 'alive');
    await db.tx((tx) => updateSettings(tx, { impersonation_enabled: false }, world.clock.now()));
    assert.equal(await codeOf(world, impersonation.secret), 'impersonation_disabled');

    const plain = await world.issue(wish);
    for (const [state, code] of [
      ['blocked', 'holder_blocked'],
      ['deactivated', 'holder_blocked'],
      ['banned', 'holder_blocked'],
      ['deleted', 'revoked'],
      ['active', 'alive'],
    ] as const) {
      await db.tx((tx) => tx.updateTable('users').set({ state }).where('id', '=', user.id).execute());
      assert.equal(await codeOf(world, plain.secret), code, state);
    }
    const both = await world.issue({ ...wish, expiresAt: START + DAY });
    await db.tx((tx) => endCredential(tx, world.house, both.credential.id, 'revoked'));
    world.clock.advance(2 * DAY);
    assert.equal(await codeOf(world, both.secret), 'expired');
  });

  test('a deploy token loses the opt-in scope when the setting is switched off', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const group = await world.group();
    await db.tx((tx) => updateSettings(tx, { deploy_token_write_repository: true }, world.clock.now()));
    const { secret } = await world.issue({ kind: 'deploy_token', groupId: group.id, scopes: ['write_repository'] });
    const on = await world.verifier.token(secret);
    assert.deepEqual(on.ok && on.value.scopes, ['write_repository']);
    await db.tx((tx) => updateSettings(tx, { deploy_token_write_repository: false }, world.clock.now()));
    const off = await world.verifier.token(secret);
    assert.deepEqual(off.ok && off.value.scopes, []);
  });

  test('old versions of the instance key verify and are digested anew', async () => {
    const db = await engine.open();
    const before = makeWorld(db);
    const user = await before.user();
    const { secret, credential } = await before.issue({ kind: 'personal_access_token', userId: user.id });
    const after = makeWorld(db, testKeys(2));
    assert.equal(await codeOf(after, secret), 'alive');
    assert.equal((await findCredential(db.read, credential.id))?.digest_key, 2);
    assert.equal(await codeOf(after, secret), 'alive');
  });

  test('rotation passes on everything but the text, and of two at once exactly one wins', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const first = await world.issue({
      kind: 'personal_access_token',
      userId: user.id,
      name: 'ci',
      description: 'for ci',
      scopes: ['read_api', 'api'],
      expiresAt: START + 10 * DAY,
    });
    const both = await Promise.all(
      [1, 2].map(() => db.tx((tx) => rotateCredential(tx, world.house, rotation(first.credential.id)))),
    );
    assert.equal(both.filter((answer) => answer.ok).length, 1);
    const lost = both.find((answer) => !answer.ok);
    assert.equal(!lost?.ok && lost?.error, 'already_revoked');
    const won = both.find((answer) => answer.ok);
    assert.ok(won?.ok);
    const { credential } = won.value;
    assert.deepEqual(
      [credential.name, credential.description, credential.scopes, credential.user_id, credential.family_id],
      ['ci', 'for ci', '["read_api","api"]', user.id, first.credential.id],
    );
    assert.equal(await codeOf(world, first.secret), 'revoked');
    assert.equal(await codeOf(world, won.value.secret), 'alive');
    const old = await findCredential(db.read, first.credential.id);
    assert.equal(old?.successor_id, credential.id);
    const { total } = await listCredentials(db.list, { userId: user.id }, { offset: 0, perPage: 10 }, START);
    assert.equal(total, 2);
  });

  test('an overlap keeps the old key alive until it ends, and never past its own date', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const first = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: START + 2 * HOUR });
    const next = await db.tx((tx) => rotateCredential(tx, world.house, rotation(first.credential.id, 30 * 86_400)));
    assert.ok(next.ok);
    assert.equal(await codeOf(world, first.secret), 'alive');
    const again = await db.tx((tx) => rotateCredential(tx, world.house, rotation(first.credential.id)));
    assert.equal(!again.ok && again.error, 'already_rotated');
    world.clock.advance(2 * HOUR - 1);
    assert.equal(await codeOf(world, first.secret), 'alive');
    world.clock.advance(1);
    assert.notEqual(await codeOf(world, first.secret), 'alive');
    assert.equal(await codeOf(world, next.value.secret), 'alive');
  });

  test('a family ends as a whole, and a blocked holder rotates nothing', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const a = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const b = await db.tx((tx) => rotateCredential(tx, world.house, rotation(a.credential.id)));
    assert.ok(b.ok);
    const c = await db.tx((tx) => rotateCredential(tx, world.house, rotation(b.value.credential.id)));
    assert.ok(c.ok);
    const ended = await db.tx((tx) => endFamily(tx, world.house, a.credential.id, 'reuse'));
    assert.deepEqual(
      ended.map((row) => row.id),
      [c.value.credential.id],
    );
    assert.equal(await codeOf(world, c.value.secret), 'revoked');

    const d = await world.issue({ kind: 'personal_access_token', userId: user.id });
    await db.tx((tx) => tx.updateTable('users').set({ state: 'blocked' }).where('id', '=', user.id).execute());
    const refused = await db.tx((tx) => rotateCredential(tx, world.house, rotation(d.credential.id)));
    assert.equal(!refused.ok && refused.error, 'holder_blocked');
  });

  test('ending a user or a place ends its keys and cuts what they hold open, after the commit only', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const project = await world.project(await world.group());
    const personal = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const deploy = await world.issue({ kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] });
    const open = async (secret: Secret) => {
      const verified = await world.verifier.token(secret);
      assert.ok(verified.ok);
      return liveUsesOf(world.house).open(verified.value);
    };
    const mine = await open(personal.secret);
    const place = await open(deploy.secret);
    await assert.rejects(
      db.tx(async (tx) => {
        await endAllOfUser(tx, world.house, user.id, 'revoked');
        throw new Error('rolled back');
      }),
    );
    assert.equal(mine.signal.aborted, false);
    await db.tx((tx) => endAllOfUser(tx, world.house, user.id, 'revoked'));
    assert.equal(mine.signal.aborted, true);
    assert.equal(place.signal.aborted, false);
    await db.tx((tx) => endAllOfPlace(tx, world.house, { projectIds: [project.id] }, 'place_deleted'));
    assert.equal(place.signal.aborted, true);
    assert.equal(await codeOf(world, deploy.secret), 'revoked');
    assert.equal(liveUsesOf(world.house).size, 0);
  });

  test('a repeated rotate call gets the kept answer until its time ends, and never with other parameters', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const { credential } = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const call = { credentialId: credential.id, callerId: 1, route: 'POST /x', key: 'k', parameters: '{"a":1}' };
    await db.tx((tx) => rememberAnswer(tx, world.house, call, new Secret('the new secret'), 7200));
    const kept = await recallAnswer(db.read, world.house, call);
    assert.equal(kept instanceof Secret && kept.reveal(), 'the new secret');
    assert.equal(await recallAnswer(db.read, world.house, { ...call, parameters: '{}' }), 'conflict');
    assert.equal(await recallAnswer(db.read, world.house, { ...call, callerId: 2 }), null);
    assert.equal(await recallAnswer(db.read, world.house, { ...call, route: 'POST /y' }), null);
    const stored = await db.read.selectFrom('credential_secrets').selectAll().execute();
    assert.ok(!JSON.stringify(stored).includes('the new secret'));
    world.clock.advance(HOUR);
    assert.equal(await recallAnswer(db.read, world.house, call), null);
  });

  test('last use is written behind: first at once, then by ten minutes, five newest addresses', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const { secret, credential } = await world.issue({ kind: 'personal_access_token', userId: user.id });
    const verified = await world.verifier.token(secret);
    assert.ok(verified.ok);
    const use = async (ip: string) => {
      world.verifier.used(verified.value, ip);
      await world.verifier.flush();
      return findCredential(db.read, credential.id);
    };
    assert.equal((await findCredential(db.read, credential.id))?.last_used_at, null);
    assert.equal((await use('192.0.2.1'))?.last_used_at, START);
    world.clock.advance(2 * MINUTE);
    const second = await use('192.0.2.2');
    assert.deepEqual([second?.last_used_at, second?.ips], [START, ['192.0.2.2', '192.0.2.1']]);
    for (let index = 3; index <= 7; index++) {
      world.clock.advance(2 * MINUTE);
      await use(`192.0.2.${index}`);
    }
    const last = await findCredential(db.read, credential.id);
    assert.deepEqual(
      last?.ips,
      [7, 6, 5, 4, 3].map((index) => `192.0.2.${index}`),
    );
    assert.equal(last?.last_used_at, START + 10 * MINUTE);
  });

  test('a password opens git and nothing else, is locked by failures, and is never found for bots', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const digest = await hashPassword(new Secret('correct horse'));
    const user = await world.user({ username: 'Alice', password_digest: digest });
    const right = await world.verifier.password('alice', new Secret('correct horse'));
    assert.ok(right.ok);
    assert.deepEqual(right.value.scopes, ['write_repository']);
    assert.ok((await world.verifier.password('ALICE@example.com', new Secret('correct horse'))).ok);
    assert.ok(!(await world.verifier.password('nobody', new Secret('correct horse'))).ok);
    assert.ok(!(await world.verifier.password('', new Secret(''))).ok);
    for (let round = 0; round < 10; round++) await world.verifier.password('alice', new Secret(`wrong ${round}`));
    assert.ok(!(await world.verifier.password('alice', new Secret('correct horse'))).ok);
    world.clock.advance(10 * MINUTE);
    assert.ok((await world.verifier.password('alice', new Secret('correct horse'))).ok);
    await db.tx((tx) => tx.updateTable('users').set({ type: 'project_bot' }).where('id', '=', user.id).execute());
    assert.ok(!(await world.verifier.password('alice', new Secret('correct horse'))).ok);
  });

  test('a session reads with its cookie and writes only with its CSRF text, and a cookie is no token', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const session = await db.tx((tx) => openSession(tx, world.house, user));
    const bare = await world.verifier.session(session.cookie, null);
    const proved = await world.verifier.session(session.cookie, session.csrf);
    const wrong = await world.verifier.session(session.cookie, new Secret('0'.repeat(64)));
    assert.deepEqual([bare.ok && bare.value.csrfProven, proved.ok && proved.value.csrfProven], [false, true]);
    assert.equal(wrong.ok && wrong.value.csrfProven, false);
    assert.equal((await world.verifier.token(session.cookie)).ok, false);
    world.clock.advance(10_080 * MINUTE);
    assert.equal((await world.verifier.session(session.cookie, session.csrf)).ok, false);
  });

  test('lists filter, sort and count', async () => {
    const db = await engine.open();
    const world = makeWorld(db);
    const user = await world.user();
    const names = ['deploy box', 'ci runner', 'Old CI', '100%_sure'];
    const ids: number[] = [];
    for (const [index, name] of names.entries()) {
      const { credential } = await world.issue({
        kind: 'personal_access_token',
        userId: user.id,
        name,
        scopes: index % 2 ? ['read_api'] : ['api'],
        expiresAt: index === 0 ? null : START + index * DAY,
      });
      ids.push(credential.id);
      world.clock.advance(1000);
    }
    const now = world.clock.now();
    const list = async (filter: Parameters<typeof listCredentials>[1]) => {
      const { rows } = await listCredentials(db.list, { userId: user.id, ...filter }, { offset: 0, perPage: 50 }, now);
      return rows.map((row) => ids.indexOf(row.id));
    };
    assert.deepEqual(await list({}), [0, 1, 2, 3]);
    assert.deepEqual(await list({ sort: 'name_asc' }), [3, 1, 0, 2]);
    assert.deepEqual(await list({ sort: 'created_desc' }), [3, 2, 1, 0]);
    assert.deepEqual(await list({ sort: 'expires_desc' }), [3, 2, 1, 0]);
    assert.deepEqual(await list({ search: 'ci' }), []);
    assert.deepEqual(await list({ search: 'CI runner' }), []);
    assert.deepEqual(await list({ search: 'runner' }), [1]);
    assert.deepEqual(await list({ search: '%_s' }), [3]);
    assert.deepEqual(await list({ scope: 'api' }), [0, 2]);
    assert.deepEqual(await list({ expiresBefore: START + 2 * DAY }), [1]);
    assert.deepEqual(await list({ expiresAfter: START + 2 * DAY }), [2, 3]);
    await db.tx((tx) => endCredential(tx, world.house, ids[1]!, 'revoked'));
    assert.deepEqual(await list({ state: 'inactive' }), [1]);
    assert.deepEqual(await list({ state: 'active' }), [0, 2, 3]);
    assert.deepEqual(await list({ revoked: true }), [1]);
    assert.deepEqual(await list({ revoked: false }), [0, 2, 3]);
    const { rows, total } = await listCredentials(db.list, { userId: user.id }, { offset: 2, perPage: 1 }, now);
    assert.deepEqual([rows.map((row) => row.id), total], [[ids[2]], 4]);
  });
});

function testKeysOfAnother() {
  const keys = testKeys(2);
  return Object.create(keys, {
    versions: { value: () => [2] },
    digest: { value: (purpose: string, text: string) => keys.digest(purpose, text, 2) },
  }) as typeof keys;
}

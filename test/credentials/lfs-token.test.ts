// LFS tokens by themselves: what they carry, when they die, and that nobody else can make one.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { endCredential } from '../../src/credentials/end.ts';
import { issueLfsToken, LFS_TOKEN_LIFE, looksLikeLfsToken, verifyLfsToken } from '../../src/credentials/lfs-token.ts';
import { anonymous, type VerifiedCredential } from '../../src/credentials/verified-credential.ts';
import { hashPassword } from '../../src/identity/passwords.ts';
import { DAY } from '../../src/kernel/clock.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START, testKeys, type World } from '../support/world.ts';

const wish = { operation: 'upload', repositoryId: 7 } as const;

async function keyOf(world: World, values: Parameters<World['issue']>[0]): Promise<VerifiedCredential> {
  const { secret } = await world.issue(values);
  const verified = await world.verifier.token(secret);
  assert.ok(verified.ok);
  return verified.value;
}

forEachEngine('LFS tokens', (engine) => {
  const open = async () => {
    const world = makeWorld(await engine.open());
    const user = await world.user();
    const verify = (login: string, text: Secret) => verifyLfsToken(world.house, world.verifier, login, text);
    return { world, user, verify };
  };

  it('carry operation, repository and parent, and live to the millisecond', async () => {
    const { world, user, verify } = await open();
    const key = await keyOf(world, { kind: 'personal_access_token', userId: user.id, scopes: ['api'] });
    const token = issueLfsToken(world.house, key, wish)!;
    assert.equal(token.login, user.username);
    assert.equal(token.expiresAt, START + LFS_TOKEN_LIFE);
    const grant = await verify(user.username, token.secret);
    assert.equal(grant?.operation, 'upload');
    assert.equal(grant.repositoryId, 7);
    assert.equal(grant.credential.id, key.id);
    assert.deepEqual(grant.credential.scopes, ['read_repository', 'write_repository'], 'no more of api than it needs');
    assert.equal(await verify('somebody', token.secret), null, 'another name');
    world.clock.advance(LFS_TOKEN_LIFE - 1);
    assert.notEqual(await verify(user.username, token.secret), null);
    world.clock.advance(1);
    assert.equal(await verify(user.username, token.secret), null);
    world.clock.advance(1);
    assert.equal(await verify(user.username, token.secret), null);
  });

  it('never outlive the key they came from', async () => {
    const { world, user, verify } = await open();
    const expiresAt = START + 60_000;
    const wanted = { kind: 'personal_access_token', userId: user.id, scopes: ['api'] } as const;
    const short = issueLfsToken(world.house, await keyOf(world, { ...wanted, expiresAt }), wish)!;
    assert.equal(short.expiresAt, expiresAt);
    const key = await keyOf(world, { ...wanted, expiresAt: START + DAY });
    const token = issueLfsToken(world.house, key, wish)!;
    assert.notEqual(await verify(user.username, token.secret), null);
    await world.house.db.tx((tx) => endCredential(tx, world.house, key.id!, 'revoked'));
    assert.equal(await verify(user.username, token.secret), null, 'revoked');
    const other = issueLfsToken(world.house, await keyOf(world, wanted), wish)!;
    await world.house.db.tx((tx) =>
      tx.updateTable('users').set({ state: 'blocked' }).where('id', '=', user.id).execute(),
    );
    assert.equal(await verify(user.username, other.secret), null, 'blocked');
  });

  it('open less than their parent, never more', async () => {
    const { world, user, verify } = await open();
    const cases = [
      [['read_repository'], 'upload', ['read_repository']],
      [['read_user'], 'upload', []],
      [['api'], 'download', ['read_repository']],
      [['write_repository'], 'download', ['read_repository']],
    ] as const;
    for (const [scopes, operation, left] of cases) {
      const key = await keyOf(world, { kind: 'personal_access_token', userId: user.id, scopes: [...scopes] });
      const token = issueLfsToken(world.house, key, { operation, repositoryId: 1 })!;
      assert.deepEqual((await verify(user.username, token.secret))?.credential.scopes, left, scopes.join());
    }
  });

  it('of a password die with it, and with the setting that lets it in', async () => {
    const { world, verify } = await open();
    const password = new Secret('correct horse battery');
    const user = await world.user({ password_digest: await hashPassword(password) });
    const proof = await world.verifier.password(user.username, password);
    assert.ok(proof.ok);
    const token = issueLfsToken(world.house, proof.value, wish)!;
    assert.equal((await verify(user.username, token.secret))?.credential.kind, 'password');
    const allow = (value: boolean) =>
      world.house.db.tx((tx) =>
        updateSettings(tx, { password_authentication_enabled_for_git: value }, world.clock.now()),
      );
    await allow(false);
    assert.equal(await verify(user.username, token.secret), null);
    await allow(true);
    assert.notEqual(await verify(user.username, token.secret), null);
    const digest = await hashPassword(new Secret('another one entirely'));
    await world.house.db.tx((tx) =>
      tx.updateTable('users').set({ password_digest: digest }).where('id', '=', user.id).execute(),
    );
    assert.equal(await verify(user.username, token.secret), null);
  });

  it('are made for people and deploy keys only, under names of their own', async () => {
    const { world } = await open();
    const creator = await world.user();
    const row = await world.sshKey({ kind: 'deploy_key', userId: creator.id });
    const deployKey = await world.verifier.byId(row.id);
    assert.ok(deployKey.ok);
    const token = issueLfsToken(world.house, deployKey.value, { ...wish, operation: 'download' })!;
    assert.equal(token.login, `lfs+deploy-key-${row.id}`);
    const grant = await verifyLfsToken(world.house, world.verifier, token.login, token.secret);
    assert.deepEqual(grant?.credential.scopes, ['read_repository']);
    const group = await world.group();
    const deployToken = {
      kind: 'deploy_token',
      groupId: group.id,
      scopes: ['read_repository'],
      username: 'robot',
    } as const;
    assert.equal(issueLfsToken(world.house, await keyOf(world, deployToken), wish), null);
    assert.equal(issueLfsToken(world.house, anonymous(), wish), null);
  });

  it('cannot be altered, joined from two, or made without the instance keys', async () => {
    const { world, user, verify } = await open();
    const key = await keyOf(world, { kind: 'personal_access_token', userId: user.id, scopes: ['api'] });
    const token = issueLfsToken(world.house, key, { operation: 'download', repositoryId: 1 })!.secret.reveal();
    const wide = issueLfsToken(world.house, key, { operation: 'upload', repositoryId: 2 })!.secret.reveal();
    const [head, tail] = token.split('.') as [string, string];
    const foreign = { ...world.house, keys: testKeys(2) };
    const claims = Buffer.from(head.slice(6), 'base64url').toString();
    const forged = Buffer.from(claims.replace('download', 'upload')).toString('base64url');
    for (const text of [
      `${wide.split('.')[0]}.${tail}`,
      `gllfs-${forged}.${tail}`,
      `gllfs-${forged}.`,
      `gllfs-${forged}.${'0'.repeat(64)}`,
      `gllfs-${head.slice(6)}=.${tail}`,
      `${token}\n`,
      ` ${token}`,
      `${head}.${tail.toUpperCase()}`,
      'gllfs-',
      'gllfs-.',
      issueLfsToken(foreign, key, wish)!.secret.reveal(),
    ])
      assert.equal(await verify(user.username, new Secret(text)), null, text);
    assert.notEqual(await verify(user.username, new Secret(token)), null);
    assert.equal(
      (await verifyLfsToken(foreign, world.verifier, user.username, new Secret(token))) !== null,
      true,
      'an older key still verifies',
    );
  });
});

describe('LFS tokens', () => {
  it('differ whenever what they carry differs', () => {
    const keys = testKeys();
    const texts = new Map<string, string>();
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.constantFrom('download', 'upload'), (id, repositoryId, operation) => {
        const holder = { type: 'user', user: { username: 'ann' } };
        const credential = {
          kind: 'personal_access_token',
          id,
          holder,
          expiresAt: null,
        } as unknown as VerifiedCredential;
        const house = { keys, clock: { now: () => START } };
        const { secret } = issueLfsToken(house, credential, { operation, repositoryId })!;
        assert.ok(looksLikeLfsToken(secret));
        const what = JSON.stringify([id, repositoryId, operation]);
        assert.equal(texts.get(secret.reveal()) ?? what, what);
        texts.set(secret.reveal(), what);
      }),
    );
  });
});

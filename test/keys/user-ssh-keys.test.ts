// SSH keys of people over REST and as `/{username}.keys`, and tokens made over SSH (reference git-and-deploy 7, access-tokens 4.7).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { parseSshKey } from '../../src/credentials/ssh-key.ts';
import type { User } from '../../src/identity/records.ts';
import { FaultError } from '../../src/kernel/faults.ts';
import { createTokenOverSsh } from '../../src/keys/ssh-token.ts';
import { newSshKeyText } from '../support/world.ts';
import { type Forge, withForge } from './forge.ts';

function sha256(text: string): string {
  const read = parseSshKey(text);
  assert.ok(read.ok);
  return read.value.sha256;
}

async function overSsh(forge: Forge, keyText: string, scopes: string, ttlDays: number | null = null) {
  const { services } = forge.server;
  const verified = await services.verifier.sshKey(sha256(keyText));
  assert.ok(verified.ok);
  const credential = verified.value;
  const allowed = await decide(services.db.read, services.clock, credential, { action: 'ssh_token:create' });
  if (!allowed.ok) return allowed.error.code;
  try {
    const wish = { name: 'from ssh', scopes: scopes.split(','), ttlDays };
    return await createTokenOverSsh(services, { credential, door: 'ssh', ip: '127.0.0.1' }, allowed.value, wish);
  } catch (error) {
    if (error instanceof FaultError && error.fault.code === 'unprocessable') return error.fault.reason;
    throw error;
  }
}

withForge('SSH keys of people', (forge) => {
  const add = async (user: User, body: object) =>
    forge().api('POST', '/user/keys', { token: await forge().token(user), body });

  it('are added, shown, listed and removed by their owner, and seen by everyone', async () => {
    const { world, api, token, server } = forge();
    const user = await world.user();
    const auth = { token: await token(user) };
    const key = newSshKeyText('laptop of somebody');
    const made = await add(user, { title: 'laptop', key, expires_at: '2027-01-01' });
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(
      { ...made.body, created_at: null },
      {
        id: made.body.id,
        title: 'laptop',
        key,
        created_at: null,
        expires_at: '2027-01-01T00:00:00.000Z',
        last_used_at: null,
        usage_type: 'auth_and_signing',
      },
    );
    const signing = await add(user, { title: 'signing', key: newSshKeyText(), usage_type: 'signing' });
    assert.equal(signing.body.usage_type, 'signing');
    assert.deepEqual((await api('GET', '/user/keys', auth)).body, [made.body, signing.body]);
    assert.deepEqual((await api('GET', `/user/keys/${made.body.id}`, auth)).body, made.body);
    for (const who of [user.id, user.username])
      assert.deepEqual((await api('GET', `/users/${who}/keys`, { token: null })).body, [made.body, signing.body]);
    assert.deepEqual((await api('GET', `/users/${user.id}/keys/${made.body.id}`, { token: null })).body, made.body);
    const plain = await server.http('GET', `/${user.username}.keys`);
    assert.equal(plain.status, 200);
    assert.match(plain.headers.get('content-type') ?? '', /^text\/plain/);
    assert.equal(plain.text, `${key.split(' ').slice(0, 2).join(' ')}\n`);
    assert.equal((await server.http('GET', '/nobody-of-this-name.keys')).status, 404);

    assert.equal((await api('DELETE', `/user/keys/${made.body.id}`, auth)).status, 204);
    const gone = await api('DELETE', `/user/keys/${made.body.id}`, auth);
    assert.deepEqual([gone.status, gone.body], [404, { message: '404 Key Not Found' }]);
    assert.equal((await add(user, { title: 'again', key })).status, 201);
  });

  it('are nobody else’s to remove, are unique, and are checked', async () => {
    const { world, api, token } = forge();
    const [user, other] = [await world.user(), await world.user()];
    const key = newSshKeyText();
    const made = await add(user, { title: 'mine', key });
    const foreign = await api('DELETE', `/user/keys/${made.body.id}`, { token: await token(other) });
    assert.equal(foreign.status, 404);
    assert.equal((await api('GET', `/users/${other.id}/keys/${made.body.id}`)).status, 404);
    const taken = await add(other, { title: 'also mine', key });
    assert.deepEqual(
      [taken.status, taken.body],
      [400, { message: { fingerprint: ['has already been taken'], key: ['has already been taken'] } }],
    );
    const bad = await add(other, { title: ' ', key: `${key}\nssh-rsa AAAA` });
    assert.deepEqual(bad.body, { message: { title: ["can't be blank"], key: ['is invalid'] } });
    assert.deepEqual((await add(other, { key })).body, { error: 'title is missing' });
    assert.equal(
      (await add(other, { title: 'x', key, usage_type: 'both' })).body.error,
      'usage_type does not have a valid value',
    );
    const racing = newSshKeyText();
    const both = await Promise.all([add(user, { title: 'a', key: racing }), add(other, { title: 'b', key: racing })]);
    assert.deepEqual(both.map((each) => each.status).sort(), [201, 400]);
  });

  it('need the scope api to change, and are refused to bots', async () => {
    const { world, api, token } = forge();
    const user = await world.user();
    const reading = { token: await token(user, ['read_user']) };
    assert.equal((await api('GET', '/user/keys', reading)).status, 200);
    const body = { title: 'x', key: newSshKeyText() };
    assert.equal((await api('POST', '/user/keys', { ...reading, body })).status, 403);
    assert.equal((await api('GET', '/user/keys', { token: null })).status, 401);
    const place = await world.project(await world.group());
    const bot = await world.user({ type: 'project_bot' });
    const issued = await world.issue({ kind: 'project_access_token', userId: bot.id, projectId: place.id });
    const asBot = { token: issued.secret.reveal() };
    assert.equal((await api('POST', '/user/keys', { ...asBot, body })).status, 403);
    assert.equal((await api('DELETE', '/user/keys/1', asBot)).status, 403);
    assert.equal((await api('POST', `/users/${bot.id}/keys`, { body })).status, 403);
  });

  it('are added, removed and looked up for others by administrators alone', async () => {
    const { world, api, token } = forge();
    const user = await world.user();
    const key = newSshKeyText();
    const body = { title: 'by root', key };
    assert.equal((await api('POST', `/users/${user.id}/keys`, { token: await token(user), body })).status, 403);
    const made = await api('POST', `/users/${user.id}/keys`, { body });
    assert.equal(made.status, 201);
    const fingerprint = encodeURIComponent(`SHA256:${sha256(key)}`);
    const found = await api('GET', `/keys?fingerprint=${fingerprint}`);
    assert.deepEqual([found.body.id, found.body.key, found.body.user.username], [made.body.id, key, user.username]);
    assert.equal(Object.hasOwn(found.body, 'deploy_keys_projects'), false);
    assert.deepEqual((await api('GET', `/keys?fingerprint=${found.body.fingerprint}`)).body, found.body);
    assert.deepEqual((await api('GET', `/keys/${made.body.id}`)).body, found.body);
    assert.equal((await api('GET', `/keys/${made.body.id}`, { token: await token(user) })).status, 403);
    const unknown = await api('GET', '/keys?fingerprint=SHA256:nothing');
    assert.deepEqual([unknown.status, unknown.body], [404, { message: '404 Key Not Found' }]);
    assert.equal((await api('GET', '/keys')).body.error, 'fingerprint is missing');
    assert.equal((await api('DELETE', `/users/${user.id}/keys/${made.body.id}`)).status, 204);
  });

  it('are cut where they are removed, and a deploy key where its creator is blocked', async () => {
    const { world, api, token, server } = forge();
    const user = await world.user();
    const open = async (text: string) => {
      const verified = await server.services.verifier.sshKey(sha256(text));
      assert.ok(verified.ok);
      return server.services.liveUses.open(verified.value).signal;
    };
    const [own, deploy] = [newSshKeyText(), newSshKeyText()];
    const made = await add(user, { title: 'laptop', key: own });
    const place = await world.project(await world.group());
    await world.member(user, { project: place }, 40);
    const auth = { token: await token(user) };
    const body = { title: 'ci', key: deploy };
    assert.equal((await api('POST', `/projects/${place.id}/deploy_keys`, { ...auth, body })).status, 201);
    const [first, second] = [await open(own), await open(deploy)];
    await api('DELETE', `/user/keys/${made.body.id}`, auth);
    assert.deepEqual([first.aborted, second.aborted], [true, false]);
    assert.equal((await api('POST', `/users/${user.id}/block`)).status, 201);
    assert.equal(second.aborted, true);
    const blocked = await server.services.verifier.sshKey(sha256(deploy));
    assert.equal(blocked.ok ? null : blocked.error.code, 'holder_blocked');
  });

  it('make tokens over SSH of any scope but sudo and admin_mode, for 30 days or as told', async () => {
    const { world } = forge();
    const user = await world.user();
    const key = newSshKeyText();
    await add(user, { title: 'laptop', key });
    const made = await overSsh(forge(), key, 'api,read_user');
    assert.ok(typeof made === 'object');
    assert.deepEqual([made.scopes, made.expiresOn], [['api', 'read_user'], '2026-03-31']);
    const verified = await world.verifier.token(made.secret);
    assert.ok(verified.ok && verified.value.holder.type === 'user' && verified.value.holder.user.id === user.id);
    const short = await overSsh(forge(), key, 'api', 1);
    assert.ok(typeof short === 'object');
    assert.equal(short.expiresOn, '2026-03-03');
    const invalid = /^Invalid scope: 'sudo'. Valid scopes are: \["api", /;
    assert.match(String(await overSsh(forge(), key, 'api,sudo')), invalid);
    assert.match(String(await overSsh(forge(), key, 'api', 400)), /^Expires at must be before 2027-03-01/);
    const deployKey = newSshKeyText();
    await forge().api('POST', '/deploy_keys', { body: { title: 'shared', key: deployKey } });
    assert.equal(await overSsh(forge(), deployKey, 'api'), 'kind_not_allowed');
  });
});

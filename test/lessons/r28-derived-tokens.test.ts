// Lesson R28 (Forgejo 15.0.2: an LFS token still worked after access was removed):
// 1. a member, a bot and a deploy key each get an LFS token;
// 2. the member is removed or demoted, the key revoked, the account blocked, the project hidden, the deploy key disabled;
// 3. within its half hour the token is used again.
// Rights are decided anew at each use, so it opens what its owner may open now.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('a token made from a key', () => {
  let lab: Lab;
  let group: Namespace;
  const object = { oid: 'a'.repeat(64), size: 1 };

  before(async () => {
    lab = await openLab();
    group = await lab.world.group();
  });
  after(() => lab?.stop());

  const batch = async (project: Project, who: Record<string, string>, operation: string) => {
    const body = JSON.stringify({ operation, objects: [object] });
    return lab.raw('POST', `/${project.full_path}.git/info/lfs/objects/batch`, who, body);
  };

  async function member(): Promise<{ user: User; project: Project; who: Record<string, string>; keyId: number }> {
    const project = await lab.project(group);
    const user = await lab.world.user();
    await lab.world.member(user, { project }, 30);
    const { credential, secret } = await lab.world.issue({
      kind: 'personal_access_token',
      userId: user.id,
      scopes: ['write_repository'],
    });
    const asked = await batch(project, basic('x', secret.reveal()), 'upload');
    const { Authorization } = JSON.parse(asked.text).objects[0].actions.upload.header;
    const who = { authorization: Authorization };
    assert.equal((await batch(project, who, 'upload')).status, 200);
    return { user, project, who, keyId: credential.id };
  }
  const both = async (project: Project, who: Record<string, string>) => [
    (await batch(project, who, 'upload')).status,
    (await batch(project, who, 'download')).status,
  ];

  test('is worth nothing when its owner is removed', async () => {
    const { user, project, who } = await member();
    assert.equal((await lab.api('DELETE', `/projects/${project.id}/members/${user.id}`)).status, 204);
    assert.deepEqual(await both(project, who), [404, 404]);
  });

  test('writes nothing when its owner may only read', async () => {
    const { user, project, who } = await member();
    const body = { access_level: 20 };
    assert.equal((await lab.api('PUT', `/projects/${project.id}/members/${user.id}`, { body })).status, 200);
    assert.deepEqual(await both(project, who), [403, 200]);
  });

  test('dies with its key, with the account and with the project', async () => {
    const revoked = await member();
    assert.equal((await lab.api('DELETE', `/personal_access_tokens/${revoked.keyId}`)).status, 204);
    assert.deepEqual(await both(revoked.project, revoked.who), [401, 401]);
    const rotated = await member();
    assert.equal((await lab.api('POST', `/personal_access_tokens/${rotated.keyId}/rotate`)).status, 200);
    assert.deepEqual(await both(rotated.project, rotated.who), [401, 401]);
    const blocked = await member();
    assert.equal((await lab.api('POST', `/users/${blocked.user.id}/block`)).status, 201);
    assert.deepEqual(await both(blocked.project, blocked.who), [401, 401]);
    const gone = await member();
    assert.equal((await lab.api('DELETE', `/projects/${gone.project.id}`)).status, 202);
    assert.deepEqual(await both(gone.project, gone.who), [404, 404]);
  });

  test('does not follow its path to a project that came there later', async () => {
    const { user, project, who } = await member();
    const path = project.path;
    const renamed = await lab.api('PUT', `/projects/${project.id}`, { body: { path: `${path}-old` } });
    assert.equal(renamed.status, 200);
    const next = await lab.project(group, { path, name: 'another' });
    await lab.world.member(user, { project: next }, 30);
    assert.equal(next.full_path, project.full_path);
    assert.deepEqual(await both(next, who), [404, 404]);
    assert.deepEqual(await both({ ...project, full_path: `${project.full_path}-old` }, who), [200, 200]);
  });

  test('of a bot dies with the bot', async () => {
    const project = await lab.project(group);
    const bot = await lab.bot(project, 30);
    const asked = await batch(project, basic('x', bot.token), 'upload');
    const who = { authorization: JSON.parse(asked.text).objects[0].actions.upload.header.Authorization };
    assert.deepEqual(await both(project, who), [200, 200]);
    assert.equal((await lab.api('DELETE', `/projects/${project.id}/access_tokens/${bot.id}`)).status, 204);
    assert.deepEqual(await both(project, who), [401, 401]);
  });
});

// Lesson R23 (CVE-2026-58435: an LFS token of a read-only deploy key wrote; CVE-2026-20897: locks of other repositories were
// deleted by id) and the part of R26 that is LFS (an object was served from a repository that does not hold it):
// 1. a read-only deploy key asks for an LFS token, and uses it to upload;
// 2. a token of one repository is used at another that its owner may write, and the other way round;
// 3. objects and locks of a foreign repository are asked for through one's own.
// A token does what it was made for, where it was made for; ids are found only in their own repository.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { insertGrant } from '../../src/access/deploy-key-store.ts';
import { atProject } from '../../src/access/place.ts';
import { lfsAuthenticate } from '../../src/doors/http/lfs-authenticate.ts';
import type { Project, User } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('an LFS token', () => {
  let lab: Lab;
  let here: Project;
  let there: Project;
  let user: User;
  let token: string;
  const object = { oid: 'a'.repeat(64), size: 1 };

  before(async () => {
    lab = await openLab();
    const group = await lab.world.group();
    here = await lab.project(group);
    there = await lab.project(group);
    user = await lab.world.user();
    await lab.world.member(user, { group }, 40);
    token = await lab.pat(user, 'api');
  });
  after(() => lab?.stop());

  const post = async (project: Project, path: string, who: Record<string, string>, body: unknown) => {
    const answer = await lab.raw('POST', `/${project.full_path}.git/info/lfs/${path}`, who, JSON.stringify(body));
    return { status: answer.status, body: answer.text.startsWith('{') ? JSON.parse(answer.text) : null };
  };
  const batch = (project: Project, who: Record<string, string>, operation: string, objects: object[] = [object]) =>
    post(project, 'objects/batch', who, { operation, objects });

  async function tokenOf(project: Project): Promise<Record<string, string>> {
    const body = (await batch(project, basic('x', token), 'upload')).body;
    return { authorization: body.objects[0].actions.upload.header.Authorization };
  }

  async function deployKeyToken(canPush: boolean, operation: 'download' | 'upload') {
    const { services } = lab.server;
    const key = await lab.world.sshKey({ kind: 'deploy_key', userId: user.id });
    const grant = { keyId: key.id, projectId: here.id, canPush };
    await services.db.tx((tx) => insertGrant(tx, grant, services.clock.now()));
    const proven = await services.verifier.byId(key.id);
    assert.ok(proven.ok);
    const pull = { action: 'repository:pull', place: atProject(here.id) } as const;
    const place = await decide(services.db.read, services.clock, proven.value, pull);
    assert.ok(place.ok);
    const answer = await lfsAuthenticate(services, proven.value, place.value.place, operation);
    const { Authorization } = answer!['header'] as { Authorization: string };
    return { authorization: Authorization };
  }

  test('of a read-only deploy key only reads, whatever operation was asked for', async () => {
    for (const operation of ['download', 'upload'] as const) {
      const who = await deployKeyToken(false, operation);
      assert.equal((await batch(here, who, 'download')).status, 200);
      assert.equal((await batch(here, who, 'upload')).status, 403, operation);
      const bytes = randomBytes(5);
      const oid = createHash('sha256').update(bytes).digest('hex');
      const target = `/${here.full_path}.git/gitlab-lfs/objects/${oid}/5`;
      assert.equal((await lab.raw('PUT', target, who, bytes)).status, 403);
      assert.equal((await post(here, 'locks', who, { path: 'a' })).status, 403);
      assert.equal((await post(here, 'locks/verify', who, {})).status, 403);
    }
  });

  test('for downloads uploads nothing, though its deploy key might', async () => {
    const down = await deployKeyToken(true, 'download');
    assert.equal((await batch(here, down, 'upload')).status, 403);
    const up = await deployKeyToken(true, 'upload');
    assert.equal((await batch(here, up, 'upload')).status, 200);
    assert.equal((await post(here, 'locks/verify', up, {})).status, 200);
    assert.equal((await post(here, 'locks', up, { path: 'a' })).status, 403, 'locks are people’s');
  });

  test('opens the repository that it was made for, and no other that its owner may write', async () => {
    const who = await tokenOf(here);
    assert.equal((await batch(here, who, 'upload')).status, 200);
    assert.equal((await batch(there, who, 'upload')).status, 404);
    assert.equal((await batch(there, who, 'download')).status, 404);
    assert.equal((await post(there, 'locks', who, { path: 'a' })).status, 404);
    const target = `/${there.full_path}.git/gitlab-lfs/objects/${object.oid}/1`;
    assert.equal((await lab.raw('PUT', target, who, 'x')).status, 404);
  });

  test('objects are found only in the repository that holds them', async () => {
    const bytes = randomBytes(40);
    const oid = createHash('sha256').update(bytes).digest('hex');
    const who = basic('x', token);
    const at = (project: Project) => `/${project.full_path}.git/gitlab-lfs/objects/${oid}`;
    assert.equal((await lab.raw('PUT', `${at(there)}/40`, who, bytes)).status, 200);
    assert.equal((await lab.raw('GET', at(here), who)).status, 404);
    const asked = await batch(here, who, 'download', [{ oid, size: 40 }]);
    assert.equal(asked.body.objects[0].error.code, 404);
    const upload = await batch(here, who, 'upload', [{ oid, size: 40 }]);
    assert.ok(upload.body.objects[0].actions.upload, 'to have its name is not to have it');
    assert.equal((await lab.raw('GET', at(there), who)).status, 200);
  });

  test('locks are found only in the repository that holds them', async () => {
    const who = basic('x', token);
    const { lock } = (await post(there, 'locks', who, { path: 'theirs' })).body;
    const other = await lab.world.user();
    await lab.world.member(other, { project: here }, 50);
    const attacker = basic('x', await lab.pat(other, 'api'));
    for (const force of [true, false])
      assert.equal((await post(here, `locks/${lock.id}/unlock`, attacker, { force })).status, 404);
    const seen = await lab.raw('GET', `/${here.full_path}.git/info/lfs/locks?id=${lock.id}`, attacker);
    assert.deepEqual(JSON.parse(seen.text), { locks: [] });
    assert.equal((await post(there, `locks/${lock.id}/unlock`, who, {})).status, 200, 'it is still there');
  });
});

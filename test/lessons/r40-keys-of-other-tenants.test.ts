// Lesson R40 (CVE-2026-40264: another tenant's administrator could revoke or renew by accessor):
// 1. two tenants each own a group with a subgroup, a project in it, and keys of every sort that has an id;
// 2. the owner of the one reads, rotates and revokes by the ids of the other: at his own places, at the other's, and at the routes
//    that take an id alone; so does a bot of his group, and the key of his that has every scope he can have;
// 3. one of them is told of, renewed or ended.
// Every such id is as missing as one that nobody has, and every key of the other lives on as it was.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace, Project } from '../../src/identity/records.ts';
import { newSshKeyText } from '../support/world.ts';
import { type Lab, openLab } from './lab.ts';

interface Tenant {
  readonly group: Namespace;
  readonly project: Project;
  /** the owner's key, and that of a bot of the group with role Owner */
  readonly keys: readonly string[];
  /** ids of keys by sort */
  readonly ids: Readonly<Record<'personal' | 'project' | 'group' | 'deploy' | 'groupDeploy' | 'deployKey', number>>;
}

describe('a key of another tenant', () => {
  let lab: Lab;
  let mine: Tenant;
  let theirs: Tenant;

  async function tenant(): Promise<Tenant> {
    const user = await lab.world.user({});
    const top = await lab.world.group({});
    const group = await lab.world.group({ parent: top });
    const project = await lab.project(group);
    await lab.world.member(user, { group: top }, 50);
    const own = await lab.world.issue({ kind: 'personal_access_token', userId: user.id });
    const token = own.secret.reveal();
    const make = async (path: string, body: object) => {
      const made = await lab.api('POST', path, { token, body });
      assert.equal(made.status, 201, `${path}: ${made.text}`);
      return made.body as { id: number; token: string };
    };
    const bot = { name: 'b', scopes: ['api'], access_level: 50, expires_at: '2026-06-01' };
    const deploy = { name: 'd', scopes: ['read_repository'] };
    const at = { project: `/projects/${project.id}`, group: `/groups/${group.id}` };
    const groupToken = await make(`${at.group}/access_tokens`, bot);
    return {
      group,
      project,
      keys: [token, groupToken.token],
      ids: {
        personal: own.credential.id,
        project: (await make(`${at.project}/access_tokens`, bot)).id,
        group: groupToken.id,
        deploy: (await make(`${at.project}/deploy_tokens`, deploy)).id,
        groupDeploy: (await make(`${at.group}/deploy_tokens`, deploy)).id,
        deployKey: (await make(`${at.project}/deploy_keys`, { title: 'k', key: newSshKeyText() })).id,
      },
    };
  }

  before(async () => {
    lab = await openLab();
    mine = await tenant();
    theirs = await tenant();
  });
  after(() => lab?.stop());

  function attempts(at: Tenant, id: number): [string, string, object?][] {
    const all: [string, string, object?][] = [];
    for (const place of [`/projects/${at.project.id}`, `/groups/${at.group.id}`])
      for (const sort of ['access_tokens', 'deploy_tokens']) {
        const one = `${place}/${sort}/${id}`;
        all.push(['GET', one], ['DELETE', one], ['POST', `${one}/rotate`, { expires_at: '2026-05-01' }]);
      }
    const key = `/projects/${at.project.id}/deploy_keys/${id}`;
    all.push(['GET', key], ['DELETE', key], ['PUT', key, { can_push: true }], ['POST', `${key}/enable`]);
    const alone = `/personal_access_tokens/${id}`;
    all.push(['GET', alone], ['DELETE', alone], ['POST', `${alone}/rotate`, { expires_at: '2026-05-01' }]);
    all.push(['GET', `/keyward/credentials/${id}`], ['GET', `/keyward/credentials/${id}/reach`]);
    all.push(['POST', '/keyward/explain', { credential_id: id, action: 'instance:read' }]);
    return all;
  }

  test('is neither read, nor rotated, nor revoked by id, wherever it is named', async () => {
    const before = lab.snapshot();
    for (const token of mine.keys)
      for (const id of Object.values(theirs.ids))
        for (const at of [mine, theirs])
          for (const [method, path, body] of attempts(at, id)) {
            const answer = await lab.api(method, path, { token, body });
            const said = `${method} ${path}: ${answer.status} ${answer.text}`;
            assert.ok([400, 401, 403, 404].includes(answer.status), said);
            assert.doesNotMatch(answer.text, /"(?:token|scopes|username)":/, said);
          }
    assert.deepEqual(lab.snapshot(), before);
  });

  test('is the other`s to read and rotate, or the refusals would show nothing', async () => {
    const [token = ''] = theirs.keys;
    for (const [path, id] of [
      [`/projects/${theirs.project.id}/access_tokens`, theirs.ids.project],
      [`/projects/${theirs.project.id}/deploy_tokens`, theirs.ids.deploy],
      [`/groups/${theirs.group.id}/deploy_tokens`, theirs.ids.groupDeploy],
      [`/projects/${theirs.project.id}/deploy_keys`, theirs.ids.deployKey],
      ['/personal_access_tokens', theirs.ids.personal],
    ] as const)
      assert.equal((await lab.api('GET', `${path}/${id}`, { token })).status, 200, path);
  });

  test('answers as an id that nobody has', async () => {
    for (const make of [
      (id: number) => `/personal_access_tokens/${id}`,
      (id: number) => `/projects/${mine.project.id}/access_tokens/${id}`,
      (id: number) => `/groups/${mine.group.id}/access_tokens/${id}`,
      (id: number) => `/keyward/credentials/${id}`,
    ])
      for (const method of ['GET', 'DELETE']) {
        if (method === 'DELETE' && make(1).includes('keyward')) continue;
        const [foreign, missing] = [theirs.ids.project, 999_999];
        const one = await lab.api(method, make(foreign), { token: mine.keys[0]! });
        const other = await lab.api(method, make(missing), { token: mine.keys[0]! });
        assert.equal(`${one.status} ${one.text}`, `${other.status} ${other.text}`, `${method} ${make(foreign)}`);
      }
  });
});

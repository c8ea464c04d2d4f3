// Lesson R26 (CVE-2023-49946: an object was not checked to belong to the repository):
// 1. two tenants each own a group and a project with keys, branches, commits and members;
// 2. the one names his own place and the other's ids: to read, to rotate, to revoke, to change;
// 3. one of them is found.
// Every foreign id is missing, and nothing of the other changes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { newSshKeyText } from '../support/world.ts';
import { type Lab, openLab } from './lab.ts';

interface Tenant {
  readonly user: User;
  readonly group: Namespace;
  readonly project: Project;
  readonly token: string;
  readonly tokenId: number;
  readonly projectToken: number;
  readonly groupToken: number;
  readonly deployToken: number;
  readonly groupDeployToken: number;
  readonly deployKey: number;
  readonly commit: string;
}

describe('an id of another place', () => {
  let lab: Lab;
  let mine: Tenant;
  let theirs: Tenant;

  async function tenant(text: string): Promise<Tenant> {
    const user = await lab.world.user({});
    const group = await lab.world.group({});
    const project = await lab.project(group, {}, { 'own.txt': text });
    await lab.world.member(user, { group }, 50);
    const own = await lab.world.issue({ kind: 'personal_access_token', userId: user.id });
    const token = own.secret.reveal();
    const make = async (path: string, body: object) => {
      const made = await lab.api('POST', path, { token, body });
      assert.equal(made.status, 201, `${path}: ${made.text}`);
      return made.body.id as number;
    };
    const bot = { name: 'b', scopes: ['read_api'], access_level: 10, expires_at: '2026-06-01' };
    const deploy = { name: 'd', scopes: ['read_repository'] };
    const commits = await lab.api('GET', `/projects/${project.id}/repository/commits`, { token });
    return {
      user,
      group,
      project,
      token,
      tokenId: own.credential.id,
      projectToken: await make(`/projects/${project.id}/access_tokens`, bot),
      groupToken: await make(`/groups/${group.id}/access_tokens`, bot),
      deployToken: await make(`/projects/${project.id}/deploy_tokens`, deploy),
      groupDeployToken: await make(`/groups/${group.id}/deploy_tokens`, deploy),
      deployKey: await make(`/projects/${project.id}/deploy_keys`, { title: 'k', key: newSshKeyText() }),
      commit: commits.body[0].id,
    };
  }

  before(async () => {
    lab = await openLab();
    mine = await tenant('mine');
    theirs = await tenant('theirs');
  });
  after(() => lab?.stop());

  test('of keys, commits and members is missing at one`s own place', async () => {
    const here = [`/projects/${mine.project.id}`, `/groups/${mine.group.id}`] as const;
    const attempts: [string, string, object?][] = [];
    const tokens = [theirs.projectToken, theirs.groupToken, theirs.tokenId, theirs.deployToken, theirs.deployKey];
    for (const at of here)
      for (const id of tokens) {
        attempts.push(['GET', `${at}/access_tokens/${id}`], ['DELETE', `${at}/access_tokens/${id}`]);
        attempts.push(['POST', `${at}/access_tokens/${id}/rotate`], ['GET', `${at}/deploy_tokens/${id}`]);
        attempts.push(['DELETE', `${at}/deploy_tokens/${id}`], ['POST', `${at}/deploy_tokens/${id}/rotate`]);
      }
    for (const id of tokens) {
      attempts.push(['GET', `${here[0]}/deploy_keys/${id}`], ['DELETE', `${here[0]}/deploy_keys/${id}`]);
      attempts.push(['PUT', `${here[0]}/deploy_keys/${id}`, { can_push: true }]);
      attempts.push(['POST', `${here[0]}/deploy_keys/${id}/enable`]);
      attempts.push(['GET', `/personal_access_tokens/${id}`], ['DELETE', `/personal_access_tokens/${id}`]);
      attempts.push(['POST', `/personal_access_tokens/${id}/rotate`], ['GET', `/keyward/credentials/${id}`]);
      attempts.push(['GET', `/keyward/credentials/${id}/reach`]);
    }
    for (const at of here) {
      attempts.push(['GET', `${at}/members/${theirs.user.id}`], ['DELETE', `${at}/members/${theirs.user.id}`]);
      attempts.push(['PUT', `${at}/members/${theirs.user.id}`, { access_level: 10 }]);
    }
    const code = `${here[0]}/repository`;
    for (const path of ['', '/diff', '/refs', '/signature'])
      attempts.push(['GET', `${code}/commits/${theirs.commit}${path}`]);
    attempts.push(['GET', `${code}/archive.tar?sha=${theirs.commit}`], ['GET', `${code}/tree?ref=${theirs.commit}`]);
    attempts.push(['GET', `${code}/files/own.txt/raw?ref=${theirs.commit}`]);
    attempts.push(['POST', `${code}/branches`, { branch: 'taken', ref: theirs.commit }]);
    attempts.push(['POST', `${code}/commits/${theirs.commit}/cherry_pick`, { branch: 'main' }]);

    const before = lab.snapshot();
    for (const [method, path, body] of attempts) {
      const answer = await lab.api(method, path, { token: mine.token, body });
      assert.ok([400, 401, 404].includes(answer.status), `${method} ${path}: ${answer.status} ${answer.text}`);
    }
    assert.deepEqual(lab.snapshot(), before);
  });
});

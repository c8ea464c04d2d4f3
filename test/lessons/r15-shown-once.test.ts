// Lesson R15 (CVE-2022-0735: shared registration tokens could be read again; CVSS 10):
// 1. keys of every kind have been made, through the routes that show each once;
// 2. an administrator, who may read anything, reads every route with `api`, and so does a signed-in browser;
// 3. one answer shows a key again.
// None does: after the answer that made it, a key is nowhere to be read.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Lab, openLab, readEverything } from './lab.ts';

describe('a key', () => {
  let lab: Lab;
  let values: Record<string, string | number>;
  const secrets: string[] = [];

  before(async () => {
    lab = await openLab();
    const group = await lab.world.group({});
    const project = await lab.project(group);
    const user = await lab.world.user({});
    values = { projects: project.id, groups: group.id, users: user.id, user_id: user.id, sha: 'main', branch: 'main' };
    const dated = { name: 'k', scopes: ['api'], expires_at: '2026-06-01' };
    for (const [path, body] of [
      [`/users/${user.id}/personal_access_tokens`, dated],
      [`/users/${user.id}/impersonation_tokens`, dated],
      [`/projects/${project.id}/access_tokens`, { ...dated, access_level: 30 }],
      [`/groups/${group.id}/access_tokens`, { ...dated, access_level: 30 }],
      [`/projects/${project.id}/deploy_tokens`, { name: 'd', scopes: ['read_repository'] }],
      [`/groups/${group.id}/deploy_tokens`, { name: 'gitlab-deploy-token', scopes: ['read_repository'] }],
    ] as const) {
      const made = await lab.api('POST', path, { body });
      assert.equal(made.status, 201, `${path}: ${made.text}`);
      secrets.push(made.body.token);
      if (path.includes('deploy')) continue;
      const rotated = await lab.api('POST', `/personal_access_tokens/${made.body.id}/rotate`, {
        body: { expires_at: '2026-05-01' },
      });
      if (rotated.status === 200) secrets.push(rotated.body.token);
      values['token_id'] = made.body.id;
      values['credential_id'] = made.body.id;
    }
    for (const kind of ['trigger_token', 'job_token'] as const)
      secrets.push(await lab.key({ kind, userId: user.id, projectId: project.id, scopes: [] }));
    secrets.push(await lab.key({ kind: 'runner_token', runnerId: 1, scopes: [] }));
    assert.ok(secrets.length >= 12, String(secrets.length));
  });
  after(() => lab?.stop());

  test('is in no answer to an administrator`s token', async () => {
    for (const [route, { text }] of await readEverything(lab, lab.server.rootToken, values))
      for (const secret of secrets) assert.ok(!text.includes(secret), `${route} shows a key`);
  });

  test('is in no answer to a browser', async () => {
    const body = { login: 'root', password: lab.server.rootPassword };
    const signedIn = await lab.api('POST', '/keyward/session', { token: null, body });
    assert.equal(signedIn.status, 201, signedIn.text);
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    for (const path of [
      '/personal_access_tokens?per_page=100',
      '/keyward/credentials?per_page=100',
      '/deploy_tokens',
      '/user',
    ]) {
      const { status, text } = await lab.api('GET', path, { token: null, headers: { cookie } });
      assert.equal(status, 200, text);
      for (const secret of secrets) assert.ok(!text.includes(secret), path);
    }
  });
});

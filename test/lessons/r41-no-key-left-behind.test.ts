// Lesson R41 (GO-2024-3113: client tokens in audit logs; a job token in the text of an LFS error):
// 1. keys of every kind are made, presented in every channel, mistyped, revoked, rotated, and named in paths and bodies that fail;
// 2. somebody reads the log at its most talkative, the audit, the metrics, the refusals, and every file of the data folder;
// 3. one of them holds a key.
// None does. The same search ends every server of every test (test/support/canary.ts) and the whole run (test/run.ts).
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { expectNoSecret, remember, searchFolder, secretsIn } from '../support/canary.ts';
import { basic, type Lab, openLab } from './lab.ts';

async function useEverything(lab: Lab): Promise<string[]> {
  const { world, api } = lab;
  const user = await world.user({});
  const group = await world.group({});
  const project = await lab.project(group);
  await world.member(user, { group }, 50);
  const secrets = [await lab.pat(user, 'api'), (await lab.bot(project, 40)).token];
  for (const kind of ['job_token', 'trigger_token'] as const)
    secrets.push(await lab.key({ kind, userId: user.id, projectId: project.id, scopes: [] }));
  secrets.push(await lab.key({ kind: 'runner_token', runnerId: 1, scopes: [] }));
  const deploy = { name: 'gitlab-deploy-token', username: 'd', scopes: ['read_repository'] };
  secrets.push((await api('POST', `/projects/${project.id}/deploy_tokens`, { body: deploy })).body.token);
  const password = `a long password ${secrets[0]!.slice(6, 12)}`;
  remember(password);
  secrets.push(password);
  await api('PUT', `/users/${user.id}`, { body: { password } });
  for (const token of secrets) {
    const path = `/api/v4/projects/${project.id}`;
    for (const headers of [
      { 'private-token': token },
      { authorization: `Bearer ${token}` },
      { 'job-token': token },
      { 'deploy-token': token },
      { cookie: `_gitlab_session=${token}` },
      basic('x', token),
      basic(token, 'x'),
    ] as Record<string, string>[]) {
      await lab.raw('GET', path, headers);
      await lab.raw('POST', `${path}/archive`, headers);
      await lab.raw('GET', `/${project.full_path}.git/info/refs?service=git-receive-pack`, headers);
      await lab.raw('GET', `/no/${encodeURIComponent(token)}.git/info/refs?service=git-upload-pack`, headers);
    }
    const escaped = encodeURIComponent(token);
    for (const target of [
      `${path}?private_token=${escaped}&x=%`,
      `${path}?access_token=${escaped}`,
      `${path}?job_token=${escaped}`,
      `/api/v4/personal_access_tokens/${escaped}`,
      `/${escaped}/x/info/refs`,
      `/-/metrics?token=${escaped}`,
    ])
      await lab.raw('GET', target);
    for (const body of [
      { token },
      { private_token: token },
      { password: token, login: 'x' },
      { name: 'n', scopes: [token] },
    ])
      for (const at of ['/admin/token', '/keyward/explain', '/keyward/session', '/user/personal_access_tokens'])
        await lab.api('POST', at, { token: null, body }).catch(() => {});
    const tree = await lab.folder();
    await lab.git(tree, 'clone', '-q', lab.remote(project, 'x', token), 'clone');
    await api('POST', '/personal_access_tokens/self/rotate', {
      token,
      headers: { 'idempotency-key': 'k' },
      body: { overlap: 60 },
    });
    await api('DELETE', '/personal_access_tokens/self', { token });
    await api('GET', '/user', { token });
  }
  secrets.push(...(await useDerived(lab, await lab.pat(user, 'api'), project.full_path)));
  await lab.server.services.verifier.flush();
  await lab.server.services.refusals.flush?.();
  return secrets;
}

/** What is made from a key or a password: a session with its CSRF text, and LFS tokens, used rightly and wrongly. */
async function useDerived(lab: Lab, token: string, path: string): Promise<string[]> {
  const body = { login: 'root', password: lab.server.rootPassword };
  const signedIn = await lab.api('POST', '/keyward/session', { token: null, body });
  assert.equal(signedIn.status, 201, signedIn.text);
  const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
  const csrf: string = signedIn.body.csrf_token;
  const proofs: Record<string, string>[] = [{}, { 'x-csrf-token': csrf }, { 'x-csrf-token': `${csrf}x` }];
  for (const proof of proofs) {
    const headers = { cookie, ...proof };
    await lab.api('GET', '/user', { token: null, headers });
    const wish = { name: 'made in a browser', scopes: ['api'] };
    await lab.api('POST', '/user/personal_access_tokens', { token: null, headers, body: wish });
  }
  await lab.api('POST', `/projects/${encodeURIComponent(path)}/unarchive`);
  const batch = (who: Record<string, string>) => {
    const wanted = JSON.stringify({ operation: 'upload', objects: [{ oid: 'a'.repeat(64), size: 1 }] });
    return lab.raw('POST', `/${path}.git/info/lfs/objects/batch`, who, wanted);
  };
  const asked = await batch(basic('x', token));
  const { Authorization } = JSON.parse(asked.text).objects[0].actions.upload.header;
  const [login = '', derived = ''] = Buffer.from(Authorization.slice('Basic '.length), 'base64').toString().split(':');
  for (const who of [{ authorization: Authorization }, basic('other', derived), basic(login, `${derived}0`)])
    await batch(who as Record<string, string>);
  await lab.raw('PUT', `/${path}.git/gitlab-lfs/objects/${'a'.repeat(64)}/1`, { authorization: Authorization }, 'x');
  await lab.api('DELETE', '/keyward/session', { token: null, headers: { cookie, 'x-csrf-token': csrf } });
  await batch({ authorization: Authorization });
  return [cookie.slice(cookie.indexOf('=') + 1), csrf, derived];
}

for (const engine of ['sqlite', 'postgres'] as const)
  test(`what was used in every way is in no log, table, file, metric or refusal (${engine})`, async () => {
    const log: string[] = [];
    const lab = await openLab({ engine, log: (line) => log.push(line) });
    const secrets = await useEverything(lab);
    assert.ok(log.length > 200, String(log.length));
    assert.deepEqual(secretsIn(log.join(''), secrets), []);
    const events = await lab.api('GET', '/audit_events?per_page=100');
    assert.ok(events.body.length > 5);
    assert.deepEqual(secretsIn(events.text, secrets), []);
    // Stopping searches the database, the files, the metrics and every refusal that was answered.
    await lab.stop();
  });

describe('the search itself', () => {
  test('finds a secret in a file, and says so without repeating it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-canary-'));
    try {
      remember('glpat-CanaryCanaryCanary1');
      await writeFile(join(folder, 'x.log'), 'before glpat-CanaryCanaryCanary1 after');
      const found = searchFolder(folder);
      assert.deepEqual(found, ['x.log: glpat-Can…']);
      assert.throws(() => expectNoSecret(found), /secrets were found/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

// Who a request is: every channel, their order, every refusal in its exact words, sudo, the limit on failures, and what the
// audit remembers (reference access-tokens 2).
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { endCredential } from '../../../src/credentials/end.ts';
import type { Issued } from '../../../src/credentials/issue.ts';
import { rotateCredential } from '../../../src/credentials/rotate.ts';
import type { Project, User } from '../../../src/identity/records.ts';
import { MINUTE } from '../../../src/kernel/clock.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { type Engine, forEachEngine } from '../../support/engines.ts';
import { eventually, type RestWorld, startRest } from '../../support/rest.ts';
import { testRoutes } from '../../support/rest-routes.ts';
import { START } from '../../support/world.ts';

const OAUTH = (text: string) => ({ error: 'invalid_token', error_description: text });
const CHALLENGE = (text: string) =>
  `Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="${text}"`;
const SCOPE = (scope: string) => ({
  error: 'insufficient_scope',
  error_description: 'The request requires higher privileges than provided by the access token.',
  scope,
});
const UNAUTHORIZED = { message: '401 Unauthorized' };

forEachEngine('who a request is', (engine) => {
  let rest: RestWorld;
  let alice: User;
  let root: User;
  let token: Issued;
  let text: string;
  let publicProject: Project;
  let privateProject: Project;

  before(async () => {
    rest = await start(engine);
    alice = await rest.user({ username: 'alice' });
    root = await rest.user({ username: 'root', admin: 1 });
    token = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
    text = token.secret.reveal();
    const group = await rest.group({ visibility: 'public' });
    publicProject = await rest.project(group, { visibility: 'public', path: 'open' });
    privateProject = await rest.project(group, { visibility: 'private', path: 'shut' });
  });

  describe('channels', () => {
    const garbage = 'glpat-xxxxxxxxxxxxxxxxxxxx';

    test('every channel of reference access-tokens 2.1 is read', async () => {
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const ways = [
        () => rest.call('GET', '/api/v4/whoami', { headers: { 'private-TOKEN': text } }),
        () => rest.call('GET', '/api/v4/whoami', { headers: { authorization: `bEARER ${text}` } }),
        () => rest.call('GET', `/api/v4/whoami?private_token=${text}`),
        () => rest.call('GET', `/api/v4/whoami?access_token=${text}`),
        () => rest.call('GET', '/api/v4/whoami', { headers: form, body: `private_token=${text}` }),
        () =>
          rest.call('GET', '/api/v4/whoami', {
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ private_token: text }),
          }),
      ];
      for (const [index, way] of ways.entries()) {
        const answer = await way();
        assert.equal(answer.status, 200, `way ${index}: ${answer.text}`);
        assert.equal(answer.body.name, 'alice');
        assert.equal(answer.headers['set-cookie'], undefined);
      }
    });

    test('the first present value is final: parameter, then header, then Bearer', async () => {
      const bad = await rest.call('GET', `/api/v4/whoami?private_token=${garbage}`, { token: text });
      assert.equal(bad.status, 401);
      const good = await rest.call('GET', `/api/v4/whoami?private_token=${text}`, { token: garbage });
      assert.equal(good.status, 200);
      const header = await rest.call('GET', '/api/v4/whoami', {
        token: garbage,
        headers: { authorization: `Bearer ${text}` },
      });
      assert.equal(header.status, 401);
    });

    test('an empty value is not there', async () => {
      const answer = await rest.call('GET', '/api/v4/whoami?private_token=', {
        token: '',
        headers: { authorization: `Bearer ${text}` },
      });
      assert.equal(answer.status, 200);
    });

    test('a parameter that is a list is garbage, not absent', async () => {
      const answer = await rest.call('GET', '/api/v4/whoami?private_token[]=a', { token: text });
      assert.equal(answer.status, 401);
    });

    test('a Bearer header and an access_token at once are an invalid request', async () => {
      const answer = await rest.call('GET', `/api/v4/whoami?access_token=${text}`, {
        headers: { authorization: `Bearer ${text}` },
      });
      assert.equal(answer.status, 400);
      assert.equal(answer.body.error, 'invalid_request');
    });

    test('a job token in PRIVATE-TOKEN, Basic, and DEPLOY-TOKEN are not read: the answer is the anonymous one', async () => {
      const basic = `Basic ${Buffer.from(`alice:${text}`).toString('base64')}`;
      for (const headers of [
        { 'private-token': 'glcbt-64_abcdefghijklmnopqrst' },
        { authorization: 'Bearer glcbt-64_abcdefghijklmnopqrst' },
        { 'job-token': text },
        { 'deploy-token': text },
        { authorization: basic },
      ] as Record<string, string>[]) {
        assert.equal((await rest.call('GET', `/api/v4/projects/${publicProject.id}`, { headers })).status, 200);
        const answer = await rest.call('GET', '/api/v4/whoami', { headers });
        assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED]);
        assert.equal(answer.headers['www-authenticate'], undefined);
      }
    });

    test('a living deploy token is unknown here, on public projects too', async () => {
      const deploy = await rest.issue({
        kind: 'deploy_token',
        projectId: publicProject.id,
        scopes: ['read_repository'],
        username: 'deployer',
      });
      const answer = await rest.call('GET', `/api/v4/projects/${publicProject.id}`, { token: deploy.secret.reveal() });
      assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED]);
    });
  });

  describe('refusals', () => {
    test('nobody where somebody is needed', async () => {
      const answer = await rest.call('GET', '/api/v4/whoami');
      assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED]);
      assert.equal(answer.headers['content-type'], 'application/json');
    });

    test('an unknown or mistyped token is 401, on public places too', async () => {
      for (const bad of ['glpat-xxxxxxxxxxxxxxxxxxxx', 'nonsense', `${text}x`, 'ü', "' or 1=1"]) {
        const answer = await rest.call(
          'GET',
          `/api/v4/projects/${publicProject.id}?private_token=${encodeURIComponent(bad)}`,
        );
        assert.deepEqual([answer.status, answer.body], [401, UNAUTHORIZED], bad);
        assert.equal(answer.headers['www-authenticate'], undefined);
      }
    });

    test('an expired token says so, even when it was revoked too', async () => {
      const dead = await rest.issue({
        kind: 'personal_access_token',
        userId: alice.id,
        expiresAt: Date.UTC(2026, 2, 1),
      });
      await rest.house.db.tx((tx) => endCredential(tx, rest.house, dead.credential.id, 'revoked'));
      const answer = await rest.call('GET', '/api/v4/whoami', { token: dead.secret.reveal() });
      const sentence = 'Token is expired. You can either do re-authorization or token refresh.';
      assert.deepEqual([answer.status, answer.body], [401, OAUTH(sentence)]);
      assert.equal(answer.headers['www-authenticate'], CHALLENGE(sentence));
    });

    test('a revoked token says so, and its use is written to the audit once a minute', async () => {
      const dead = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
      await rest.house.db.tx((tx) => endCredential(tx, rest.house, dead.credential.id, 'revoked'));
      const sentence = 'Token was revoked. You have to re-authorize from the user.';
      for (let count = 0; count < 3; count++) {
        const answer = await rest.call('GET', '/api/v4/whoami', { token: dead.secret.reveal() });
        assert.deepEqual([answer.status, answer.body], [401, OAUTH(sentence)]);
        assert.equal(answer.headers['www-authenticate'], CHALLENGE(sentence));
      }
      const rows = await eventually(async () => {
        const found = await auditOf(rest, dead.credential.id);
        return found.length > 0 && found;
      });
      assert.deepEqual(
        rows.map((row) => [row.action, row.result, row.author_name, row.door]),
        [['self:read', 'refused', 'alice', 'rest']],
      );
    });

    test('an impersonation token while impersonation is off', async () => {
      const made = await rest.issue({ kind: 'personal_access_token', userId: alice.id, impersonation: true });
      const set = (on: boolean) => rest.house.db.tx((tx) => updateSettings(tx, { impersonation_enabled: on }, START));
      await set(false);
      const answer = await rest.call('GET', '/api/v4/whoami', { token: made.secret.reveal() });
      await set(true);
      const sentence = 'Token is an impersonation token but impersonation was disabled.';
      assert.deepEqual([answer.status, answer.body], [401, OAUTH(sentence)]);
      assert.equal(answer.headers['www-authenticate'], CHALLENGE(sentence));
      assert.equal((await rest.call('GET', '/api/v4/whoami', { token: made.secret.reveal() })).status, 200);
    });

    test('a missing scope is 403 with the scopes that would do, and without a challenge', async () => {
      const narrow = await rest.issue({
        kind: 'personal_access_token',
        userId: alice.id,
        scopes: ['write_repository'],
      });
      const answer = await rest.call('GET', '/api/v4/whoami', { token: narrow.secret.reveal() });
      assert.deepEqual([answer.status, answer.body], [403, SCOPE('read_user api read_api')]);
      assert.equal(answer.headers['www-authenticate'], undefined);
      assert.equal((await rest.call('GET', '/api/v4/itself', { token: narrow.secret.reveal() })).status, 200);
    });

    test('a missing scope is said before the place is looked for', async () => {
      const narrow = await rest.issue({ kind: 'personal_access_token', userId: alice.id, scopes: ['k8s_proxy'] });
      const answer = await rest.call('GET', '/api/v4/projects/424242', { token: narrow.secret.reveal() });
      assert.equal(answer.status, 403);
    });

    test('a blocked holder', async () => {
      const mallory = await rest.user({ state: 'blocked' });
      const made = await rest.issue({ kind: 'personal_access_token', userId: mallory.id });
      const answer = await rest.call('GET', '/api/v4/whoami', { token: made.secret.reveal() });
      assert.deepEqual(
        [answer.status, answer.body],
        [403, { message: '403 Forbidden - Your account has been blocked.' }],
      );
    });

    test('hidden and missing places answer alike, to strangers and to users', async () => {
      for (const headers of [{}, { 'private-token': text }] as Record<string, string>[])
        for (const id of [
          privateProject.id,
          424242,
          encodeURIComponent(privateProject.full_path),
          'a%2Fb',
          'bare',
          '0',
          '99999999999999999999',
        ]) {
          const answer = await rest.call('GET', `/api/v4/projects/${id}`, { headers });
          assert.deepEqual([answer.status, answer.body], [404, { message: '404 Project Not Found' }], String(id));
        }
      assert.deepEqual((await rest.call('GET', '/api/v4/groups/nothing')).body, { message: '404 Group Not Found' });
    });

    test('parameters are judged only after the place is', async () => {
      const hidden = await rest.call('POST', `/api/v4/projects/${privateProject.id}/echo`, { token: text, body: '{' });
      assert.equal(hidden.status, 404);
      const forbidden = await rest.call('POST', `/api/v4/projects/${publicProject.id}/echo`, { token: text });
      assert.deepEqual([forbidden.status, forbidden.body], [403, { message: '403 Forbidden' }]);
      const nobody = await rest.call('POST', '/api/v4/projects/424242/echo');
      assert.deepEqual([nobody.status, nobody.body], [401, UNAUTHORIZED]);
    });

    test('a route may word a refusal its own way', async () => {
      const answer = await rest.call('PUT', `/api/v4/projects/${publicProject.id}`, { token: text });
      assert.deepEqual([answer.status, answer.body], [400, { message: '400 Bad request - not on this route' }]);
    });

    test('a refused write by a living key leaves a row, a refused read none', async () => {
      const made = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
      const key = { token: made.secret.reveal() };
      await rest.call('GET', `/api/v4/projects/${privateProject.id}`, key);
      await rest.call('DELETE', `/api/v4/projects/${encodeURIComponent(publicProject.full_path)}`, key);
      const rows = await eventually(async () => {
        const found = await auditOf(rest, made.credential.id);
        return found.length > 0 && found;
      });
      assert.deepEqual(
        rows.map((row) => [row.action, row.entity_type, row.entity_path]),
        [['project:delete', 'Project', publicProject.full_path]],
      );
    });

    test('a revoked token at a rotate route kills what was rotated from it, elsewhere nothing', async () => {
      const first = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
      const rotated = await rest.house.db.tx((tx) =>
        rotateCredential(tx, rest.house, {
          id: first.credential.id,
          expiresAt: null,
          overlapSeconds: 0,
          byUserId: alice.id,
          byCredentialId: null,
        }),
      );
      assert.ok(rotated.ok);
      const heir = { token: rotated.value.secret.reveal() };
      await rest.call('GET', '/api/v4/whoami', { token: first.secret.reveal() });
      assert.equal((await rest.call('GET', '/api/v4/whoami', heir)).status, 200);
      const answer = await rest.call('POST', '/api/v4/personal_access_tokens/self/rotate', {
        token: first.secret.reveal(),
      });
      assert.equal(answer.status, 401);
      const after = await rest.call('GET', '/api/v4/whoami', heir);
      assert.match(after.body.error_description, /^Token was revoked\./);
    });
  });

  describe('sudo', () => {
    const as = (issued: Issued, target: string) => ({ token: issued.secret.reveal(), headers: { sudo: target } });
    const whoami = '/api/v4/whoami';

    test('an administrator with the scope acts as another, by id, name, header and parameter', async () => {
      const key = await rest.issue({ kind: 'personal_access_token', userId: root.id, scopes: ['api', 'sudo'] });
      for (const target of ['alice', 'ALICE', String(alice.id)])
        assert.equal((await rest.call('GET', whoami, as(key, target))).body.name, 'alice');
      const byParameter = await rest.call('GET', `${whoami}?sudo=alice`, { token: key.secret.reveal() });
      assert.equal(byParameter.body.name, 'alice');
      const unknown = await rest.call('GET', whoami, as(key, '123456'));
      assert.deepEqual(
        [unknown.status, unknown.body],
        [404, { message: "404 User with ID or username '123456' Not Found" }],
      );
    });

    test('not without the scope, not by others, not by nobody', async () => {
      const noScope = await rest.issue({ kind: 'personal_access_token', userId: root.id, scopes: ['api'] });
      const refused = await rest.call('GET', whoami, as(noScope, 'alice'));
      assert.deepEqual([refused.status, refused.body], [403, SCOPE('sudo')]);
      const other = await rest.issue({ kind: 'personal_access_token', userId: alice.id, scopes: ['api', 'sudo'] });
      const answer = await rest.call('GET', whoami, as(other, 'root'));
      assert.deepEqual([answer.status, answer.body], [403, { message: '403 Forbidden - Must be admin to use sudo' }]);
      assert.equal((await rest.call('GET', '/api/v4/list?total=1', { headers: { sudo: 'root' } })).status, 401);
      const plain = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
      const both = await rest.call('GET', whoami, as(plain, 'root'));
      assert.deepEqual(both.body, { message: '403 Forbidden - Must be admin to use sudo' });
      const [row] = await eventually(async () => {
        const found = await auditOf(rest, plain.credential.id);
        return found.length > 0 && found;
      });
      assert.deepEqual([row!.action, row!.author_name], ['sudo:use', 'alice']);
    });
  });

  describe('the limit on failures', () => {
    test('past thirty failures what an address presents is refused unread until the window has drained', async () => {
      const limited = await start(engine);
      const user = await limited.user({ username: 'bob' });
      const good = (await limited.issue({ kind: 'personal_access_token', userId: user.id })).secret.reveal();
      const bad = () => limited.call('GET', '/api/v4/whoami', { token: 'glpat-yyyyyyyyyyyyyyyyyyyy' });
      for (let count = 0; count < 29; count++) assert.equal((await bad()).status, 401);
      assert.equal((await limited.call('GET', '/api/v4/whoami', { token: good })).status, 200);
      for (let count = 0; count < 30; count++) assert.equal((await bad()).status, 401);

      const refused = await limited.call('GET', '/api/v4/whoami', { token: good });
      assert.deepEqual([refused.status, refused.body], [429, { message: '429 Too Many Requests' }]);
      assert.equal(refused.headers['retry-after'], '180');
      assert.equal(
        (await limited.call('GET', '/api/v4/list?total=1')).status,
        200,
        'nothing presented, nothing refused',
      );

      limited.clock.advance(3 * MINUTE);
      assert.equal((await limited.call('GET', '/api/v4/whoami', { token: good })).status, 200);
      await limited.refusals.flush();
      const counted = await limited.house.db.read.selectFrom('audit_refusals').select(['code', 'count']).execute();
      assert.deepEqual(
        counted.map((row) => [row.code, Number(row.count)]),
        [['unknown', 59]],
      );
    });
  });
});

const openWorlds: RestWorld[] = [];

after(async () => {
  for (const rest of openWorlds) await rest.stop();
});

async function start(engine: Engine): Promise<RestWorld> {
  const rest = await startRest(await engine.open(), { routes: testRoutes });
  openWorlds.push(rest);
  return rest;
}

function auditOf(rest: RestWorld, credentialId: number) {
  return rest.house.db.read
    .selectFrom('audit_events')
    .selectAll()
    .where('credential_id', '=', credentialId)
    .where('result', '=', 'refused')
    .execute();
}

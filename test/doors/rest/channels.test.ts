// The same key through every channel gives the same verdict, whatever its scopes (security-lessons R17), and no answer to a
// token sets a cookie (R4).
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Scope } from '../../../src/credentials/scopes.ts';
import { instanceRoutes } from '../../../src/doors/rest/routes/instance.ts';
import { routes as session } from '../../../src/doors/rest/routes/session.ts';
import { forEachEngine } from '../../support/engines.ts';
import { type Answer, type RestWorld, startRest } from '../../support/rest.ts';
import { testRoutes } from '../../support/rest-routes.ts';

const JSON_BODY = { 'content-type': 'application/json' };
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

/** One scope for each different set of test routes that it opens. */
const OPENING_DIFFERENTLY: readonly Scope[] = ['api', 'read_api', 'read_user', 'self_rotate', 'sudo'];

type Channel = (rest: RestWorld, method: string, target: string, token: string) => Promise<Answer>;

const channels: Record<string, Channel> = {
  'PRIVATE-TOKEN': (rest, method, target, token) => rest.call(method, target, { token }),
  Bearer: (rest, method, target, token) => rest.call(method, target, { headers: { authorization: `Bearer ${token}` } }),
  'private_token in the query': (rest, method, target, token) =>
    rest.call(method, `${target}?private_token=${encodeURIComponent(token)}`),
  'access_token in the query': (rest, method, target, token) =>
    rest.call(method, `${target}?access_token=${encodeURIComponent(token)}`),
  'private_token in a form': (rest, method, target, token) =>
    rest.call(method, target, { headers: FORM, body: `private_token=${encodeURIComponent(token)}` }),
  'private_token in JSON': (rest, method, target, token) =>
    rest.call(method, target, { headers: JSON_BODY, body: JSON.stringify({ private_token: token }) }),
};

forEachEngine('one key, every channel', (engine) => {
  let rest: RestWorld;
  const keys: Record<string, string> = {};
  const targets: [string, string][] = [];

  before(async () => {
    const routes = [...testRoutes, ...instanceRoutes(() => testRoutes), ...session];
    rest = await startRest(await engine.open(), { routes });
    const user = await rest.user();
    const group = await rest.group();
    const project = await rest.project(group);
    await rest.member(user, { project }, 40);
    const issue = async (name: string, wish: Parameters<RestWorld['issue']>[0]) => {
      keys[name] = (await rest.issue(wish)).secret.reveal();
    };
    for (const scope of OPENING_DIFFERENTLY)
      await issue(scope, { kind: 'personal_access_token', userId: user.id, scopes: [scope] });
    await issue('expired', { kind: 'personal_access_token', userId: user.id, expiresAt: 0 });
    await issue('deploy token', {
      kind: 'deploy_token',
      projectId: project.id,
      scopes: ['read_repository'],
      username: 'deployer',
    });
    keys['unknown'] = 'glpat-xxxxxxxxxxxxxxxxxxxx';
    targets.push(
      ['GET', '/api/v4/whoami'],
      ['GET', '/api/v4/itself'],
      ['GET', '/api/v4/version'],
      ['GET', `/api/v4/projects/${project.id}`],
      ['PUT', `/api/v4/projects/${project.id}`],
      ['DELETE', `/api/v4/projects/${project.id}`],
      ['GET', '/api/v4/keyward/session'],
      ['POST', '/api/v4/keyward/session'],
      ['GET', '/-/metrics'],
    );
  });
  after(() => rest.stop());

  test('the verdict is the same in status, body and challenge, and no cookie comes', async () => {
    let compared = 0;
    for (const [method, target] of targets)
      for (const [name, token] of Object.entries(keys)) {
        const first = await rest.call(method, target, { token });
        for (const [channel, send] of Object.entries(channels)) {
          const answer = await send(rest, method, target, token);
          const what = `${method} ${target} with ${name} in ${channel}`;
          assert.deepEqual(
            [answer.status, answer.headers['www-authenticate']],
            [first.status, first.headers['www-authenticate']],
            what,
          );
          if (answer.status >= 300) assert.equal(answer.text, first.text, what);
          assert.equal(answer.headers['set-cookie'], undefined, what);
          compared += 1;
          // Here wrong keys are meant, not guessed.
          await rest.call('GET', '/api/v4/itself', { token: keys['api']! });
        }
      }
    assert.equal(compared, targets.length * Object.keys(keys).length * Object.keys(channels).length);
  });
});

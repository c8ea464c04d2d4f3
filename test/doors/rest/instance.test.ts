// What the instance says of itself, the document of the API, and whose address counts behind proxies.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { FailureLimit } from '../../../src/credentials/failure-limit.ts';
import { openApiDocument } from '../../../src/doors/rest/openapi.ts';
import { routeTable } from '../../../src/doors/rest/router.ts';
import { routes as allRoutes } from '../../../src/doors/rest/routes/index.ts';
import { instanceRoutes } from '../../../src/doors/rest/routes/instance.ts';
import { forEachEngine } from '../../support/engines.ts';
import { type RestWorld, startRest } from '../../support/rest.ts';
import { testRoutes } from '../../support/rest-routes.ts';

forEachEngine('the instance over REST', (engine) => {
  let rest: RestWorld;
  let key: { token: string };

  before(async () => {
    const own = instanceRoutes(() => [...testRoutes, ...own]);
    rest = await startRest(await engine.open(), { routes: [...testRoutes, ...own], trustedProxies: ['127.0.0.1'] });
    const user = await rest.user();
    const token = await rest.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['read_user'] });
    key = { token: token.secret.reveal() };
  });
  after(() => rest.stop());

  test('the version is a plain number, for those who are signed in', async () => {
    const answer = await rest.call('GET', '/api/v4/version', key);
    assert.match(answer.body.version, /^\d+\.\d+\.\d+$/);
    assert.equal(typeof answer.body.revision, 'string');
    assert.equal((await rest.call('GET', '/api/v4/metadata', key)).body.version, answer.body.version);
    assert.equal((await rest.call('GET', '/api/v4/version')).status, 401);
  });

  test('the document names every route of the table, and anyone may read it', async () => {
    const answer = await rest.call('GET', '/api/v4/openapi.json');
    assert.equal(answer.status, 200);
    const echo = answer.body.paths['/projects/{id}/echo'].post;
    assert.deepEqual(echo['x-scopes'], ['api']);
    assert.deepEqual(echo.requestBody.content['application/json'].schema.required, ['name', 'scopes']);
    assert.equal(answer.body.paths['/list'].get.parameters.at(-1).name, 'per_page');
    assert.ok(!answer.text.includes('x-param'));
  });

  test('behind a trusted proxy the address is the one it names, and failures count for that', async () => {
    const from = (ip: string, token: string) =>
      rest.call('GET', '/api/v4/version', { token, headers: { 'x-forwarded-for': ip } });
    for (let count = 0; count < 30; count++) await from('10.1.1.1', 'glpat-xxxxxxxxxxxxxxxxxxxx');
    assert.equal((await from('10.1.1.1', key.token)).status, 429);
    assert.equal((await from('10.1.1.2', key.token)).status, 200);
  });

  test('without one the header is not believed', async () => {
    const bare = await startRest(await engine.open(), { routes: testRoutes });
    for (let count = 0; count < 30; count++)
      await bare.call('GET', '/api/v4/whoami', {
        token: 'nonsense',
        headers: { 'x-forwarded-for': `10.1.1.${count}` },
      });
    assert.equal((await bare.call('GET', '/api/v4/whoami', { token: 'nonsense' })).status, 429);
    await bare.stop();
  });

  test('one IPv6 network counts as one address, however it is written', async () => {
    const limit = new FailureLimit(rest.house);
    for (let count = 0; count < 30; count++) limit.failed(`2001:db8:0:1::${count.toString(16)}`);
    assert.equal(await limit.blockedFor('2001:0db8::1:aaaa:bbbb:cccc:dddd'), 180);
    assert.equal(await limit.blockedFor('2001:db8:0:2::1'), null);
    for (let count = 0; count < 30; count++) limit.failed('::ffff:10.0.0.9');
    assert.equal(await limit.blockedFor('10.0.0.9'), 180);
  });
});

describe('the whole table', () => {
  test('no two routes are the same, every parameter has a description, and every route a summary', () => {
    routeTable(allRoutes);
    for (const route of allRoutes) {
      assert.ok(route.summary.length > 3, `${route.method} ${route.path}`);
      const { properties } = route.params as unknown as { properties: Record<string, { description?: string }> };
      for (const [name, property] of Object.entries(properties))
        assert.ok(property.description, `${name} of ${route.method} ${route.path}`);
    }
    assert.equal(JSON.stringify(openApiDocument(allRoutes, 'https://x')).includes('x-param'), false);
  });

  test('the document holds every route of it, with all of its parameters', () => {
    type Operation = {
      parameters: { name: string; in: string }[];
      requestBody?: { content: { 'application/json': { schema: { properties: object } } } };
    };
    const { paths } = openApiDocument(allRoutes, 'https://x') as unknown as {
      paths: Record<string, Record<string, Operation>>;
    };
    const count = Object.values(paths).reduce((sum, methods) => sum + Object.keys(methods).length, 0);
    assert.equal(count, allRoutes.length);
    for (const route of allRoutes) {
      const path = route.path.replace(/[:*]([A-Za-z_]*)/g, (_all, name) => `{${name || 'path'}}`);
      const operation = paths[path]?.[route.method.toLowerCase()];
      assert.ok(operation, `${route.method} ${route.path}`);
      const told = [
        ...operation.parameters.map(({ name }) => name.replace('[]', '')),
        ...Object.keys(operation.requestBody?.content['application/json'].schema.properties ?? {}),
      ];
      const { properties } = route.params as unknown as { properties: object };
      const wanted = [...Object.keys(properties), ...[...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!)];
      for (const name of wanted) assert.ok(told.includes(name), `${name} of ${route.method} ${route.path}`);
    }
  });
});

// One decoder, one router (security-lessons R1): every route of the whole table, asked by nobody and by a key without scopes, in
// mangled spellings. The answer is an unknown route or the same as for the canonical spelling, and no handler runs for nobody.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { actions, ruleOf } from '../../../src/access/actions.ts';
import { kindSets } from '../../../src/access/kind-sets.ts';
import type { Route } from '../../../src/doors/rest/route.ts';
import { routes as allRoutes } from '../../../src/doors/rest/routes/index.ts';
import { forEachEngine } from '../../support/engines.ts';
import { type RestWorld, startRest } from '../../support/rest.ts';

/** The table with each handler replaced by one that only says that it ran; actions, places and parameters are the real ones. */
const ran: string[] = [];
const watched: Route[] = allRoutes.map((route) => ({
  ...route,
  handler: () => {
    ran.push(`${route.method} ${route.path}`);
    return { type: 'empty', status: 204 };
  },
}));

const closed = watched.filter((route) => !kindSets[ruleOf(route.action).kinds].anonymous);

const targetOf = (route: Route): string =>
  `/api/v4${route.path.replace(/:[a-z_]+|\*[a-z_]*/gi, (name) => (name === ':id' ? '424242' : 'x'))}`;

const mangle: Record<string, (target: string, at: number) => string> = {
  'an escaped letter': (target, at) => {
    const index = 8 + (at % (target.length - 8));
    const letter = target[index]!;
    return letter === '/' || letter === '%'
      ? target
      : `${target.slice(0, index)}%${letter.charCodeAt(0).toString(16)}${target.slice(index + 1)}`;
  },
  'an escaped prefix': (target) => target.replace('/api/', '/%61pi/'),
  'an escaped slash': (target) => target.replace(/\/([^/]*)$/, '%2F$1'),
  'a double slash': (target, at) => insertAtSlash(target, at, '//'),
  'a trailing slash': (target) => `${target}/`,
  'a semicolon': (target, at) => insertAtSlash(target, at, ';x=1/'),
  'a parent folder': (target, at) => insertAtSlash(target, at, '/x/../'),
  'an escaped parent folder': (target, at) => insertAtSlash(target, at, '/x/%2e%2e/'),
  'this folder': (target, at) => insertAtSlash(target, at, '/./'),
  'a backslash': (target, at) => insertAtSlash(target, at, '\\'),
  'a NUL': (target) => `${target}%00`,
  'a twice escaped letter': (target) => target.replace(/\/([a-z])([^/]*)$/, '/%2577$2'),
};

function insertAtSlash(target: string, at: number, text: string): string {
  const slashes = [...target.matchAll(/\//g)].map((match) => match.index).filter((index) => index >= 7);
  const index = slashes[at % slashes.length]!;
  return target.slice(0, index) + text + target.slice(index + 1);
}

forEachEngine('mangled paths', (engine) => {
  let rest: RestWorld;
  let scopeless: string;

  before(async () => {
    rest = await startRest(await engine.open(), { routes: watched });
    const user = await rest.user();
    scopeless = (
      await rest.issue({ kind: 'personal_access_token', userId: user.id, scopes: ['k8s_proxy'] })
    ).secret.reveal();
  });
  after(() => rest.stop());

  test('nobody reaches a handler that needs somebody', async () => {
    ran.length = 0;
    for (const route of closed) {
      const answer = await rest.call(route.method, targetOf(route));
      const worded = route.refusals?.credential_required !== undefined;
      assert.ok(
        worded ? [401, 403, 404].includes(answer.status) : answer.status === 401,
        `${route.method} ${route.path}: ${answer.text}`,
      );
    }
    assert.deepEqual(ran, []);
    assert.ok(closed.length > 20);
  });

  test('a key without scopes reaches only what any living key may', async () => {
    ran.length = 0;
    for (const route of watched) {
      const rule = ruleOf(route.action);
      if (rule.scopes === 'any') continue;
      const answer = await rest.call(route.method, targetOf(route), { token: scopeless });
      assert.ok(answer.status >= 400 && answer.status < 500, `${route.method} ${route.path}: ${answer.status}`);
    }
    assert.deepEqual(ran, []);
  });

  for (const [name, change] of Object.entries(mangle))
    test(`${name} leads nowhere, or to the same answer`, async () => {
      ran.length = 0;
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...closed), fc.nat(200), async (route, at) => {
          const target = targetOf(route);
          const canonical = await rest.call(route.method, target);
          const mangled = await rest.call(route.method, change(target, at));
          // Another route may own the mangled spelling; nobody gets in there either.
          if ([401, 403, 404, 405].includes(mangled.status)) return;
          assert.deepEqual([mangled.status, mangled.text], [canonical.status, canonical.text], target);
        }),
        { numRuns: 40 },
      );
      assert.deepEqual(
        ran.filter((one) => closed.some((route) => `${route.method} ${route.path}` === one)),
        [],
      );
    });
});

describe('the table and the actions', () => {
  test('every route names an action that exists', () => {
    for (const route of allRoutes) assert.ok(Object.hasOwn(actions, route.action), `${route.method} ${route.path}`);
  });
});

// Lesson R18 (CVE-2025-68941, CVE-2026-24791: the restriction "public only" was forgotten on many routes, twice):
// 1. a restriction is added: a kind of key, a feature, a boundary;
// 2. one route family does not ask for it;
// 3. the key opens more there than anywhere else.
// Restrictions stand in tables that every route goes through: each action has each cell, and the boundary of a bot holds on every
// route with a place, whatever the route is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ALL_ACTIONS, ruleOf } from '../../src/access/actions.ts';
import { kindSets } from '../../src/access/kind-sets.ts';
import { KINDS } from '../../src/credentials/kinds.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import { fill, type Lab, openLab } from './lab.ts';

describe('a restriction', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
  });
  after(() => lab?.stop());

  test('has a cell for every kind in every set, and every action names a set', () => {
    const kinds = Object.keys(KINDS).sort();
    for (const [name, set] of Object.entries(kindSets)) assert.deepEqual(Object.keys(set).sort(), kinds, name);
    for (const action of ALL_ACTIONS) {
      const rule = ruleOf(action);
      assert.ok(Object.hasOwn(kindSets, rule.kinds), action);
      assert.ok(rule.scopes === 'any' || rule.scopes.length > 0, action);
      if (rule.place !== 'instance') assert.ok(rule.roles !== undefined || rule.admin, action);
    }
  });

  test('of reach holds on every route that has a place', async () => {
    const home = await lab.project(await lab.world.group({}));
    const foreignGroup = await lab.world.group({});
    const foreign = await lab.project(foreignGroup);
    const bot = await lab.bot(home, 50);
    await lab.world.member(bot.user, { group: foreignGroup }, 50);
    const values = {
      projects: foreign.id,
      groups: foreignGroup.id,
      namespaces: foreignGroup.id,
      file_path: 'README.md',
    };
    let asked = 0;
    for (const route of routes) {
      if (ruleOf(route.action).place === 'instance') continue;
      asked++;
      const path = fill(route, { ...values, sha: 'main', branch: 'main' });
      const body = route.method === 'GET' ? undefined : { name: 'x', branch: 'x', ref: 'main' };
      const answer = await lab.api(route.method, path, { token: bot.token, body });
      const where = `${route.method} ${route.path}: ${answer.status} ${answer.text}`;
      assert.ok([400, 401, 403, 404].includes(answer.status), where);
      assert.ok(!answer.text.includes(foreign.path), where);
    }
    assert.ok(asked > 80, String(asked));
  });
});

// The access tables cell by cell: the written-out table, and the cells that no table of single columns can show.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALL_ACTIONS, ruleOf } from '../../src/access/actions.ts';
import { judge } from '../../src/access/judge.ts';
import { proven } from '../../src/credentials/verified-credential.ts';
import { credential, factsFor, person, rulesTable } from './rules-table.ts';

const FILE = join(import.meta.dirname, 'rules.txt');

test('every cell of the tables is as written in rules.txt', () => {
  const table = rulesTable();
  if (process.env['KEYWARD_WRITE_TABLES'] === '1') writeFileSync(FILE, table);
  assert.equal(
    table,
    readFileSync(FILE, 'utf8'),
    'the access tables changed: run this test with KEYWARD_WRITE_TABLES=1 and review the difference of rules.txt',
  );
});

test('role sets are closed upward, so that the highest level held decides', () => {
  for (const action of ALL_ACTIONS) {
    const roles = ruleOf(action).roles ?? [];
    const lowest = Math.min(...roles);
    for (const level of [15, 20, 25, 30, 40, 50])
      if (level >= lowest) assert.ok(roles.includes(level), `${action} leaves out ${level}`);
  }
});

test('no write action is opened by a read scope, and no rule names a scope twice', () => {
  const reading = new Set(['read_api', 'read_user', 'read_repository', 'read_registry', 'read_package_registry']);
  for (const action of ALL_ACTIONS) {
    const { effect, scopes } = ruleOf(action);
    if (scopes === 'any') continue;
    assert.equal(new Set(scopes).size, scopes.length, action);
    if (effect === 'write') assert.ok(!scopes.some((scope) => reading.has(scope)), action);
  }
});

test('an empty scope list opens nothing but what every live key may do', () => {
  for (const action of ALL_ACTIONS) {
    const verdict = judge(
      credential('personal_access_token', [], person({ admin: 1 })),
      action,
      factsFor(action, 50, 'public'),
    );
    if (ruleOf(action).scopes !== 'any') assert.equal(verdict.refusal?.lock, 'scope', action);
  }
});

test('features: disabled closes to all, private to those who are no members', () => {
  const pat = credential('personal_access_token', ['api']);
  const admin = credential('personal_access_token', ['api'], person({ admin: 1 }));
  const with_ = (level: number, repository: string) =>
    factsFor('repository:pull', level, 'public', { features: JSON.stringify({ repository }) });
  assert.equal(judge(pat, 'repository:pull', with_(50, 'disabled')).refusal?.code, 'feature_disabled');
  assert.equal(judge(admin, 'repository:pull', with_(0, 'disabled')).refusal?.code, 'feature_disabled');
  assert.equal(judge(pat, 'repository:pull', with_(0, 'private')).refusal?.code, 'feature_disabled');
  assert.equal(judge(admin, 'repository:pull', with_(0, 'private')).refusal, null);
  assert.equal(judge(pat, 'repository:pull', with_(20, 'private')).refusal, null);
});

test('an archived project takes no pushes, but its settings and keys can be managed', () => {
  const pat = credential('personal_access_token', ['api']);
  const archived = (action: 'repository:push' | 'repository:pull' | 'project:update' | 'project_access_token:revoke') =>
    judge(pat, action, factsFor(action, 50, 'private', { archived: 1 })).refusal?.code ?? null;
  assert.equal(archived('repository:push'), 'archived');
  assert.equal(archived('repository:pull'), null);
  assert.equal(archived('project:update'), null);
  assert.equal(archived('project_access_token:revoke'), null);
});

test('a session without its proof reads and writes nothing', () => {
  const session = credential('session', ['api']);
  const bare = proven({ ...session, csrfProven: false });
  for (const action of ALL_ACTIONS) {
    if (judge(session, action, factsFor(action, 50, 'private')).refusal) continue;
    const code = judge(bare, action, factsFor(action, 50, 'private')).refusal?.code ?? null;
    assert.equal(code, ruleOf(action).effect === 'write' ? 'credential_required' : null, action);
  }
});

test('a bot reads outside its reach only what its visibility class may, and writes nothing there', () => {
  for (const external of [0, 1] as const)
    for (const visibility of ['private', 'internal', 'public'] as const) {
      const bot = proven({
        ...credential('project_access_token', ['api'], person({ external })),
        reach: { type: 'project', projectId: 99 },
      });
      const code = (action: 'project:read' | 'repository:pull' | 'repository:push' | 'project:update') =>
        judge(bot, action, factsFor(action, 50, visibility)).refusal?.code ?? null;
      const open = visibility === 'public' || (visibility === 'internal' && external === 0);
      assert.equal(code('project:read'), open ? null : 'hidden', `${visibility} ${external}`);
      assert.equal(code('repository:pull'), open ? null : 'hidden');
      assert.equal(code('repository:push'), open ? 'out_of_reach' : 'hidden');
      assert.equal(code('project:update'), open ? 'out_of_reach' : 'hidden');
    }
});

test('a deploy token opens only its own place, public ones outside it neither', () => {
  const token = proven({
    ...credential('deploy_token', ['read_repository']),
    reach: { type: 'project', projectId: 99 },
  });
  const verdict = judge(token, 'repository:pull', factsFor('repository:pull', 0, 'public'));
  assert.equal(verdict.refusal?.code, 'out_of_reach');
  const inside = proven({ ...token, reach: { type: 'project', projectId: 1 } });
  assert.equal(judge(inside, 'repository:pull', factsFor('repository:pull', 0, 'private')).refusal, null);
  assert.equal(
    judge(inside, 'repository:push', factsFor('repository:push', 0, 'private')).refusal?.code,
    'scope_missing',
  );
});

test('locks answer in their order, and later ones are not reached', () => {
  const weak = credential('personal_access_token', ['read_user']);
  const { locks } = judge(weak, 'repository:pull', { place: null });
  assert.deepEqual(
    locks.map((lock) => [lock.name, lock.passed]),
    [
      ['alive', true],
      ['scope', false],
      ['reach', null],
      ['role', null],
    ],
  );
});

// Parameters: four encodings mean the same, and what is wrong is said in GitLab's words.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assign, emptyTree, readPairs, type Tree } from '../../../src/doors/http/nested-params.ts';
import { splitUrl } from '../../../src/doors/http/raw-path.ts';
import { loggedUrl } from '../../../src/doors/http/url-log.ts';
import { readParams } from '../../../src/doors/rest/params.ts';
import {
  boolean,
  date,
  datetime,
  integer,
  integerList,
  listOf,
  nullable,
  object,
  oneOf,
  optional,
  stringList,
  text,
  withDefault,
} from '../../../src/doors/rest/schema.ts';

function tree(query: string): Tree {
  const made = emptyTree();
  for (const [name, value] of readPairs(query) ?? []) assign(made, name, value);
  return made;
}

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe('forms', () => {
  test('names with brackets become lists and nested objects, as in Rack', () => {
    assert.deepEqual(plain(tree('a=1&b[]=2&b[]=3&c[d]=4&c[e][]=5&f[][g]=6&f[][h]=7&f[][g]=8')), {
      a: '1',
      b: ['2', '3'],
      c: { d: '4', e: ['5'] },
      f: [{ g: '6', h: '7' }, { g: '8' }],
    });
  });

  test('a name of the object prototype is a name like any other', () => {
    const made = tree('__proto__[admin]=1&constructor=2');
    assert.equal((Object.prototype as Record<string, unknown>)['admin'], undefined);
    assert.deepEqual(Object.keys(made), ['__proto__', 'constructor']);
  });

  test('a broken escape or a flood of pairs is no form at all', () => {
    assert.equal(readPairs('a=%zz'), null);
    assert.equal(readPairs('a=1&'.repeat(5001)), null);
  });
});

describe('parameters', () => {
  const schema = object({
    name: text('n'),
    scopes: stringList('s', { oneOf: ['api', 'read_api'] }),
    level: optional(integer('l', { oneOf: [10, 20] })),
  });

  test('everything that is missing is named in one sentence', () => {
    const read = readParams(schema, emptyTree());
    assert.deepEqual(read, { ok: false, error: ['name is missing', 'scopes is missing'] });
  });

  test('lists come as arrays, as repeated names and as one text with commas', () => {
    for (const query of ['scopes[]=api&scopes[]=read_api', 'scopes=api&scopes=read_api', 'scopes=api,read_api']) {
      const read = readParams(schema, tree(`name=x&${query}`));
      assert.deepEqual(read.ok && read.value, { name: 'x', scopes: ['api', 'read_api'] }, query);
    }
  });

  for (const [query, sentence] of [
    ['name=x&scopes=foo', 'scopes does not have a valid value'],
    ['name=x&scopes[a]=api', 'scopes is invalid'],
    ['name[]=x&scopes=api', 'name is invalid'],
    ['name=x%00&scopes=api', 'name is invalid'],
    ['name=x&scopes=api&level=11', 'level does not have a valid value'],
    ['name=x&scopes=api&level=1e1', 'level is invalid'],
    ['name=x&scopes=api&level=99999999999999999999', 'level is invalid'],
    ['name=x&scopes=api&level=9007199254740993', 'level is invalid'],
  ] as const) {
    test(`${query} is answered: ${sentence}`, () => {
      assert.deepEqual(readParams(schema, tree(query)), { ok: false, error: [sentence] });
    });
  }

  test('JSON values of the right type pass, of the wrong type do not', () => {
    const all = object({ i: integer('i'), b: boolean('b'), t: text('t') });
    const good = readParams(all, { i: 3, b: false, t: 5 });
    assert.deepEqual(good.ok && good.value, { i: 3, b: false, t: '5' });
    const bad = readParams(all, { i: 3.5, b: {}, t: ['x'] });
    assert.deepEqual(bad, { ok: false, error: ['i is invalid', 'b is invalid', 't is invalid'] });
    assert.equal(readParams(all, { i: true, b: true, t: '\ud800' }).ok, false);
  });

  test('dates are 00:00 UTC of the date as written, and a day that does not exist is invalid', () => {
    const dates = object({ on: optional(date('d')), at: optional(datetime('t')) });
    const read = readParams(dates, tree('on=2026-02-03T23:59:59Z&at=2026-02-03T04:05:06.007Z'));
    assert.deepEqual(read.ok && read.value, {
      on: Date.UTC(2026, 1, 3),
      at: Date.UTC(2026, 1, 3, 4, 5, 6, 7),
    });
    assert.deepEqual(readParams(dates, tree('on=2026-02-30')), { ok: false, error: ['on is invalid'] });
  });

  test('null and empty clear only what says so, and count as absent elsewhere', () => {
    const both = object({ a: optional(nullable(date('a'))), b: optional(date('b')), c: withDefault(integer('c'), 4) });
    for (const given of [{ a: null, b: null, c: null }, tree('a=&b=&c=')]) {
      const read = readParams(both, given as Tree);
      assert.deepEqual(read.ok && read.value, { a: null, c: 4 });
    }
  });

  test('an error inside a list or object carries the whole name', () => {
    const nested = object({
      o: optional(object({ x: integer('x') })),
      l: optional(listOf(object({ action: oneOf(['create'], 'w') }), 'l')),
    });
    assert.deepEqual(readParams(nested, { o: emptyTree(), l: [{ action: 'create' }, {}, { action: 'fly' }] }), {
      ok: false,
      error: ['o[x] is missing', 'l[1][action] is missing', 'l[2][action] does not have a valid value'],
    });
  });

  test('blank text is empty where that is forbidden, and integer lists take both forms', () => {
    const schema = object({ n: text('n', { notEmpty: true }), ids: optional(integerList('i')) });
    assert.deepEqual(readParams(schema, tree('n=%20')), { ok: false, error: ['n is empty'] });
    const read = readParams(schema, tree('n=x&ids=1,2&ids=3'));
    assert.equal(read.ok, false);
    const good = readParams(schema, tree('n=x&ids=1,%202'));
    assert.deepEqual(good.ok && good.value, { n: 'x', ids: [1, 2] });
  });
});

describe('paths', () => {
  test('a slash that was escaped stays inside its segment, and nothing is decoded twice', () => {
    assert.deepEqual(splitUrl('/a/b%2Fc.d/%252F?x=1'), { segments: ['a', 'b/c.d', '%2F'], query: 'x=1' });
  });

  for (const target of [
    '/a//b',
    '/a/../b',
    '/a/%2e%2e/b',
    '/a/b%2F..%2Fc',
    '/a/%00',
    '/a/%zz',
    '/a/',
    'a',
    '/a/%0d%0a',
  ])
    test(`${target} is no path of ours`, () => assert.equal(splitUrl(target).segments, null));
});

describe('the URL in the log', () => {
  for (const name of [
    'private_token',
    'access_token',
    'job_token',
    'token',
    'private%5ftoken',
    'password',
    'x%5Fsecret',
  ])
    test(`${name} is not written`, () => {
      const logged = loggedUrl(`/api/v4/user?a=1&${name}=SeCrEt`);
      assert.ok(!logged.includes('SeCrEt'), logged);
      assert.ok(logged.includes('a=1'));
    });

  test('a token in the path is not written either', () => {
    assert.ok(!loggedUrl('/api/v4/x/glpat-abcdefghijklmnopqrst').includes('abcdefghijk'));
  });
});

// Token text against the published vectors and against every single-character slip.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  isAcceptableGivenToken,
  isSoundRoutable,
  makeFriendly,
  makeHex40,
  makeJobToken,
  makeRoutable,
  tokenShape,
} from '../../src/credentials/token-text.ts';
import { systemRandom } from '../../src/kernel/random.ts';

const counting = () => Buffer.from(Array.from({ length: 16 }, (_, index) => index));
const filled = (byte: number) => () => Buffer.alloc(16, byte);

test('routable tokens equal the vectors', () => {
  const vectors: [string, () => Buffer, Record<string, number>, string][] = [
    ['glpat-', counting, { u: 42, o: 1 }, 'glpat-AAECAwQFBgcICQoLDA0OD286MQp1OjE2CA.01.0y1qf01dl'],
    ['glpat-', filled(0), { o: 1, u: 1 }, 'glpat-AAAAAAAAAAAAAAAAAAAAAG86MQp1OjEH.01.0w1jueeek'],
    ['glpat-', filled(255), { o: 1, u: 1_000_000 }, 'glpat-_____________________286MQp1OmxmbHMK.01.100ixlidr'],
    ['acme-glpat-', counting, { o: 1, u: 42 }, 'acme-glpat-AAECAwQFBgcICQoLDA0OD286MQp1OjE2CA.01.0y10293nu'],
    ['glrt-t2_', counting, { g: 7, o: 1 }, 'glrt-t2_AAECAwQFBgcICQoLDA0OD2c6NwpvOjEH.01.0w173fzc1'],
  ];
  for (const [prefix, random, routing, expected] of vectors) {
    assert.equal(makeRoutable(prefix, routing, random).reveal(), expected);
    assert.equal(tokenShape(expected), 'routable');
  }
});

test('any single-character edit of a routable token is turned away without a look-up', () => {
  const alphabet = [...'0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.'];
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), fc.nat(), fc.constantFrom(...alphabet), (user, at, character) => {
      const token = makeRoutable('glpat-', { o: 1, u: user }, systemRandom).reveal();
      const index = at % token.length;
      fc.pre(token[index] !== character);
      const edited = token.slice(0, index) + character + token.slice(index + 1);
      assert.ok(!isSoundRoutable(edited), edited);
      assert.notEqual(tokenShape(edited), 'routable');
    }),
    { numRuns: 500 },
  );
});

test('the fixed-length kinds have the exact shape that scanners match', () => {
  for (let round = 0; round < 50; round++) {
    assert.match(makeFriendly('glpat-', systemRandom).reveal(), /^glpat-[0-9A-Za-z_-]{20}$/);
    assert.doesNotMatch(makeFriendly('', systemRandom).reveal(), /[lIO0]/);
    assert.match(makeFriendly('gldt-', systemRandom).reveal(), /^gldt-[0-9a-zA-Z_-]{20}$/);
    assert.match(makeHex40('glptt-', systemRandom).reveal(), /^glptt-[0-9a-f]{40}$/);
    assert.match(makeJobToken('glcbt-', systemRandom).reveal(), /^glcbt-[0-9a-zA-Z]{1,5}_[0-9a-zA-Z_-]{20}$/);
    assert.match(
      makeRoutable('glpat-', { o: 1, u: 5 }, systemRandom).reveal(),
      /\bglpat-[0-9a-zA-Z_-]{27,300}\.[0-9a-z]{2}\.[0-9a-z]{2}[0-9a-z]{7}\b/,
    );
  }
});

test('what cannot be a key is malformed, what may be an old one is worth a look-up', () => {
  for (const text of ['', ' ', 'a b', 'glpat-\0aaaaaaaaaaaaaaaaaaa', 'ünïcode-token', 'x'.repeat(301), "' or 1=1 --"])
    assert.equal(tokenShape(text), 'malformed', JSON.stringify(text));
  for (const text of ['glpat-abcdefghij0123456789', 'oldform', 'gldt-aaaaaaaaaaaaaaaaaaaa', 'a.b'])
    assert.equal(tokenShape(text), 'plain', text);
});

test('an operator may give a token of 20 to 300 characters that is not a mistyped routable one', () => {
  assert.ok(isAcceptableGivenToken('glpat-0123456789abcdefghij'));
  assert.ok(isAcceptableGivenToken('x'.repeat(20)));
  assert.ok(!isAcceptableGivenToken('x'.repeat(19)));
  assert.ok(!isAcceptableGivenToken('x'.repeat(301)));
  assert.ok(!isAcceptableGivenToken('with space and more text'));
  assert.ok(!isAcceptableGivenToken('glpat-AAECAwQFBgcICQoLDA0OD286MQp1OjE2CA.01.0y1qf01dm'));
});

test('the routing part has a limit', () => {
  const routing = Object.fromEntries(Array.from({ length: 30 }, (_, index) => [`key${index}`, 1]));
  assert.throws(() => makeRoutable('glpat-', routing, systemRandom), /159 bytes/);
});

// Lesson R24 (CVE-2026-58426: the fields of a signed URL ran into each other):
// 1. somebody has a digest or a seal that we made over several fields;
// 2. he moves a letter from one field to the next, so that the joined text is the same;
// 3. the same proof is good for something else.
// Two different tuples never have the same input, and a seal opens only in its own context.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { Secret } from '../../src/kernel/secret.ts';
import { testKeys } from '../support/world.ts';

const keys = testKeys(2);
const purpose = fc.string({ minLength: 1, maxLength: 40, unit: 'binary-ascii' });

describe('a keyed digest', () => {
  test('differs wherever purpose, text or key version do', () => {
    fc.assert(
      fc.property(purpose, fc.string(), purpose, fc.string(), (purposeA, textA, purposeB, textB) => {
        const same = purposeA === purposeB && textA === textB;
        assert.equal(keys.digest(purposeA, textA) === keys.digest(purposeB, textB), same);
        assert.notEqual(keys.digest(purposeA, textA, 1), keys.digest(purposeA, textA, 2));
      }),
    );
  });

  test('is not moved by shifting letters over the border of the fields', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 2, maxLength: 60, unit: 'binary-ascii' }),
        fc.nat(),
        fc.nat(),
        (joined, a, b) => {
          const [one, other] = [1 + (a % (joined.length - 1)), 1 + (b % (joined.length - 1))];
          const split = (at: number) => keys.digest(joined.slice(0, at), joined.slice(at));
          assert.equal(split(one) === split(other), one === other);
        },
      ),
    );
  });
});

test('a seal opens only in the context that it was made for, and not when a byte differs', () => {
  fc.assert(
    fc.property(purpose, purpose, fc.string(), fc.nat(), (context, other, text, at) => {
      const sealed = keys.seal(context, new Secret(text));
      assert.equal(keys.open(context, sealed).reveal(), text);
      if (context !== other) assert.throws(() => keys.open(other, sealed));
      const bytes = Buffer.from(sealed.sealed, 'base64');
      bytes[at % bytes.length]! ^= 1;
      assert.throws(() => keys.open(context, { ...sealed, sealed: bytes.toString('base64') }));
    }),
  );
});

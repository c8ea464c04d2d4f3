// Texts from an attacker, drawn by fast-check: token text, paths, ids, Basic headers, git addresses. No parser throws, none
// accepts what it would not make, and each agrees with itself. KEYWARD_FUZZ raises the number of runs.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isSoundRoutable, makeFriendly, makeRoutable, tokenShape } from '../../src/credentials/token-text.ts';
import { parseGitUrl } from '../../src/doors/git-http/git-url.ts';
import { readPairs } from '../../src/doors/http/nested-params.ts';
import { splitUrl } from '../../src/doors/http/raw-path.ts';
import { parseDate, parseInstant } from '../../src/kernel/clock.ts';
import { parseId } from '../../src/kernel/names.ts';

const RUNS = Number(process.env['KEYWARD_FUZZ'] ?? 3000);
const options = { numRuns: RUNS };

/** What breaks parsers: escapes, dots, slashes, controls, and characters whose case or width folds. */
const nasty = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '/',
    '\\',
    '%2e',
    '%2F',
    '%00',
    '%',
    '%c0%ae',
    ';',
    '?',
    '#',
    '\0',
    '\n',
    '\r',
    ' ',
    '//',
    '.git',
    'api',
    'v4',
  ),
  fc.string({ maxLength: 6, unit: 'binary' }),
  fc.constantFrom('İ', 'ﬀ', '\u202e', '\ufeff', 'K', '１', '٣', 'é', '\ud800', '𝟘'),
);
const hostile = fc.array(nasty, { maxLength: 12 }).map((parts) => parts.join(''));

describe('token text', () => {
  const random = fc.uint8Array({ minLength: 16, maxLength: 16 });
  const routing = fc.record({ o: fc.nat(), u: fc.nat() });

  test('any single edit of a routable token fails its checksum', () => {
    fc.assert(
      fc.property(
        random,
        routing,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('set', 'drop', 'double', 'swap'),
        (bytes, route, at, to, how) => {
          const text = makeRoutable('glpat-', route, (size) => Buffer.from(bytes.subarray(0, size))).reveal();
          assert.equal(tokenShape(text), 'routable');
          const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.';
          const index = at % text.length;
          const other = alphabet[to % alphabet.length]!;
          const [head, here, tail] = [text.slice(0, index), text[index]!, text.slice(index + 1)];
          const edited =
            how === 'set'
              ? head + other + tail
              : how === 'drop'
                ? head + tail
                : how === 'double'
                  ? head + here + here + tail
                  : head + (tail[0] ?? '') + here + tail.slice(1);
          if (edited !== text) assert.equal(isSoundRoutable(edited), false, edited);
        },
      ),
      options,
    );
  });

  test('no text makes the parser throw, and long ones are malformed', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ maxLength: 400, unit: 'binary' })), (text) => {
        const shape = tokenShape(text);
        assert.ok(['routable', 'plain', 'malformed'].includes(shape));
        if (text.length > 300 || !/^[\w.-]+$/.test(text)) assert.equal(shape, 'malformed');
        if (shape === 'routable') assert.ok(isSoundRoutable(text));
      }),
      options,
    );
  });

  test('a friendly token is plain, whatever its bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 15, maxLength: 15 }), (bytes) => {
        const text = makeFriendly('gldt-', () => Buffer.from(bytes)).reveal();
        assert.match(text, /^gldt-[0-9A-Za-z_-]{20}$/);
        assert.doesNotMatch(text.slice(5), /[lIO0]/);
        assert.equal(tokenShape(text), 'plain');
      }),
      options,
    );
  });
});

describe('addresses', () => {
  test('a path is refused, or is segments without any way up', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const { segments } = splitUrl(`/${text}`);
        if (segments === null) return;
        for (const segment of segments) {
          assert.notEqual(segment, '');
          assert.doesNotMatch(segment, /[\0-\x1f\x7f]/);
          assert.ok(!segment.split(/[/\\]/).some((part) => part === '..' || part === '.'), text);
        }
      }),
      options,
    );
  });

  test('segments survive the way there and back', () => {
    const segment = fc.string({ minLength: 1, maxLength: 30, unit: 'grapheme' }).filter((one) => {
      const parts = one.split(/[/\\]/);
      return !/[\0-\x1f\x7f]/.test(one) && !parts.includes('.') && !parts.includes('..');
    });
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const target = `/${segments.map(encodeURIComponent).join('/')}?x=1`;
        assert.deepEqual(splitUrl(target), { segments, query: 'x=1' });
      }),
      options,
    );
  });

  test('a git address names a plain repository path, or nothing', () => {
    const tails = fc.constantFrom(
      '.git/info/refs?service=git-upload-pack',
      '.git/git-receive-pack',
      '/info/refs',
      '.git/info/refs?service=x',
    );
    fc.assert(
      fc.property(hostile, tails, (text, tail) => {
        const parsed = parseGitUrl(`/${text}${tail}`);
        if (parsed === null || parsed.type === 'impossible') return;
        const path = parsed.type === 'redirect' ? parsed.location : parsed.path;
        assert.match(path, /^[\w./?=-]+$/);
        assert.ok(!path.split('/').includes('..'), path);
        if (parsed.type === 'redirect') assert.match(path, /^\/[^/]/);
      }),
      options,
    );
  });
});

describe('values', () => {
  test('an id is a positive safe integer in plain digits, or none', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.bigInt().map(String),
          fc.double().map(String),
          fc.nat().map((n) => `0${n}`),
        ),
        (text) => {
          const id = parseId(text);
          if (id === null) return;
          assert.ok(Number.isSafeInteger(id) && id > 0);
          assert.match(text, /^\d+$/);
        },
      ),
      options,
    );
  });

  test('a date exists, or is none', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.tuple(fc.nat(9999), fc.nat(15), fc.nat(40)).map(([y, m, d]) => `${y}-${m}-${d}`),
        ),
        (text) => {
          const day = parseDate(text);
          if (day !== null) assert.ok(day % 86_400_000 === 0);
          const instant = parseInstant(text);
          if (instant !== null) assert.ok(Number.isFinite(instant));
        },
      ),
      options,
    );
  });

  test('a form is pairs, or none', () => {
    fc.assert(
      fc.property(hostile, (text) => {
        const pairs = readPairs(text);
        assert.ok(
          pairs === null || [...pairs].every(([name, value]) => typeof name === 'string' && typeof value === 'string'),
        );
      }),
      options,
    );
  });
});

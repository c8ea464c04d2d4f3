// Multipart forms as a real client writes them, and as nobody should.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { splitForm } from '../../../src/doors/rest/multipart.ts';

async function sent(form: FormData): Promise<[type: string, bytes: Buffer]> {
  const response = new Response(form);
  return [response.headers.get('content-type')!, Buffer.from(await response.arrayBuffer())];
}
const B = 'multipart/form-data; boundary=b';
const part = (head: string, body: string) => `--b\r\nContent-Disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
const split = (text: string) => splitForm(B, Buffer.from(text));

test('what a client puts into a form comes out of it, in order', async () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/[\r\n"\\%]/.test(text));
  const value = fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => text.replace(/\r\n?|\n/g, '\r\n'));
  const file = fc.record({
    filename: name.filter((text) => !/[/]/.test(text)),
    data: fc.uint8Array({ maxLength: 3000 }),
  });
  const parts = fc.array(fc.tuple(name, fc.oneof(value, file)), { minLength: 1, maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(parts, async (given) => {
      const form = new FormData();
      for (const [key, what] of given) {
        if (typeof what === 'string') form.append(key, what);
        else form.append(key, new Blob([Uint8Array.from(what.data)]), what.filename);
      }
      const expected = given.map(([key, what]) =>
        typeof what === 'string'
          ? { name: key, value: what }
          : { name: key, filename: what.filename, data: Buffer.from(what.data) },
      );
      assert.deepEqual(await splitForm(...(await sent(form))), expected);
    }),
    { numRuns: 200 },
  );
});

test('names that objects have are names like others, and a path before a file name is left out', async () => {
  const text = `${part('name="__proto__"', 'x')}${part('name="constructor"; filename="C:\\\\a\\\\../b.txt"', 'y')}--b--\r\n`;
  assert.deepEqual(await split(text), [
    { name: '__proto__', value: 'x' },
    { name: 'constructor', filename: 'b.txt', data: Buffer.from('y') },
  ]);
});

test('a part is a file only by a file name, whatever its type', async () => {
  const typed =
    '--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Type: application/octet-stream\r\n\r\n1\r\n--b--\r\n';
  assert.deepEqual(await split(typed), [{ name: 'a', value: '1' }]);
  const json = typed.replace('application/octet-stream', 'application/json').replace('\r\n1\r\n', '\r\n{"x":1}\r\n');
  assert.deepEqual(await split(json), [{ name: 'a', value: '{"x":1}' }]);
});

for (const [what, text] of [
  ['text', 'nonsense'],
  ['a form without its end', part('name="a"', 'x')],
  ['a file without its end', `${part('name="a"; filename="x"', 'x')}--b\r\nContent-Disp`],
  ['a file that ends in its bytes', '--b\r\nContent-Disposition: form-data; name="a"; filename="x"\r\n\r\nxx'],
] as const)
  test(`${what} is malformed`, async () => {
    assert.equal(await split(text), 'malformed');
  });

for (const type of ['multipart/form-data', 'multipart/form-data; boundary=', 'multipart/form-data; boundary'])
  test(`"${type}" names no boundary`, async () => {
    assert.equal(await splitForm(type, Buffer.from('--\r\n\r\n')), 'malformed');
  });

for (const [what, most, more, at] of [
  ['fields', 500, 501, (index: number) => part(`name="${index}"`, 'x')],
  ['files', 10, 11, (index: number) => part(`name="${index}"; filename="x"`, 'x')],
] as const)
  test(`${most} ${what} are taken, and not one more`, async () => {
    const form = (count: number) => `${Array.from({ length: count }, (_, index) => at(index)).join('')}--b--\r\n`;
    const taken = await split(form(most));
    assert.ok(Array.isArray(taken) && taken.length === most, String(taken));
    assert.equal(await split(form(more)), 'too_large');
  });

test('a field of 1 MiB is taken, and not one byte more', async () => {
  const field = (length: number) => `${part('name="a"', 'x'.repeat(length))}--b--\r\n`;
  assert.ok(Array.isArray(await split(field(1024 * 1024 - 1))));
  assert.equal(await split(field(1024 * 1024 + 1)), 'too_large');
});

test('whatever bytes come, there is an answer', async () => {
  const pieces = fc.oneof(
    fc.constantFrom(
      '--b',
      '--b--',
      '\r\n',
      '\r\n\r\n',
      'Content-Disposition: form-data; name="a"',
      '; filename="x"',
      '--',
    ),
    fc.string({ unit: 'binary', maxLength: 20 }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(pieces, { maxLength: 30 }), async (texts) => {
      const answer = await splitForm(B, Buffer.from(texts.join(''), 'latin1'));
      assert.ok(Array.isArray(answer) || answer === 'malformed' || answer === 'too_large');
    }),
    { numRuns: 1000 },
  );
});

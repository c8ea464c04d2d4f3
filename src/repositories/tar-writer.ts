// Puts a tar together again whose files have other contents than git gave them: headers of git's own, with another size where that
// is needed. It knows neither where the contents come from nor why they differ.
import { BLOCK, padded, type TarEntry } from './tar-entries.ts';

/** What a header can say in eleven octal digits; a larger size stands in a pax record, as git does it. */
const MOST_IN_HEADER = 0o77777777777;
/** `git archive` fills a tar up to a multiple of this. */
const RECORD = 20 * BLOCK;

/** Contents of exactly `size` bytes. */
export interface Contents {
  readonly size: number;
  readonly bytes: AsyncIterable<Buffer>;
}

/** The bytes of a tar with these entries; `contents` null: as it came. */
export async function* writeTar(
  entries: AsyncIterable<{ readonly entry: TarEntry; readonly contents: Contents | null }>,
): AsyncGenerator<Buffer> {
  let total = 0;
  for await (const { entry, contents } of entries) {
    const { size, bytes } = contents ?? { size: entry.size, bytes: entry.contents() };
    const head = contents === null ? entry.head : resized(entry.head, size);
    yield head;
    yield* bytes;
    if (padded(size) > size) yield Buffer.alloc(padded(size) - size);
    total += head.length + padded(size);
  }
  const end = Math.ceil((total + 2 * BLOCK) / RECORD) * RECORD;
  yield Buffer.alloc(end - total);
}

/** The header with another size. What stands before it (a long name in a pax record) stays. */
function resized(head: Buffer, size: number): Buffer {
  const before = head.subarray(0, head.length - BLOCK);
  const block = Buffer.from(head.subarray(head.length - BLOCK));
  if (size <= MOST_IN_HEADER) return Buffer.concat([before, withSize(block, size)]);
  const others = before.length === 0 ? Buffer.alloc(0) : recordsOf(before);
  const records = Buffer.concat([others, record('size', String(size))]);
  const pax = Buffer.from(block);
  pax.write('x', 156, 'latin1');
  const body = Buffer.alloc(padded(records.length));
  records.copy(body);
  return Buffer.concat([withSize(pax, records.length), body, withSize(block, 0)]);
}

/** The text of the pax records that stand before a header: git writes one block of them and what fills it. */
function recordsOf(before: Buffer): Buffer {
  const size = Number.parseInt(before.toString('latin1', 124, 135), 8);
  return before.subarray(BLOCK, BLOCK + size);
}

function record(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.from(`${length}${rest}`, 'latin1');
}

function withSize(block: Buffer, size: number): Buffer {
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  // The sum counts its own field as blanks.
  block.write(' '.repeat(8), 148, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(7, '0')}\0`, 148, 'latin1');
  return block;
}

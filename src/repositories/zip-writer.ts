// A zip as it streams, from the entries of a tar: for archives whose files are not git's own contents, since git would hold each of
// them in memory. Sizes beyond 4 GiB are written in the zip64 form, and times are the entries', so the same entries give the same bytes.
import { isUtf8 } from 'node:buffer';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { crc32, createDeflateRaw, deflateRaw } from 'node:zlib';
import { inBlocks } from './blocks.ts';
import type { TarEntry } from './tar-entries.ts';
import type { Contents } from './tar-writer.ts';

const deflated = promisify(deflateRaw);

/** What is at most this large is compressed in one go, and its sizes stand before it. */
const SMALL = 64 * 1024;
/** From here on sizes need eight bytes; compressing may make a file a little larger. */
const LARGE = 0xf0000000;
const FULL = 0xffffffff;
const LEVEL = 6;

interface Written {
  readonly entry: TarEntry;
  readonly name: Buffer;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/** The bytes of a zip with these entries; the comment of a global one (the commit's id) becomes the zip's. */
export async function* writeZip(
  entries: AsyncIterable<{ readonly entry: TarEntry; readonly contents: Contents | null }>,
): AsyncGenerator<Buffer> {
  const written: Written[] = [];
  let comment = '';
  let offset = 0;
  for await (const { entry, contents } of entries) {
    if (entry.type === 'global') {
      comment = entry.records.get('comment') ?? '';
      continue;
    }
    const file = fileWriter(entry, contents ?? plain(entry), offset);
    for (;;) {
      const { done, value } = await file.next();
      if (done) {
        written.push(value);
        break;
      }
      offset += value.length;
      yield value;
    }
  }
  const directory = Buffer.concat(written.map(directoryEntry));
  yield directory;
  yield directoryEnd(written.length, directory.length, offset, Buffer.from(comment, 'latin1'));
}

function plain(entry: TarEntry): Contents {
  const target = Buffer.from(entry.target, 'latin1');
  if (entry.type !== 'link') return { size: entry.size, bytes: entry.contents() };
  return {
    size: target.length,
    bytes: (async function* () {
      yield target;
    })(),
  };
}

async function* fileWriter(
  entry: TarEntry,
  { size, bytes }: Contents,
  offset: number,
): AsyncGenerator<Buffer, Written, void> {
  const name = Buffer.from(entry.path, 'latin1');
  const foreign = name.some((byte) => byte > 0x7f) && isUtf8(name) ? 0x0800 : 0;
  const base = { entry, name, size, offset };
  if (size <= SMALL) {
    const whole = await collect(bytes);
    const small = entry.type === 'file' && size > 0 ? await deflated(whole, { level: LEVEL }) : whole;
    const body = small.length < size ? small : whole;
    const file = { ...base, flags: foreign, method: body === whole ? 0 : 8, crc: crc32(whole), packed: body.length };
    yield localHeader(file);
    yield body;
    return file;
  }
  // Bit 3: what is not known yet follows behind the bytes.
  const flags = foreign | 0x0008;
  yield localHeader({ ...base, flags, method: 8, crc: 0, packed: 0 });
  let crc = 0;
  let packed = 0;
  const source = inBlocks(bytes);
  const start = (await source.next()).value ?? Buffer.alloc(0);
  const press = createDeflateRaw({ level: await levelFor(start), chunkSize: 128 * 1024 });
  const summed = async function* () {
    crc = crc32(start);
    yield start;
    for await (const chunk of source) {
      crc = crc32(chunk, crc);
      yield chunk;
    }
  };
  const fed = pipeline(summed(), press);
  // It is heard below, when the compressed side breaks too.
  fed.catch(() => {});
  for await (const chunk of press as AsyncIterable<Buffer>) {
    packed += chunk.length;
    yield chunk;
  }
  await fed;
  const file = { ...base, flags, method: 8, crc, packed };
  yield descriptor(file);
  return file;
}

/** Films and archives are as small as they get, and to press them again is most of the work of a zip. */
async function levelFor(start: Buffer): Promise<number> {
  const pressed = await deflated(start, { level: 1 });
  return pressed.length > start.length * 0.97 ? 0 : LEVEL;
}

async function collect(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What local headers and the directory have in common, from the version that is needed to the length of the name. */
function common(file: Written, sizes: { readonly packed: number; readonly size: number }, wide: boolean): Buffer {
  const at = Buffer.alloc(24);
  at.writeUInt16LE(wide ? 45 : 20, 0);
  at.writeUInt16LE(file.flags, 2);
  at.writeUInt16LE(file.method, 4);
  at.writeUInt32LE(dosTime(file.entry.time), 6);
  at.writeUInt32LE(file.crc, 10);
  at.writeUInt32LE(sizes.packed, 14);
  at.writeUInt32LE(sizes.size, 18);
  at.writeUInt16LE(file.name.length, 22);
  return at;
}

function localHeader(file: Written): Buffer {
  const wide = file.size >= LARGE;
  const later = (file.flags & 0x0008) !== 0;
  const size = wide ? FULL : later ? 0 : file.size;
  const extra = Buffer.concat([unixTime(file.entry.time), ...(wide ? [zip64([0n, 0n])] : [])]);
  const parts = [signature(0x04034b50), common(file, { packed: wide ? FULL : file.packed, size }, wide)];
  return Buffer.concat([...parts, short(extra.length), file.name, extra]);
}

function descriptor({ crc, packed, size }: Written): Buffer {
  const wide = size >= LARGE;
  const at = Buffer.alloc(wide ? 20 : 12);
  at.writeUInt32LE(crc, 0);
  if (wide) {
    at.writeBigUInt64LE(BigInt(packed), 4);
    at.writeBigUInt64LE(BigInt(size), 12);
  } else {
    at.writeUInt32LE(packed, 4);
    at.writeUInt32LE(size, 8);
  }
  return Buffer.concat([signature(0x08074b50), at]);
}

function directoryEntry(file: Written): Buffer {
  const { entry, name, packed, size, offset } = file;
  const wide = size >= LARGE || offset >= FULL;
  const sizes = wide ? { packed: FULL, size: FULL } : { packed, size };
  const extra = Buffer.concat([
    unixTime(entry.time),
    ...(wide ? [zip64([BigInt(size), BigInt(packed), BigInt(offset)])] : []),
  ]);
  const rest = Buffer.alloc(16);
  rest.writeUInt16LE(extra.length, 0);
  rest.writeUInt32LE(attributes(entry), 8);
  rest.writeUInt32LE(wide ? FULL : offset, 12);
  // Made on Unix, whose modes stand in the attributes.
  return Buffer.concat([signature(0x02014b50), short(0x0317), common(file, sizes, wide), rest, name, extra]);
}

function attributes({ type, mode }: TarEntry): number {
  if (type === 'folder') return (((0o040000 | mode) << 16) | 0x10) >>> 0;
  return (((type === 'link' ? 0o120000 : 0o100000) | mode) << 16) >>> 0;
}

function directoryEnd(count: number, length: number, offset: number, comment: Buffer): Buffer {
  const wide = count >= 0xffff || length >= FULL || offset >= FULL;
  const end = Buffer.alloc(18);
  for (const at of [4, 6]) end.writeUInt16LE(wide ? 0xffff : count, at);
  end.writeUInt32LE(wide ? FULL : length, 8);
  end.writeUInt32LE(wide ? FULL : offset, 12);
  end.writeUInt16LE(comment.length, 16);
  const classic = Buffer.concat([signature(0x06054b50), end, comment]);
  if (!wide) return classic;
  const record = Buffer.alloc(52);
  record.writeBigUInt64LE(44n, 0);
  record.writeUInt16LE(0x0317, 8);
  record.writeUInt16LE(45, 10);
  for (const at of [20, 28]) record.writeBigUInt64LE(BigInt(count), at);
  record.writeBigUInt64LE(BigInt(length), 36);
  record.writeBigUInt64LE(BigInt(offset), 44);
  const locator = Buffer.alloc(16);
  locator.writeBigUInt64LE(BigInt(offset + length), 4);
  locator.writeUInt32LE(1, 12);
  return Buffer.concat([signature(0x06064b50), record, signature(0x07064b50), locator, classic]);
}

function zip64(numbers: readonly bigint[]): Buffer {
  const at = Buffer.alloc(4 + 8 * numbers.length);
  at.writeUInt16LE(0x0001, 0);
  at.writeUInt16LE(8 * numbers.length, 2);
  for (const [index, number] of numbers.entries()) at.writeBigUInt64LE(number, 4 + 8 * index);
  return at;
}

/** The extended time stamp: seconds since 1970, which MS-DOS' own cannot say. */
function unixTime(seconds: number): Buffer {
  const at = Buffer.alloc(9);
  at.writeUInt16LE(0x5455, 0);
  at.writeUInt16LE(5, 2);
  at.writeUInt8(1, 4);
  at.writeUInt32LE(Math.min(seconds, FULL), 5);
  return at;
}

/** A time as MS-DOS had it: from 1980 to 2107, in steps of two seconds; here in UTC. */
function dosTime(seconds: number): number {
  const date = new Date(Math.min(Math.max(seconds, 315532800), 4354819198) * 1000);
  const day = ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate();
  const time = (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1);
  return ((day << 16) | time) >>> 0;
}

function signature(value: number): Buffer {
  const at = Buffer.alloc(4);
  at.writeUInt32LE(value);
  return at;
}

function short(value: number): Buffer {
  const at = Buffer.alloc(2);
  at.writeUInt16LE(value);
  return at;
}

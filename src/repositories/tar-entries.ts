// Takes a tar apart as it streams, the way `git archive` writes it: ustar headers, with pax records before a name, a link or a size
// that does not fit into one. It keeps the bytes of every header, so that what is passed on unchanged stays git's own.

/** The unit of a tar, in bytes. */
export const BLOCK = 512;

export interface TarEntry {
  /** everything that stands before the contents, as it came; of a `global` one the contents too */
  readonly head: Buffer;
  readonly type: 'file' | 'folder' | 'link' | 'global';
  /** the name as bytes: one character each (latin1); a folder's ends with a slash */
  readonly path: string;
  /** the permission bits */
  readonly mode: number;
  /** seconds since 1970 */
  readonly time: number;
  /** bytes of the contents; 0 for all that is no file */
  readonly size: number;
  /** where a link points, as bytes like `path` */
  readonly target: string;
  /** pax records, such as `comment` of a global one */
  readonly records: ReadonlyMap<string, string>;
  /** The contents without their padding. What is not read of them is skipped when the next entry is asked for. */
  contents(): AsyncGenerator<Buffer>;
}

const TYPES: Readonly<Record<string, TarEntry['type']>> = { '0': 'file', '\0': 'file', '5': 'folder', '2': 'link' };

/** The entries of a tar, in order, one at a time. Throws when the tar ends early or is none. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source);
  try {
    let head: Buffer[] = [];
    let records = new Map<string, string>();
    for (;;) {
      const block = await bytes.take(BLOCK);
      if (block.every((byte) => byte === 0)) return await bytes.drain();
      head.push(block);
      const size = octal(block, 124, 12);
      const kind = block.toString('latin1', 156, 157);
      if (kind === 'x' || kind === 'g') {
        const body = await bytes.take(padded(size));
        head.push(body);
        const read = readRecords(body.subarray(0, size));
        if (kind === 'x') {
          records = read;
          continue;
        }
        yield entryOf(block, Buffer.concat(head), 'global', read, () => nothing());
      } else {
        const type = TYPES[kind];
        if (type === undefined) throw new Error('a tar entry of a kind that git never writes');
        const real = type === 'file' ? Number(records.get('size') ?? size) : 0;
        let left = padded(real);
        const contents = async function* () {
          let wanted = real;
          while (left > 0) {
            const chunk = await bytes.some(left);
            left -= chunk.length;
            if (wanted > 0) yield chunk.subarray(0, wanted);
            wanted = Math.max(0, wanted - chunk.length);
          }
        };
        yield { ...entryOf(block, Buffer.concat(head), type, records, contents), size: real };
        while (left > 0) left -= (await bytes.some(left)).length;
      }
      head = [];
      records = new Map();
    }
  } finally {
    await bytes.close();
  }
}

/** `size` and what fills its last block. */
export function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

async function* nothing(): AsyncGenerator<Buffer> {}

function entryOf(
  block: Buffer,
  head: Buffer,
  type: TarEntry['type'],
  records: ReadonlyMap<string, string>,
  contents: TarEntry['contents'],
): TarEntry {
  const [name, prefix] = [string(block, 0, 100), string(block, 345, 155)];
  return {
    head,
    type,
    path: records.get('path') ?? (prefix === '' ? name : `${prefix}/${name}`),
    mode: octal(block, 100, 8) & 0o777,
    time: octal(block, 136, 12),
    size: 0,
    target: records.get('linkpath') ?? string(block, 157, 100),
    records,
    contents,
  };
}

function string(block: Buffer, from: number, length: number): string {
  const text = block.toString('latin1', from, from + length);
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}

function octal(block: Buffer, from: number, length: number): number {
  const text = string(block, from, length).trim();
  if (!/^[0-7]*$/.test(text)) throw new Error('a number in a tar header is none');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

/** Records of the form `length key=value\n`, the length in decimal and of the whole record. */
function readRecords(body: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length; ) {
    const length = Number(/^([0-9]{1,9}) /.exec(body.toString('latin1', at, at + 10))?.[1] ?? 0);
    const record = body.toString('latin1', at, at + length);
    const match = /^[0-9]+ ([^=]+)=(.*)\n$/s.exec(record);
    if (!match) throw new Error('a pax record in a tar is none');
    records.set(match[1]!, match[2]!);
    at += length;
  }
  return records;
}

/** Takes bytes out of a stream in the portions that are asked for. */
class Bytes {
  readonly #source: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Buffer>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Between one byte and `most`. Throws at the end. */
  async some(most: number): Promise<Buffer> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) throw new Error('the tar ended early');
      this.#rest = value;
    }
    const given = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(given.length);
    return given;
  }

  async take(length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const part = await this.some(left);
      parts.push(part);
      left -= part.length;
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  async drain(): Promise<void> {
    while (!(await this.#source.next()).done);
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}

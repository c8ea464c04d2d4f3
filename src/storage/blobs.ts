// Files of any size beside the database, each under a random key: written whole or not at all, read in ranges, deleted by key.
// It knows no owner and no right, and nothing that came from outside ever becomes a path.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { randomHex } from '../kernel/random.ts';
import { flushFolder } from './flush-folder.ts';

/** The bytes were not what the writer had announced. Nothing was kept. */
export class BlobMismatch extends Error {
  constructor() {
    super('the digest or the size of the bytes is not as announced');
    this.name = 'BlobMismatch';
  }
}

export interface WrittenBlob {
  readonly key: string;
  /** 64 lower-case hex characters */
  readonly sha256: string;
  /** bytes */
  readonly size: number;
}

export interface WriteOptions {
  /** ends the writing; nothing is kept */
  readonly signal?: AbortSignal;
  /** what the bytes must be */
  readonly expect?: { readonly sha256: string; readonly size: number };
}

/** The first and the last byte that are wanted, both counted from 0 and both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

export interface Blobs {
  /** Writes a stream under a new key, durable when it resolves. Throws BlobMismatch, or what broke the stream. */
  write(source: Readable, options?: WriteOptions): Promise<WrittenBlob>;
  /** The bytes of a blob, or of a range of it. Rejects with ENOENT when it is not there; a later deletion does not cut it. */
  read(key: string, range?: ByteRange): Promise<Readable>;
  /** Deletes a blob; one that is gone already is no error. */
  delete(key: string): Promise<void>;
  /** Keys of files last written before `before` (milliseconds), in batches. */
  keysBefore(before: number): AsyncIterable<readonly string[]>;
  /** Removes drafts that a crash left behind before `before`. Gives how many. */
  purgeDrafts(before: number): Promise<number>;
}

const READ_AT_ONCE = 256 * 1024;
const KEY = /^[0-9a-f]{32}$/;

/** Opens the blobs on disk below `root`, at `ab/<key>`; the folder is made at the first write. */
export function openBlobs(root: string): Blobs {
  const drafts = join(root, 'drafts');
  const folderOf = (key: string): string => {
    if (!KEY.test(key)) throw new Error('a blob key is 32 hex characters');
    return join(root, key.slice(0, 2));
  };
  const pathOf = (key: string): string => join(folderOf(key), key);

  return {
    async write(source, { signal, expect } = {}) {
      const key = randomHex(16);
      // It may break before the file is open; the pipeline finds it broken then.
      source.on('error', () => {});
      await mkdir(drafts, { recursive: true, mode: 0o700 });
      const draft = join(drafts, key);
      const meter = measure(expect?.size);
      try {
        const file = await open(draft, 'wx', 0o600);
        // `flush` is fsync before the file is closed: a name must never point at bytes that a crash could lose.
        await pipeline(source, meter.stream, file.createWriteStream({ flush: true }), ...(signal ? [{ signal }] : []));
        const written = { key, ...meter.result() };
        if (expect && (expect.size !== written.size || expect.sha256 !== written.sha256)) throw new BlobMismatch();
        await makeFolder(folderOf(key), root);
        await rename(draft, pathOf(key));
        await flushFolder(folderOf(key));
        return written;
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },

    async read(key, range) {
      const file = await open(pathOf(key), 'r');
      return createReadStream('', {
        fd: file,
        // A buffer of this size is made for each read, and thousands of small files may be read after each other.
        highWaterMark: range ? Math.min(READ_AT_ONCE, range.last - range.first + 1) : READ_AT_ONCE,
        ...(range && { start: range.first, end: range.last }),
      });
    },

    async delete(key) {
      await rm(pathOf(key), { force: true });
    },

    async *keysBefore(before) {
      for (const folder of await names(root)) {
        if (!/^[0-9a-f]{2}$/.test(folder)) continue;
        const old: string[] = [];
        for (const name of await names(join(root, folder)))
          if (KEY.test(name) && (await isOlder(join(root, folder, name), before))) old.push(name);
        for (let from = 0; from < old.length; from += 500) yield old.slice(from, from + 500);
      }
    },

    async purgeDrafts(before) {
      let purged = 0;
      for (const name of await names(drafts))
        if (await isOlder(join(drafts, name), before)) {
          await rm(join(drafts, name), { force: true });
          purged += 1;
        }
      return purged;
    },
  };
}

/** Counts and digests what passes; breaks off as soon as more than `most` bytes came. */
function measure(most = Number.POSITIVE_INFINITY): {
  readonly stream: Transform;
  result(): { readonly sha256: string; readonly size: number };
} {
  const hash = createHash('sha256');
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size > most) return done(new BlobMismatch());
      hash.update(chunk);
      done(null, chunk);
    },
  });
  return { stream, result: () => ({ sha256: hash.digest('hex'), size }) };
}

async function makeFolder(folder: string, root: string): Promise<void> {
  const made = await mkdir(folder, { recursive: true, mode: 0o700 });
  if (made !== undefined) await flushFolder(root);
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}

async function isOlder(path: string, before: number): Promise<boolean> {
  const found = await stat(path).catch(() => null);
  return found !== null && found.mtimeMs < before;
}

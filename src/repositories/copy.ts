// Copies a repository while people push to it, so that the copy is whole: first the refs, then the objects. Objects are only ever
// added while maintenance is held, so every ref that was read has its objects in what is read afterwards.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface CopiedFile {
  /** relative to the target, with `/` */
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** What git is still writing, or keeps for itself: locks, quarantines, half-written packs. */
const LOCK = /\.lock$/;
const UNFINISHED = /\.lock$|^tmp_|^incoming-|^\.tmp-/;

/** Copies one file and says what was copied; null when it is not there (any more). */
export async function copyFile(from: string, to: string, path: string): Promise<CopiedFile | null> {
  const hash = createHash('sha256');
  let size = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _, done) {
      size += chunk.length;
      hash.update(chunk);
      done(null, chunk);
    },
  });
  if (!(await stat(from).catch(() => null))?.isFile()) return null;
  await mkdir(dirname(to), { recursive: true, mode: 0o700 });
  try {
    await pipeline(createReadStream(from), measure, createWriteStream(to, { mode: 0o600, flags: 'w', flush: true }));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  return { path, size, sha256: hash.digest('hex') };
}

/** Every file below `folder`, relative to it, by name, but those whose names `skip` knows. */
export async function filesBelow(folder: string, base = '', skip: RegExp | null = null): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(join(folder, base), { withFileTypes: true }).catch(() => []);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = base === '' ? entry.name : `${base}/${entry.name}`;
    if (skip?.test(entry.name)) continue;
    if (entry.isDirectory()) found.push(...(await filesBelow(folder, path, skip)));
    else if (entry.isFile()) found.push(path);
  }
  return found;
}

/** Copies the repository at `from` to `to`; `prefix` stands before each path of the answer. Null: there is none at `from`. */
export async function copyRepository(from: string, to: string, prefix: string): Promise<CopiedFile[] | null> {
  if ((await stat(join(from, 'HEAD')).catch(() => null)) === null) return null;
  const copied: CopiedFile[] = [];
  const take = async (path: string) => {
    const file = await copyFile(join(from, path), join(to, path), `${prefix}/${path}`);
    if (file) copied.push(file);
  };
  // A loose ref that is packed meanwhile is in one of the two: loose refs are read before the packed ones.
  for (const path of await filesBelow(from, 'refs', LOCK)) await take(path);
  for (const path of ['packed-refs', 'HEAD', 'config', 'description']) await take(path);
  for (const path of await filesBelow(from, 'objects', UNFINISHED)) await take(path);
  await makeSkeleton(to);
  // Gone in the middle: it was moved to the trash, where it can be copied anew.
  return (await stat(join(from, 'HEAD')).catch(() => null)) === null ? null : copied;
}

/** The folders without which git does not take a folder for a repository; they may be empty, and a list of files forgets them. */
export async function makeSkeleton(path: string): Promise<void> {
  for (const folder of ['refs/heads', 'refs/tags', 'objects/info', 'objects/pack'])
    await mkdir(join(path, folder), { recursive: true, mode: 0o700 });
}

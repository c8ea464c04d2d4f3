// Which files of a revision an archive gives the objects of instead of their pointers: those that .gitattributes hand to LFS, that are
// pointers, and whose object this repository holds. Nothing of what is in a repository is run, or becomes a path on disk; contents
// are exchanged in the stream, so an object of any size needs no memory.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Allowed } from '../access/allowed.ts';
import { type Draft, openDraft } from './drafts.ts';
import { RepositoryError } from './errors.ts';
import { holdsLfsObjects, type LfsHouse, type Oid, openLfsObjects } from './lfs-objects.ts';
import { MOST_POINTER_BYTES, parsePointer } from './lfs-pointer.ts';
import type { ObjectId } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';
import type { TarEntry } from './tar-entries.ts';
import type { Contents } from './tar-writer.ts';

/** An object that stands in for a pointer. */
export interface ArchivedObject {
  /** bytes */
  readonly size: number;
  /** Rejects with ENOENT when its file is lost. */
  read(): Promise<Readable>;
}

/** Objects by the path of their pointer, the path's bytes as one character each (latin1). */
export type ArchivedObjects = ReadonlyMap<string, ArchivedObject>;

type Which = {
  readonly commitId: ObjectId;
  /** only what lies below this path */
  readonly path?: string;
  readonly signal?: AbortSignal;
  readonly key?: string;
};

/** The most LFS files in one archive: each is remembered until the archive is through. */
const MOST_FILES = 100_000;
const AT_ONCE = 5000;

/**
 * The objects for an archive of a commit; empty where it needs none. Throws `too_large` for more than 100 000 LFS files, and what
 * git throws.
 */
export async function findArchivedObjects(
  house: Pick<LfsHouse, 'db' | 'blobs'> & { readonly repositories: Repositories },
  allowed: Allowed<'file:read'>,
  id: number,
  which: Which,
): Promise<ArchivedObjects> {
  const found = new Map<string, ArchivedObject>();
  if (!(await holdsLfsObjects(house, allowed))) return found;
  const pointers = await findPointers(house.repositories, id, which);
  const objects = await openLfsObjects(house, allowed, [...new Set(pointers.values())]);
  for (const [path, oid] of pointers) {
    const object = objects.get(oid);
    if (!object) continue;
    const { size } = object;
    found.set(path, { size, read: () => object.read(size === 0 ? undefined : { first: 0, last: size - 1 }) });
  }
  return found;
}

/** The entries of a tar whose names begin with `folder/`, each with its object when it has one. */
export async function* withObjects(
  entries: AsyncIterable<TarEntry>,
  folder: string,
  objects: ArchivedObjects,
): AsyncGenerator<{ readonly entry: TarEntry; readonly contents: Contents | null }> {
  for await (const entry of entries) {
    const object = entry.type === 'file' ? objects.get(entry.path.slice(folder.length + 1)) : undefined;
    const bytes = object && (await object.read().catch(lost));
    try {
      yield { entry, contents: object && bytes ? { size: object.size, bytes: exactly(bytes, object.size) } : null };
    } finally {
      bytes?.destroy();
    }
  }
}

/** A pointer whose object is lost stays one, as one whose object never came. */
function lost(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

/** A header has promised the size already. */
async function* exactly(bytes: Readable, size: number): AsyncGenerator<Buffer> {
  let read = 0;
  for await (const chunk of bytes as AsyncIterable<Buffer>) {
    read += chunk.length;
    if (read > size) break;
    yield chunk;
  }
  if (read !== size) throw new Error('the file of an LFS object has not the size of its row');
}

/** The names of objects by the paths of the pointers that .gitattributes hand to LFS. */
async function findPointers(repositories: Repositories, id: number, which: Which): Promise<Map<string, Oid>> {
  const { commitId, signal, key } = which;
  const options = { ...(signal && { signal }), ...(key !== undefined && { key }) };
  // Attributes are read from an index, and from the files of a work tree before that: this one has none.
  const draft = await openDraft(repositories, id);
  try {
    const workTree = join(draft.folder, 'empty');
    await mkdir(workTree);
    await draft.git(['read-tree', commitId], options);
    const listed = await draft.git([`--work-tree=${workTree}`, 'ls-files', '-s', '-z', '--', ':(attr:filter=lfs)'], {
      ...options,
      cwd: workTree,
      env: { GIT_LITERAL_PATHSPECS: '0' },
    });
    const files = readListing(listed, Buffer.from(which.path ?? '').toString('latin1'));
    if (files.length > MOST_FILES) throw new RepositoryError('too_large', 'an archive with so many LFS files');
    const oids = await readPointers(draft, [...new Set(files.map((file) => file.blob))], options);
    return new Map(files.flatMap(({ path, blob }) => (oids.has(blob) ? [[path, oids.get(blob)!] as const] : [])));
  } finally {
    await draft.discard();
  }
}

/** Regular files of `ls-files -s -z`, at or below a path. */
function readListing(listed: Buffer, within: string): { readonly path: string; readonly blob: string }[] {
  const inside = (path: string) => within === '' || path === within || path.startsWith(`${within}/`);
  return listed
    .toString('latin1')
    .split('\0')
    .flatMap((record) => {
      const match = /^100[0-7]{3} ([0-9a-f]+) 0\t(.*)$/s.exec(record);
      return match && inside(match[2]!) ? [{ path: match[2]!, blob: match[1]! }] : [];
    });
}

/** What those of the blobs point at that are pointers. */
async function readPointers(
  draft: Draft,
  blobs: readonly string[],
  options: { readonly signal?: AbortSignal; readonly key?: string },
): Promise<Map<string, Oid>> {
  const found = new Map<string, Oid>();
  for (let from = 0; from < blobs.length; from += AT_ONCE) {
    const input = `${blobs.slice(from, from + AT_ONCE).join('\n')}\n`;
    const sizes = await draft.git(['cat-file', '--batch-check', '--buffer'], { ...options, input });
    const small = [...sizes.toString('latin1').matchAll(/^([0-9a-f]+) blob ([0-9]+)$/gm)]
      .filter(([, , size]) => Number(size) <= MOST_POINTER_BYTES)
      .map(([, blob]) => blob!);
    if (small.length === 0) continue;
    const bodies = await draft.git(['cat-file', '--batch', '--buffer'], { ...options, input: `${small.join('\n')}\n` });
    for (let at = 0; at < bodies.length; ) {
      const end = bodies.indexOf('\n', at);
      const [blob = '', , size = '0'] = bodies.toString('latin1', at, end).split(' ');
      const pointer = parsePointer(bodies.subarray(end + 1, end + 1 + Number(size)));
      if (pointer) found.set(blob, pointer.oid);
      at = end + 1 + Number(size) + 1;
    }
  }
  return found;
}

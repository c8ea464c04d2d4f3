// Deeds on LFS objects: which are there, take one in, give one out (reference git-and-deploy 9.1). An object is acknowledged only
// when its bytes lie on disk and are what its name says; it belongs to one repository, whatever others hold the same bytes.
import type { Readable } from 'node:stream';
import type { Allowed } from '../access/allowed.ts';
import { decide } from '../access/decide.ts';
import { atProject, type ProjectPlace } from '../access/place.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { Verifier } from '../credentials/verify.ts';
import { fail } from '../kernel/faults.ts';
import { insertBlob } from '../storage/blob-store.ts';
import type { Blobs, ByteRange } from '../storage/blobs.ts';
import type { House } from '../storage/house.ts';
import { RepositoryError } from './errors.ts';
import {
  findObjects,
  holdBlobs,
  holdProject,
  insertObject,
  type LfsObject,
  objectsAfter,
  sizeOfObjects,
} from './lfs-store.ts';

export type LfsHouse = House & { readonly blobs: Blobs; readonly verifier: Pick<Verifier, 'byId'> };

/** The proof that somebody may read, or write, a repository: either tells him which objects are there. */
export type LfsProof = Allowed<'repository:pull'> | Allowed<'repository:push'> | Allowed<'file:read'>;

/** The name of an object: SHA-256 of its bytes, 64 lower-case hex characters. */
export type Oid = string & { readonly __oid: true };

/** Reads an object's name from the outside; null when it is none. */
export function parseOid(text: unknown): Oid | null {
  return typeof text === 'string' && /^[0-9a-f]{64}$/.test(text) ? (text as Oid) : null;
}

/** The repository of a place. Throws `repository_missing` when it has none. */
export function repositoryOf({ project }: ProjectPlace): number {
  if (project.repository_id === null) throw new RepositoryError('repository_missing');
  return project.repository_id;
}

/** Those of `oids` that the repository holds. */
export function findLfsObjects(
  house: Pick<House, 'db'>,
  allowed: LfsProof,
  oids: readonly Oid[],
): Promise<Map<string, LfsObject>> {
  return findObjects(house.db.read, repositoryOf(allowed.place), oids);
}

/** What a repository's objects weigh together, in bytes. */
export function lfsObjectsSize(house: Pick<House, 'db'>, repositoryId: number): Promise<number> {
  return sizeOfObjects(house.db.list, repositoryId);
}

/**
 * Takes in an object. Resolves when it is durable; nothing is kept when the bytes differ (BlobMismatch), the stream breaks, or
 * the key lost its right while they came (fault `forbidden`). An object that is there already is no error.
 */
export async function storeLfsObject(
  house: LfsHouse,
  actor: Actor,
  allowed: Allowed<'repository:push'>,
  object: { readonly oid: Oid; readonly size: number },
  body: { readonly source: Readable; readonly signal: AbortSignal },
): Promise<void> {
  const { db, clock, blobs } = house;
  const { project } = allowed.place;
  const repositoryId = repositoryOf(allowed.place);
  const { oid, size } = object;
  const { credential } = actor;
  const blob = await blobs.write(body.source, { signal: body.signal, expect: { sha256: oid, size } });
  let kept = false;
  try {
    // The key may have been ended, by another node too, while the bytes came in.
    if (credential.id !== null && !(await house.verifier.byId(credential.id)).ok) fail({ code: 'unauthorized' });
    kept = await db.tx(async (tx) => {
      const question = { action: 'repository:push', place: atProject(project.id) } as const;
      if (!(await decide(tx, clock, credential, question)).ok) fail({ code: 'forbidden', reason: null });
      const now = clock.now();
      const known = await findObjects(tx, repositoryId, [oid]);
      if (known.has(oid)) return false;
      const blobId = await insertBlob(tx, { ...blob, now });
      if (!(await insertObject(tx, { repositoryId, oid, size, blobId, now }))) throw new Lost();
      await auditDeed(tx, house, actor, {
        action: 'repository:push',
        entityType: 'Project',
        entityId: project.id,
        entityPath: project.full_path,
        targetType: 'LFS object',
        targetDetails: oid,
        message: 'Stored an LFS object',
        details: { size },
      });
      return true;
    });
  } catch (error) {
    if (!(error instanceof Lost)) throw error;
  } finally {
    if (!kept) await blobs.delete(blob.key);
  }
}

/** Somebody else stored the same object at the same moment: theirs stands. */
class Lost extends Error {}

const COPIED_AT_ONCE = 200;

/**
 * Makes the fork in repository `to` hold what the source of the proof holds, by the same blobs: nothing is copied on disk. Objects
 * that it has already stay; running it twice is harmless. Does nothing when one of the two was deleted meanwhile.
 */
export async function copyLfsObjects(
  house: Pick<House, 'db' | 'clock'>,
  allowed: Allowed<'project:fork'>,
  to: number,
): Promise<void> {
  const { db, clock } = house;
  const from = repositoryOf(allowed.place);
  for (let after = 0; ; ) {
    const copied = await db.tx(async (tx) => {
      // What is deleted now has been, or will be, swept of its objects: a row made behind that would keep a blob forever.
      if (!(await holdProject(tx, db.engine, to))) return [];
      const objects = await objectsAfter(tx, from, after, COPIED_AT_ONCE);
      const held = await holdBlobs(
        tx,
        db.engine,
        objects.map((object) => object.blob_id),
      );
      for (const { oid, size, blob_id: blobId } of objects)
        if (held.has(blobId)) await insertObject(tx, { repositoryId: to, oid, size, blobId, now: clock.now() });
      return objects;
    });
    if (copied.length < COPIED_AT_ONCE) return;
    after = copied.at(-1)!.id;
  }
}

/** What can be read of an object. */
export interface OpenedObject {
  /** bytes */
  readonly size: number;
  /** Rejects with ENOENT when its file is lost. */
  read(range?: ByteRange): Promise<Readable>;
}

/** Whether the repository holds any object at all. */
export async function holdsLfsObjects(house: Pick<House, 'db'>, allowed: LfsProof): Promise<boolean> {
  return (await objectsAfter(house.db.read, repositoryOf(allowed.place), 0, 1)).length > 0;
}

/** Those of many objects that the repository holds, by name. */
export async function openLfsObjects(
  house: Pick<LfsHouse, 'db' | 'blobs'>,
  allowed: Allowed<'file:read'>,
  oids: readonly Oid[],
): Promise<Map<string, OpenedObject>> {
  const found = await findObjects(house.db.list, repositoryOf(allowed.place), oids);
  return new Map([...found].map(([oid, object]) => [oid, opened(house, object)]));
}

/** An object that may be read. Null when the repository does not hold it. */
export async function openLfsObject(
  house: Pick<LfsHouse, 'db' | 'blobs'>,
  allowed: Allowed<'repository:pull'> | Allowed<'file:read'>,
  oid: Oid,
): Promise<OpenedObject | null> {
  const found = (await findLfsObjects(house, allowed, [oid])).get(oid);
  return found ? opened(house, found) : null;
}

function opened({ blobs }: Pick<LfsHouse, 'blobs'>, { size, storage_key: key }: LfsObject): OpenedObject {
  return { size, read: (range) => blobs.read(key, range) };
}

// The rows of LFS objects and LFS locks. An object or a lock is always looked up together with its repository (security-lessons
// R23, R26): an id alone finds nothing.
import type { Database, Queryable, Tx } from '../storage/database.ts';

type Engine = Database['engine'];

export interface LfsObject {
  readonly oid: string;
  readonly size: number;
  readonly storage_key: string;
}

export interface LfsLock {
  readonly id: number;
  readonly path: string;
  readonly locked_at: number;
  readonly user_id: number;
  /** the display name */
  readonly owner: string;
}

const CHUNK = 500;

/** Those of `oids` that the repository holds, by oid. */
export async function findObjects(
  q: Queryable,
  repositoryId: number,
  oids: readonly string[],
): Promise<Map<string, LfsObject>> {
  const found = new Map<string, LfsObject>();
  for (let from = 0; from < oids.length; from += CHUNK) {
    const rows = await q
      .selectFrom('lfs_objects as o')
      .innerJoin('blobs as b', 'b.id', 'o.blob_id')
      .select(['o.oid', 'o.size', 'b.storage_key'])
      .where('o.repository_id', '=', repositoryId)
      .where('o.oid', 'in', oids.slice(from, from + CHUNK))
      .execute();
    for (const row of rows) found.set(row.oid, row);
  }
  return found;
}

/** Adds an object. False when the repository had it already. */
export async function insertObject(
  tx: Tx,
  object: { repositoryId: number; oid: string; size: number; blobId: number; now: number },
): Promise<boolean> {
  const row = await tx
    .insertInto('lfs_objects')
    .values({
      repository_id: object.repositoryId,
      oid: object.oid,
      size: object.size,
      blob_id: object.blobId,
      created_at: object.now,
    })
    .onConflict((conflict) => conflict.columns(['repository_id', 'oid']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Removes some objects of a repository; gives the ids of their blobs, none when there was nothing left. */
export async function deleteObjects(tx: Tx, repositoryId: number, limit: number): Promise<number[]> {
  const rows = await tx
    .deleteFrom('lfs_objects')
    .where('id', 'in', (sub) =>
      sub.selectFrom('lfs_objects').select('id').where('repository_id', '=', repositoryId).orderBy('id').limit(limit),
    )
    .returning('blob_id')
    .execute();
  return rows.map((row) => row.blob_id);
}

/** Some objects of a repository, those behind the id `after`, in the order of their ids. */
export async function objectsAfter(
  q: Queryable,
  repositoryId: number,
  after: number,
  limit: number,
): Promise<{ id: number; oid: string; size: number; blob_id: number }[]> {
  return q
    .selectFrom('lfs_objects')
    .select(['id', 'oid', 'size', 'blob_id'])
    .where('repository_id', '=', repositoryId)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Holds the project of a repository against its deletion until the transaction ends. False when it is deleted already. */
export async function holdProject(tx: Tx, engine: Engine, repositoryId: number): Promise<boolean> {
  const row = await tx
    .selectFrom('projects')
    .select('id')
    .where('repository_id', '=', repositoryId)
    .where('deleted_at', 'is', null)
    .$if(engine === 'postgres', (query) => query.forShare())
    .executeTakeFirst();
  return row !== undefined;
}

/** Those of these blobs that are not doomed, held so until the transaction ends: somebody is about to name them. */
export async function holdBlobs(tx: Tx, engine: Engine, ids: readonly number[]): Promise<Set<number>> {
  if (ids.length === 0) return new Set();
  const rows = await tx
    .selectFrom('blobs')
    .select('id')
    .where('id', 'in', ids)
    .where('doomed_at', 'is', null)
    .orderBy('id')
    .$if(engine === 'postgres', (query) => query.forKeyShare())
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** Those of these blobs that no object names any more. Nobody else can name one until the transaction ends. */
export async function unnamedBlobs(tx: Tx, engine: Engine, ids: readonly number[]): Promise<number[]> {
  if (ids.length === 0) return [];
  // A statement of its own: on PostgreSQL the next one sees what those have committed that this one waits for.
  if (engine === 'postgres')
    await tx.selectFrom('blobs').select('id').where('id', 'in', ids).orderBy('id').forUpdate().execute();
  const named = await tx.selectFrom('lfs_objects').select('blob_id').where('blob_id', 'in', ids).distinct().execute();
  const taken = new Set(named.map((row) => row.blob_id));
  return ids.filter((id) => !taken.has(id));
}

/** What a repository's objects weigh together, in bytes. */
export async function sizeOfObjects(q: Queryable, repositoryId: number): Promise<number> {
  const row = await q
    .selectFrom('lfs_objects')
    .select((eb) => eb.fn.sum<number | string | null>('size').as('size'))
    .where('repository_id', '=', repositoryId)
    .executeTakeFirst();
  return Number(row?.size ?? 0);
}

/** Locks a path. Null when somebody has it. */
export async function insertLock(
  tx: Tx,
  lock: { repositoryId: number; path: string; userId: number; now: number },
): Promise<number | null> {
  const row = await tx
    .insertInto('lfs_locks')
    .values({ repository_id: lock.repositoryId, path: lock.path, user_id: lock.userId, locked_at: lock.now })
    .onConflict((conflict) => conflict.columns(['repository_id', 'path']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row?.id ?? null;
}

function selectLocks(q: Queryable, repositoryId: number) {
  return q
    .selectFrom('lfs_locks as l')
    .innerJoin('users as u', 'u.id', 'l.user_id')
    .select(['l.id', 'l.path', 'l.locked_at', 'l.user_id', 'u.name as owner'])
    .where('l.repository_id', '=', repositoryId);
}

/** The lock of this id in this repository. */
export async function findLock(q: Queryable, repositoryId: number, id: number): Promise<LfsLock | null> {
  return (await selectLocks(q, repositoryId).where('l.id', '=', id).executeTakeFirst()) ?? null;
}

/** Locks in the order of their ids, those behind `after`; of one path or one id when asked. */
export async function listLocks(
  q: Queryable,
  repositoryId: number,
  page: { readonly path?: string; readonly id?: number; readonly after: number; readonly limit: number },
): Promise<LfsLock[]> {
  let query = selectLocks(q, repositoryId).where('l.id', '>', page.after);
  if (page.path !== undefined) query = query.where('l.path', '=', page.path);
  if (page.id !== undefined) query = query.where('l.id', '=', page.id);
  return query.orderBy('l.id').limit(page.limit).execute();
}

/** Removes a lock; `heldBy` only when it is his. False when it was gone or is another's. */
export async function deleteLock(tx: Tx, repositoryId: number, id: number, heldBy: number | null): Promise<boolean> {
  let query = tx.deleteFrom('lfs_locks').where('repository_id', '=', repositoryId).where('id', '=', id);
  if (heldBy !== null) query = query.where('user_id', '=', heldBy);
  return (await query.returning('id').executeTakeFirst()) !== undefined;
}

/** Removes every lock of a repository that is gone. */
export async function deleteLocks(tx: Tx, repositoryId: number): Promise<void> {
  await tx.deleteFrom('lfs_locks').where('repository_id', '=', repositoryId).execute();
}

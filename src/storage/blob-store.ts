// The rows of blobs: where each lies, how large it is, and which are doomed. Who owns a blob is for the rooms; they take it in
// and doom it in their own transactions.
import type { Queryable, Tx } from './database.ts';

export interface StoredBlob {
  readonly id: number;
  readonly storage_key: string;
  readonly size: number;
}

/** Takes in a blob that lies in the storage whole; gives its id. */
export async function insertBlob(
  tx: Tx,
  blob: { readonly key: string; readonly sha256: string; readonly size: number; readonly now: number },
): Promise<number> {
  const row = await tx
    .insertInto('blobs')
    .values({ storage_key: blob.key, sha256: blob.sha256, size: blob.size, created_at: blob.now, doomed_at: null })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/** Marks blobs whose last owner is gone, for the collection. */
export async function doomBlobs(tx: Tx, ids: readonly number[], now: number): Promise<void> {
  if (ids.length === 0) return;
  await tx.updateTable('blobs').set({ doomed_at: now }).where('id', 'in', ids).where('doomed_at', 'is', null).execute();
}

/** Some blobs that were doomed before `before`. */
export async function doomedBlobs(q: Queryable, before: number, limit: number): Promise<StoredBlob[]> {
  return q
    .selectFrom('blobs')
    .select(['id', 'storage_key', 'size'])
    .where('doomed_at', '<', before)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Forgets blobs whose files are gone. */
export async function deleteBlobRows(tx: Tx, ids: readonly number[]): Promise<void> {
  if (ids.length === 0) return;
  await tx.deleteFrom('blobs').where('id', 'in', ids).where('doomed_at', 'is not', null).execute();
}

/** Which of these keys have a row. */
export async function knownKeys(q: Queryable, keys: readonly string[]): Promise<Set<string>> {
  if (keys.length === 0) return new Set();
  const rows = await q.selectFrom('blobs').select('storage_key').where('storage_key', 'in', keys).execute();
  return new Set(rows.map((row) => row.storage_key));
}

// Keeps the pushes: a row is written before git moves a ref and ends as done or abandoned exactly once, so that a crash
// between the two is found at the next start.
import type { Selectable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { PushTable } from '../storage/schema.ts';

export type PushRow = Selectable<PushTable>;

/** One ref of a push; ids in full hex, null for "does not exist". */
export interface MovedRef {
  readonly ref: string;
  readonly oldId: string | null;
  readonly newId: string | null;
}

export interface PushIntent {
  readonly projectId: number;
  readonly repositoryId: number;
  readonly userId: number | null;
  readonly credentialId: number | null;
  readonly door: string;
  readonly updates: readonly MovedRef[];
  readonly options: readonly string[];
  /** milliseconds */
  readonly now: number;
}

/** Writes what is about to happen and gives the push's id. */
export async function insertPush(tx: Tx, intent: PushIntent): Promise<number> {
  const row = await tx
    .insertInto('pushes')
    .values({
      project_id: intent.projectId,
      repository_id: intent.repositoryId,
      user_id: intent.userId,
      credential_id: intent.credentialId,
      door: intent.door,
      updates: JSON.stringify(intent.updates),
      options: JSON.stringify(intent.options),
      state: 'intended',
      created_at: intent.now,
      done_at: null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return row.id;
}

/** Ends a push with the refs that really moved; null when somebody else ended it before. */
export async function endPush(tx: Tx, id: number, moved: readonly MovedRef[], now: number): Promise<PushRow | null> {
  const row = await tx
    .updateTable('pushes')
    .set({ state: moved.length > 0 ? 'done' : 'abandoned', updates: JSON.stringify(moved), done_at: now })
    .where('id', '=', id)
    .where('state', '=', 'intended')
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** A push by its id. */
export async function findPush(q: Queryable, id: number): Promise<PushRow | null> {
  return (await q.selectFrom('pushes').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/** Whether some push to this repository moved a ref. */
export async function everPushed(q: Queryable, repositoryId: number): Promise<boolean> {
  const row = await q
    .selectFrom('pushes')
    .select('id')
    .where('repository_id', '=', repositoryId)
    .where('state', '=', 'done')
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Pushes that began and did not end, oldest first, `limit` at most, after id `after`. */
export async function unfinishedPushes(q: Queryable, after: number, limit: number): Promise<PushRow[]> {
  return q
    .selectFrom('pushes')
    .selectAll()
    .where('state', '=', 'intended')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

// The tasks table: durable work that waits for its time. A claim is a random word with an end; whoever still holds it may
// finish the task, and nobody else. What a kind means is not known here.
import { type Selectable, sql } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { TaskTable } from '../storage/schema.ts';

export type TaskRow = Selectable<TaskTable>;

/** A task that somebody is working on. `runAt` is what it was due at when it was claimed. */
export interface ClaimedTask {
  readonly id: number;
  readonly kind: string;
  readonly payload: string;
  readonly uniqueKey: string | null;
  readonly attempts: number;
  readonly claim: string;
  readonly runAt: number;
}

/**
 * Adds a task and gives its id. When one with the same unique key waits already, that one runs at the earlier of the two
 * times with the new payload; when it is being worked on, it runs once more afterwards, because that work may have begun
 * before what is now to be done was there.
 */
export async function insertTask(
  tx: Tx,
  task: { kind: string; payload: string; runAt: number; uniqueKey: string | null; createdAt: number },
): Promise<number> {
  const { id } = await tx
    .insertInto('tasks')
    .values({
      kind: task.kind,
      payload: task.payload,
      run_at: task.runAt,
      unique_key: task.uniqueKey,
      created_at: task.createdAt,
    })
    .onConflict((oc) =>
      oc
        .column('unique_key')
        .where('unique_key', 'is not', null)
        .doUpdateSet({
          payload: sql<string>`excluded.payload`,
          // A changed run_at is how the one at work learns that it was asked again.
          run_at: sql<number>`case
            when tasks.claim is not null and excluded.run_at <= tasks.run_at then tasks.run_at + 1
            when tasks.claim is not null or excluded.run_at < tasks.run_at then excluded.run_at
            else tasks.run_at end`,
        }),
    )
    .returning('id')
    .executeTakeFirstOrThrow();
  return id;
}

/** Adds a task unless one with its unique key is there; that one stays as it is. */
export async function insertTaskOnce(
  tx: Tx,
  task: { kind: string; payload: string; runAt: number; uniqueKey: string; createdAt: number },
): Promise<void> {
  await tx
    .insertInto('tasks')
    .values({
      kind: task.kind,
      payload: task.payload,
      run_at: task.runAt,
      unique_key: task.uniqueKey,
      created_at: task.createdAt,
    })
    .onConflict((oc) => oc.column('unique_key').where('unique_key', 'is not', null).doNothing())
    .execute();
}

/** Whether a task of these kinds could be claimed now. */
export async function hasDueTask(q: Queryable, kinds: readonly string[], now: number): Promise<boolean> {
  const row = await q
    .selectFrom('tasks')
    .select('id')
    .where('run_at', '<=', now)
    .where('kind', 'in', kinds)
    .where((eb) => eb.or([eb('claimed_until', 'is', null), eb('claimed_until', '<=', now)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Claims at most `limit` due tasks of `kinds` until `until`, the longest due first. A task whose claim has run out counts
 * as unclaimed: whoever had it is thought dead. On PostgreSQL, rows that another node is claiming are passed over.
 */
export async function claimTasks(
  tx: Tx,
  engine: 'sqlite' | 'postgres',
  options: { kinds: readonly string[]; now: number; until: number; claim: string; limit: number },
): Promise<ClaimedTask[]> {
  const { kinds, now, until, claim, limit } = options;
  const rows = await tx
    .updateTable('tasks')
    .set((eb) => ({ claim, claimed_until: until, attempts: eb('attempts', '+', 1) }))
    .where('id', 'in', (eb) =>
      eb
        .selectFrom('tasks as due')
        .select('due.id')
        .where('due.run_at', '<=', now)
        .where('due.kind', 'in', kinds)
        .where((or) => or.or([or('due.claimed_until', 'is', null), or('due.claimed_until', '<=', now)]))
        .orderBy('due.run_at')
        .orderBy('due.id')
        .limit(limit)
        .$if(engine === 'postgres', (query) => query.forUpdate().skipLocked()),
    )
    .where((eb) => eb.or([eb('claimed_until', 'is', null), eb('claimed_until', '<=', now)]))
    .returning(['id', 'kind', 'payload', 'unique_key', 'attempts', 'run_at'])
    .execute();
  return rows
    .sort((a, b) => a.run_at - b.run_at || a.id - b.id)
    .map(({ unique_key, run_at, ...rest }) => ({ ...rest, uniqueKey: unique_key, runAt: run_at, claim }));
}

/** Moves the end of a claim. False when it is no longer ours. */
export async function extendClaim(tx: Tx, task: ClaimedTask, until: number): Promise<boolean> {
  const rows = await tx
    .updateTable('tasks')
    .set({ claimed_until: until })
    .where('id', '=', task.id)
    .where('claim', '=', task.claim)
    .returning('id')
    .execute();
  return rows.length === 1;
}

/**
 * Ends the task: it is gone or, when it was asked for again meanwhile or `againAt` is given, waits for its next turn.
 * False when the claim is no longer ours.
 */
export async function completeTask(tx: Tx, task: ClaimedTask, againAt: number | null): Promise<boolean> {
  if (againAt === null) {
    const gone = await tx
      .deleteFrom('tasks')
      .where('id', '=', task.id)
      .where('claim', '=', task.claim)
      .where('run_at', '=', task.runAt)
      .returning('id')
      .execute();
    if (gone.length === 1) return true;
  }
  const kept = await tx
    .updateTable('tasks')
    .set({ claim: null, claimed_until: null, attempts: 0, last_error: null })
    .$if(againAt !== null, (query) =>
      query.set({ run_at: sql<number>`case when run_at = ${task.runAt} then ${againAt} else run_at end` }),
    )
    .where('id', '=', task.id)
    .where('claim', '=', task.claim)
    .returning('id')
    .execute();
  return kept.length === 1;
}

/** Gives a failed task back, to run again at `runAt`, or at once when it was asked for again meanwhile. */
export async function returnTask(tx: Tx, task: ClaimedTask, runAt: number, lastError: string | null): Promise<void> {
  await tx
    .updateTable('tasks')
    .set({
      claim: null,
      claimed_until: null,
      last_error: lastError,
      run_at: sql<number>`case when run_at = ${task.runAt} then ${runAt} else run_at end`,
    })
    .where('id', '=', task.id)
    .where('claim', '=', task.claim)
    .execute();
}

/** One page of the tasks of a kind that wait or are being worked on, oldest first, and how many there are. */
export async function listTasks(
  q: Queryable,
  kind: string,
  slice: { readonly offset: number; readonly perPage: number },
): Promise<{ rows: TaskRow[]; total: number }> {
  const query = q.selectFrom('tasks').where('kind', '=', kind);
  const { total } = await query.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query.selectAll().orderBy('id').limit(slice.perPage).offset(slice.offset).execute();
  return { rows, total: Number(total) };
}

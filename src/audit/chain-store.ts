// Keeps the batches of the audit's chain and which event lies in which. It only adds; nothing here changes or removes a link.
import { type Selectable, sql } from 'kysely';
import { MINUTE } from '../kernel/clock.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { AuditSealTable } from '../storage/schema.ts';
import type { AuditRow } from './audit-store.ts';
import type { BatchRow, Seal } from './chain-encoding.ts';

type Engine = 'sqlite' | 'postgres';
type SealRow = Selectable<AuditSealTable>;

/** A number of our own for PostgreSQL's advisory locks. */
const LOCK = 7_215_908_114;
/** How long a PostgreSQL transaction may lie between taking an id and its commit. */
const LATE = 10 * MINUTE;
const CHUNK = 200;

/** Makes this transaction the only one that seals. SQLite's BEGIN IMMEDIATE already is the lock. */
export async function lockChain(tx: Tx, engine: Engine): Promise<void> {
  if (engine === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tx);
}

/** The newest batch; null when none was sealed. */
export async function newestBatch(q: Queryable): Promise<BatchRow | null> {
  return (await q.selectFrom('audit_batches').selectAll().orderBy('id', 'desc').limit(1).executeTakeFirst()) ?? null;
}

/** One batch by its number. */
export async function findBatch(q: Queryable, id: number): Promise<BatchRow | null> {
  return (await q.selectFrom('audit_batches').selectAll().where('id', '=', id).executeTakeFirst()) ?? null;
}

/**
 * The highest event id below which every row must be sealed: a row without a seal there was put in by somebody. On SQLite rows
 * are committed in the order of their ids; on PostgreSQL a row may come up to ten minutes late.
 */
export async function sealedUpTo(q: Queryable, engine: Engine): Promise<number> {
  const newest = await newestBatch(q);
  if (newest === null) return 0;
  if (engine === 'sqlite') return newest.high_event_id;
  const settled = await q
    .selectFrom('audit_batches')
    .select('high_event_id')
    .where('sealed_at', '<', newest.sealed_at - LATE)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return settled?.high_event_id ?? 0;
}

function unsealed(q: Queryable, above: number) {
  return q
    .selectFrom('audit_events as e')
    .where('e.id', '>', above)
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('audit_seals as s').select('s.event_id').whereRef('s.event_id', '=', 'e.id'))),
    );
}

/** Events above id `above` that no batch holds, by ascending id, `limit` at most. */
export async function unsealedEvents(q: Queryable, above: number, limit: number): Promise<AuditRow[]> {
  return unsealed(q, above).selectAll('e').orderBy('e.id').limit(limit).execute();
}

/** Ids of events with `above` < id <= `upTo` that no batch holds, `limit` at most. */
export async function unsealedIds(q: Queryable, above: number, upTo: number, limit: number): Promise<number[]> {
  const rows = await unsealed(q, above).select('e.id').where('e.id', '<=', upTo).orderBy('e.id').limit(limit).execute();
  return rows.map((row) => row.id);
}

/** The highest event id; 0 when there is none. */
export async function highestEventId(q: Queryable): Promise<number> {
  const row = await q.selectFrom('audit_events').select('id').orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row?.id ?? 0;
}

/** Adds a batch and what lies in it. The batch's number is unique, so of two sealers one fails. */
export async function insertBatch(tx: Tx, batch: BatchRow, seals: readonly Seal[]): Promise<void> {
  await tx.insertInto('audit_batches').values(batch).execute();
  for (let start = 0; start < seals.length; start += CHUNK) {
    const rows = seals
      .slice(start, start + CHUNK)
      .map(({ eventId, hash }) => ({ event_id: eventId, batch_id: batch.id, hash }));
    await tx.insertInto('audit_seals').values(rows).execute();
  }
}

/** Batches after number `after`, in order, `limit` at most. */
export async function selectBatches(q: Queryable, after: number, limit: number): Promise<BatchRow[]> {
  return q.selectFrom('audit_batches').selectAll().where('id', '>', after).orderBy('id').limit(limit).execute();
}

/** What lies in one batch, by ascending event id. */
export async function selectSeals(q: Queryable, batchId: number): Promise<SealRow[]> {
  return q.selectFrom('audit_seals').selectAll().where('batch_id', '=', batchId).orderBy('event_id').execute();
}

/** The events that lie in one batch, as they are now, by ascending id. */
export async function selectSealedEvents(q: Queryable, batchId: number): Promise<AuditRow[]> {
  return q
    .selectFrom('audit_seals as s')
    .innerJoin('audit_events as e', 'e.id', 's.event_id')
    .selectAll('e')
    .where('s.batch_id', '=', batchId)
    .orderBy('e.id')
    .execute();
}

/** The first event whose batch is gone; null when there is none. */
export async function firstSealWithoutBatch(q: Queryable): Promise<SealRow | null> {
  const row = await q
    .selectFrom('audit_seals as s')
    .selectAll('s')
    .where(({ not, exists, selectFrom }) =>
      not(exists(selectFrom('audit_batches as b').select('b.id').whereRef('b.id', '=', 's.batch_id'))),
    )
    .orderBy('s.event_id')
    .limit(1)
    .executeTakeFirst();
  return row ?? null;
}

/** First and last number of the batches sealed in a span of time (milliseconds, inclusive); null when there are none. */
export async function batchesBetween(
  q: Queryable,
  from: number,
  to: number,
): Promise<{ readonly first: number; readonly last: number } | null> {
  const row = await q
    .selectFrom('audit_batches')
    .select(({ fn }) => [fn.min('id').as('first'), fn.max('id').as('last')])
    .where('sealed_at', '>=', from)
    .where('sealed_at', '<=', to)
    .executeTakeFirst();
  return row?.first == null || row.last == null ? null : { first: row.first, last: row.last };
}

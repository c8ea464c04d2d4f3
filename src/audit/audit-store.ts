// The audit tables: events, one row a deed, and refusals of strangers, one row an address, door, code and minute.
// Nothing here changes an event once it is written.
import type { Expression, ExpressionBuilder, Insertable, Selectable, SqlBool } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { AuditEventTable, AuditRefusalTable, Schema } from '../storage/schema.ts';

export type AuditRow = Selectable<AuditEventTable>;
export type RefusalRow = Selectable<AuditRefusalTable>;

/** All given ones must match; times are inclusive (reference git-and-deploy 12.10). */
export interface AuditFilters {
  readonly createdAfter?: number;
  readonly createdBefore?: number;
  readonly entityType?: string;
  readonly entityId?: number;
  readonly authorId?: number;
  readonly credentialId?: number;
  readonly credentialKind?: string;
  readonly door?: string;
  readonly action?: string;
  readonly result?: AuditRow['result'];
}

export interface AuditPage {
  /** From 1. */
  readonly page: number;
  readonly perPage: number;
}

/** Above this many rows no total is given (reference access-tokens 3.3). */
export const MAX_COUNTED = 10_000;
const CHUNK = 100;

function matching(filters: AuditFilters) {
  return (eb: ExpressionBuilder<Schema, 'audit_events'>): Expression<SqlBool> => {
    const { createdAfter, createdBefore, entityType, entityId, authorId } = filters;
    const { credentialId, credentialKind, door, action, result } = filters;
    const conditions: Expression<SqlBool>[] = [];
    if (createdAfter !== undefined) conditions.push(eb('created_at', '>=', createdAfter));
    if (createdBefore !== undefined) conditions.push(eb('created_at', '<=', createdBefore));
    if (entityType !== undefined) conditions.push(eb('entity_type', '=', entityType));
    if (entityId !== undefined) conditions.push(eb('entity_id', '=', entityId));
    if (authorId !== undefined) conditions.push(eb('author_id', '=', authorId));
    if (credentialId !== undefined) conditions.push(eb('credential_id', '=', credentialId));
    if (credentialKind !== undefined) conditions.push(eb('credential_kind', '=', credentialKind));
    if (door !== undefined) conditions.push(eb('door', '=', door));
    if (action !== undefined) conditions.push(eb('action', '=', action));
    if (result !== undefined) conditions.push(eb('result', '=', result));
    return eb.and(conditions);
  };
}

/** Adds an event and gives its id. */
export async function insertEvent(tx: Tx, row: Insertable<AuditEventTable>): Promise<number> {
  const { id } = await tx.insertInto('audit_events').values(row).returning('id').executeTakeFirstOrThrow();
  return id;
}

/** One event; undefined when there is none of that id. */
export async function findEvent(q: Queryable, id: number): Promise<AuditRow | undefined> {
  return q.selectFrom('audit_events').selectAll().where('id', '=', id).executeTakeFirst();
}

/** A page of events, newest first. */
export async function selectEvents(q: Queryable, filters: AuditFilters, page: AuditPage): Promise<AuditRow[]> {
  return q
    .selectFrom('audit_events')
    .selectAll()
    .where(matching(filters))
    .orderBy('id', 'desc')
    .limit(page.perPage)
    .offset((page.page - 1) * page.perPage)
    .execute();
}

/** How many events match; null above MAX_COUNTED, which is where counting stops. */
export async function countEvents(q: Queryable, filters: AuditFilters): Promise<number | null> {
  const { count } = await q
    .selectFrom((eb) =>
      eb
        .selectFrom('audit_events')
        .select('id')
        .where(matching(filters))
        .limit(MAX_COUNTED + 1)
        .as('found'),
    )
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
  return count > MAX_COUNTED ? null : count;
}

/** Adds counts to those that are there already. */
export async function addRefusals(tx: Tx, rows: readonly RefusalRow[]): Promise<void> {
  for (let start = 0; start < rows.length; start += CHUNK) {
    await tx
      .insertInto('audit_refusals')
      .values(rows.slice(start, start + CHUNK))
      .onConflict((oc) =>
        oc
          .columns(['minute', 'ip_address', 'door', 'code'])
          .doUpdateSet((eb) => ({ count: eb('audit_refusals.count', '+', eb.ref('excluded.count')) })),
      )
      .execute();
  }
}

/** Counts since `minute` (milliseconds, start of a minute), newest first, at most `limit`. */
export async function selectRefusals(q: Queryable, minute: number, limit: number): Promise<RefusalRow[]> {
  return q
    .selectFrom('audit_refusals')
    .selectAll()
    .where('minute', '>=', minute)
    .orderBy('minute', 'desc')
    .orderBy('ip_address')
    .orderBy('door')
    .orderBy('code')
    .limit(limit)
    .execute();
}

/** Forgets counts of minutes before `minute`. */
export async function deleteRefusals(tx: Tx, minute: number): Promise<void> {
  await tx.deleteFrom('audit_refusals').where('minute', '<', minute).execute();
}

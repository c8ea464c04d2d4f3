// What time does to keys, in SQL: which are about to expire, which have been dead for long, which rows are swept. Notices are
// this room's own table; each is written once, whoever asks at the same time.
import { sql } from 'kysely';
import type { Credential } from '../credentials/credential-rows.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { StoredKind } from '../storage/schema.ts';

/** Where a walk through keys in the order of their expiry stands: after the key `id` that expires at `expiresAt`. */
export interface ExpiryCursor {
  readonly expiresAt: number;
  readonly id: number;
}

/**
 * Up to `limit` keys of these kinds that come after `after` and expire up to `to`, in the order of expiry and id, without those
 * that ended. Each page begins in the index where the last one stopped: many keys expire at the same midnight.
 */
export async function expiringKeys(
  q: Queryable,
  kinds: readonly StoredKind[],
  after: ExpiryCursor,
  to: number,
  limit: number,
): Promise<Credential[]> {
  return q
    .selectFrom('credentials')
    .selectAll()
    .where('kind', 'in', kinds)
    .where(sql<boolean>`(expires_at, id) > (${after.expiresAt}, ${after.id})`)
    .where('expires_at', '<=', to)
    .where('ended_at', 'is', null)
    .where('forgotten_at', 'is', null)
    .where('impersonation', '=', 0)
    .orderBy('expires_at')
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Which of these keys were given `notice` already. */
export async function alreadyNoticed(q: Queryable, ids: readonly number[], notice: string): Promise<Set<number>> {
  if (ids.length === 0) return new Set();
  const rows = await q
    .selectFrom('credential_notices')
    .select('credential_id')
    .where('credential_id', 'in', ids)
    .where('notice', '=', notice)
    .execute();
  return new Set(rows.map((row) => row.credential_id));
}

/** Notes that a key was given `notice`. False when it was before, so that exactly one of two tells. */
export async function noteNotice(tx: Tx, credentialId: number, notice: string, now: number): Promise<boolean> {
  const row = await tx
    .insertInto('credential_notices')
    .values({ credential_id: credentialId, notice, noticed_at: now })
    .onConflict((oc) => oc.doNothing())
    .returning('credential_id')
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * Up to `limit` keys of these kinds that have been dead since `cutoff` or longer, by end or by date, and are not forgotten; none
 * only when there is none. Two questions, each with an index that holds no forgotten key.
 */
export async function longDead(
  q: Queryable,
  kinds: readonly StoredKind[],
  cutoff: number,
  limit: number,
): Promise<Credential[]> {
  const known = q.selectFrom('credentials').selectAll().where('kind', 'in', kinds).where('forgotten_at', 'is', null);
  const ended = await known.where('ended_at', '<=', cutoff).orderBy('ended_at').limit(limit).execute();
  if (ended.length > 0) return ended;
  return known.where('expires_at', '<=', cutoff).orderBy('expires_at').limit(limit).execute();
}

/** Deletes up to `limit` rows of these kinds that died before `cutoff`; how many. Nothing points at such rows by key. */
export async function sweepDead(tx: Tx, kinds: readonly StoredKind[], cutoff: number, limit: number): Promise<number> {
  // These kinds are never forgotten and few live long, so their part of the index of kinds is read. The order makes SQLite take it
  // even where its statistics know of few kinds and no such row, and the sign keeps it from the indexes of time, which hold all
  // that access tokens left behind.
  const rows = await tx
    .selectFrom('credentials')
    .select('id')
    .where('kind', 'in', kinds)
    .where(sql<boolean>`(+ended_at <= ${cutoff} or +expires_at <= ${cutoff})`)
    .orderBy('kind')
    .orderBy('id')
    .limit(limit)
    .execute();
  const ids = rows.map((row) => row.id);
  if (ids.length === 0) return 0;
  await tx.deleteFrom('credential_uses').where('credential_id', 'in', ids).execute();
  await tx.deleteFrom('credential_secrets').where('credential_id', 'in', ids).execute();
  await tx.deleteFrom('credential_notices').where('credential_id', 'in', ids).execute();
  await tx.deleteFrom('credentials').where('id', 'in', ids).execute();
  return ids.length;
}

/** Up to `limit` keys that ended before `now` and still have something sealed under `purpose`. It walks all that is sealed. */
export async function sealedOfEnded(q: Queryable, purpose: string, now: number, limit: number): Promise<number[]> {
  const rows = await q
    .selectFrom('credential_secrets as s')
    .innerJoin('credentials as c', 'c.id', 's.credential_id')
    .select('s.credential_id')
    .where('s.purpose', '=', purpose)
    .where('c.ended_at', '<=', now)
    .limit(limit)
    .execute();
  return rows.map((row) => row.credential_id);
}

/** Erases what is sealed under `purpose` for these keys: nobody may read it again. */
export async function eraseSealed(tx: Tx, purpose: string, ids: readonly number[]): Promise<void> {
  await tx.deleteFrom('credential_secrets').where('purpose', '=', purpose).where('credential_id', 'in', ids).execute();
}

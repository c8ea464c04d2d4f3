// What time does to keys, in SQL: which are about to expire, which have been dead for long, which rows are swept. Notices are
// this room's own table; each is written once, whoever asks at the same time.
import type { Credential } from '../credentials/credential-rows.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { StoredKind } from '../storage/schema.ts';

/** Keys of these kinds that expire after `from` and up to `to`, have not ended, and come after `afterId`, by id. */
export async function expiringKeys(
  q: Queryable,
  kinds: readonly StoredKind[],
  window: { readonly from: number; readonly to: number },
  afterId: number,
  limit: number,
): Promise<Credential[]> {
  return q
    .selectFrom('credentials')
    .selectAll()
    .where('kind', 'in', kinds)
    .where('expires_at', '>', window.from)
    .where('expires_at', '<=', window.to)
    .where('ended_at', 'is', null)
    .where('forgotten_at', 'is', null)
    .where('impersonation', '=', 0)
    .where('id', '>', afterId)
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

/** Keys of these kinds that have been dead since `cutoff` or longer, by end or by date, and are not forgotten. */
export async function longDead(
  q: Queryable,
  kinds: readonly StoredKind[],
  cutoff: number,
  limit: number,
): Promise<Credential[]> {
  return q
    .selectFrom('credentials')
    .selectAll()
    .where('kind', 'in', kinds)
    .where('forgotten_at', 'is', null)
    .where((eb) => eb.or([eb('ended_at', '<=', cutoff), eb('expires_at', '<=', cutoff)]))
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Deletes up to `limit` rows of these kinds that died before `cutoff`; how many. Nothing points at such rows by key. */
export async function sweepDead(tx: Tx, kinds: readonly StoredKind[], cutoff: number, limit: number): Promise<number> {
  const rows = await tx
    .selectFrom('credentials')
    .select('id')
    .where('kind', 'in', kinds)
    .where((eb) => eb.or([eb('ended_at', '<=', cutoff), eb('expires_at', '<=', cutoff)]))
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

/** Erases what is sealed under `purpose` for keys that ended before `now`: nobody may read it again. */
export async function dropSealedOfEnded(tx: Tx, purpose: string, now: number): Promise<void> {
  await tx
    .deleteFrom('credential_secrets')
    .where('purpose', '=', purpose)
    .where('credential_id', 'in', (eb) => eb.selectFrom('credentials').select('id').where('ended_at', '<=', now))
    .execute();
}

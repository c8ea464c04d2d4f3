// The table `credentials`: every key of every kind. Finds, inserts and changes rows by guarded updates. It knows digests, never
// secrets, and nothing of what a key may do.
import type { User } from '../identity/records.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { EndReason } from '../storage/schema.ts';
import { credentialRows } from './credential-list-store.ts';
import { asRow, type Credential, type CredentialRow } from './credential-rows.ts';

/** A key by id, forgotten ones included only with `forgotten`. */
export async function findCredential(
  q: Queryable,
  id: number,
  options: { forgotten?: boolean } = {},
): Promise<CredentialRow | null> {
  if (!Number.isSafeInteger(id)) return null;
  let query = credentialRows(q).where('c.id', '=', id);
  if (!options.forgotten) query = query.where('c.forgotten_at', 'is', null);
  const row = await query.executeTakeFirst();
  return row ? asRow(row) : null;
}

/**
 * Those of these keys whose end has come: revoked, expired, rotated ones after their overlap, and deploy keys whose creator is
 * kept out (reference git-and-deploy 6.5).
 */
export async function endedAmong(q: Queryable, ids: readonly number[], now: number): Promise<number[]> {
  const keptOut = q.selectFrom('users').select('id').where('state', 'not in', ['active', 'deleted']);
  const rows = await q
    .selectFrom('credentials')
    .select('id')
    .where('id', 'in', ids)
    .where((eb) =>
      eb.or([
        eb('ended_at', '<=', now),
        eb('expires_at', '<=', now),
        eb.and([eb('kind', '=', 'deploy_key'), eb('user_id', 'in', keptOut)]),
      ]),
    )
    .execute();
  return rows.map((row) => row.id);
}

/** The key with one of these digests, and the user behind it. One indexed look-up. */
export async function findByDigest(
  q: Queryable,
  digests: readonly string[],
): Promise<{ row: CredentialRow; user: User | null } | null> {
  const found = await credentialRows(q).where('c.secret_digest', 'in', digests).executeTakeFirst();
  if (!found) return null;
  const row = asRow(found);
  if (row.user_id === null) return { row, user: null };
  const user = await q.selectFrom('users').selectAll().where('id', '=', row.user_id).executeTakeFirst();
  return { row, user: user ?? null };
}

/** Inserts a key and starts its family with itself unless it continues one. */
export async function insertCredential(
  tx: Tx,
  values: Omit<Credential, 'id' | 'access_level' | 'ended_at' | 'end_reason' | 'successor_id' | 'forgotten_at'> & {
    readonly access_level?: number | null;
  },
): Promise<Credential> {
  const row = await tx.insertInto('credentials').values(values).returningAll().executeTakeFirstOrThrow();
  if (row.family_id !== null) return row;
  return tx
    .updateTable('credentials')
    .set({ family_id: row.id })
    .where('id', '=', row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Ends a key that has no end yet; null when another was first. An end that lies ahead may be brought nearer with `sooner`. */
export async function markEnded(
  tx: Tx,
  id: number,
  at: number,
  reason: EndReason,
  sooner: boolean,
): Promise<Credential | null> {
  const row = await tx
    .updateTable('credentials')
    .set({ ended_at: at, end_reason: reason })
    .where('id', '=', id)
    .where((eb) => (sooner ? eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', at)]) : eb('ended_at', 'is', null)))
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Ends every key that matches and is alive at `at`; gives what it ended. By user: all but deploy keys, which outlive him. */
export async function markManyEnded(
  tx: Tx,
  which: { userId?: number; projectIds?: readonly number[]; groupIds?: readonly number[]; familyId?: number },
  at: number,
  reason: EndReason,
): Promise<Credential[]> {
  if (which.projectIds?.length === 0 && which.groupIds?.length === 0) return [];
  return tx
    .updateTable('credentials')
    .set({ ended_at: at, end_reason: reason })
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', at)]))
    .where((eb) =>
      eb.or([
        ...(which.userId !== undefined
          ? [eb.and([eb('user_id', '=', which.userId), eb('kind', '!=', 'deploy_key')])]
          : []),
        ...(which.projectIds?.length ? [eb('project_id', 'in', which.projectIds)] : []),
        ...(which.groupIds?.length ? [eb('group_id', 'in', which.groupIds)] : []),
        ...(which.familyId !== undefined ? [eb('family_id', '=', which.familyId)] : []),
      ]),
    )
    .returningAll()
    .execute();
}

/** Notes which key took over. */
export async function setSuccessor(tx: Tx, id: number, successorId: number): Promise<void> {
  await tx.updateTable('credentials').set({ successor_id: successorId }).where('id', '=', id).execute();
}

/** Moves a key's digest to the current version of the instance key. */
export async function updateDigest(tx: Tx, id: number, from: string, digest: string, version: number): Promise<void> {
  await tx
    .updateTable('credentials')
    .set({ secret_digest: digest, digest_key: version })
    .where('id', '=', id)
    .where('secret_digest', '=', from)
    .execute();
}

/** Takes a key out of every list and away from verify; its row stays for audit (reference access-tokens 7.5). */
export async function forgetCredentials(tx: Tx, ids: readonly number[], now: number): Promise<void> {
  if (ids.length === 0) return;
  await tx
    .updateTable('credentials')
    .set({ secret_digest: null, digest_key: null, fingerprint: null, forgotten_at: now })
    .where('id', 'in', ids)
    .where('forgotten_at', 'is', null)
    .execute();
  await tx.deleteFrom('credential_secrets').where('credential_id', 'in', ids).execute();
  await tx.deleteFrom('ssh_keys').where('credential_id', 'in', ids).execute();
}

/** Gives a deploy token its user name. */
export async function insertDeployToken(tx: Tx, credentialId: number, username: string): Promise<void> {
  await tx.insertInto('deploy_tokens').values({ credential_id: credentialId, username }).execute();
}

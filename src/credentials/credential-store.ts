// The table `credentials` and its narrow neighbours: every key of every kind. Finds, lists, inserts and changes rows by guarded
// updates. It knows digests, never secrets, and nothing of what a key may do.
import { type Selectable, sql } from 'kysely';
import type { User } from '../identity/records.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { CredentialTable, EndReason, StoredKind } from '../storage/schema.ts';

export type Credential = Selectable<CredentialTable>;

/** A credential with its use, as lists show it. */
export interface CredentialRow extends Credential {
  readonly last_used_at: number | null;
  /** the newest five addresses, newest first */
  readonly ips: string[];
  /** deploy tokens only */
  readonly username: string | null;
}

export type CredentialState = 'active' | 'rotating' | 'expired' | 'revoked';

/** The state of a key at `now`. `rotating`: already rotated, still alive until its overlap ends. Revoked outranks expired. */
export function credentialState(row: Pick<Credential, 'ended_at' | 'expires_at'>, now: number): CredentialState {
  if (row.ended_at !== null && row.ended_at <= now) return 'revoked';
  if (row.expires_at !== null && row.expires_at <= now) return 'expired';
  return row.ended_at !== null ? 'rotating' : 'active';
}

/** Whether a key may authenticate at `now`. Dead from the first instant of its date on (security-lessons R37). */
export function isActive(row: Pick<Credential, 'ended_at' | 'expires_at'>, now: number): boolean {
  const state = credentialState(row, now);
  return state === 'active' || state === 'rotating';
}

/** The scopes of a row, in the order given. */
export function scopesOf(row: Pick<Credential, 'scopes'>): string[] {
  return JSON.parse(row.scopes);
}

const base = (q: Queryable) =>
  q
    .selectFrom('credentials as c')
    .leftJoin('credential_uses as u', 'u.credential_id', 'c.id')
    .leftJoin('deploy_tokens as d', 'd.credential_id', 'c.id')
    .selectAll('c')
    .select(['u.last_used_at', 'u.ips', 'd.username']);

type Joined = Credential & { last_used_at: number | null; ips: string | null; username: string | null };

function asRow(row: Joined): CredentialRow {
  return { ...row, ips: row.ips === null ? [] : JSON.parse(row.ips) };
}

/** A key by id, forgotten ones included only with `forgotten`. */
export async function findCredential(
  q: Queryable,
  id: number,
  options: { forgotten?: boolean } = {},
): Promise<CredentialRow | null> {
  if (!Number.isSafeInteger(id)) return null;
  let query = base(q).where('c.id', '=', id);
  if (!options.forgotten) query = query.where('c.forgotten_at', 'is', null);
  const row = await query.executeTakeFirst();
  return row ? asRow(row) : null;
}

/** The key with one of these digests, and the user behind it. One indexed look-up. */
export async function findByDigest(
  q: Queryable,
  digests: readonly string[],
): Promise<{ row: CredentialRow; user: User | null } | null> {
  const found = await base(q).where('c.secret_digest', 'in', digests).executeTakeFirst();
  if (!found) return null;
  const row = asRow(found);
  if (row.user_id === null) return { row, user: null };
  const user = await q.selectFrom('users').selectAll().where('id', '=', row.user_id).executeTakeFirst();
  return { row, user: user ?? null };
}

export interface CredentialFilter {
  readonly kinds?: readonly StoredKind[];
  readonly userId?: number;
  readonly projectId?: number;
  readonly groupId?: number;
  readonly createdByUserId?: number;
  /** own keys, or those of these places: the union (inventory of somebody who is no administrator) */
  readonly anyOf?: {
    readonly userId: number;
    readonly projectIds: readonly number[];
    readonly groupIds: readonly number[];
    /** keys that belong to places otherwise than by their row: deploy keys */
    readonly ids: readonly number[];
  };
  /** default: false shows only what is not an impersonation token; `any` shows both */
  readonly impersonation?: boolean | 'any';
  readonly state?: 'active' | 'inactive' | CredentialState;
  readonly revoked?: boolean;
  readonly createdBefore?: number;
  readonly createdAfter?: number;
  readonly lastUsedBefore?: number;
  readonly lastUsedAfter?: number;
  /** strictly before this instant */
  readonly expiresBefore?: number;
  readonly expiresAfter?: number;
  readonly search?: string;
  readonly scope?: string;
  /** not used since this instant, or never used and made before it */
  readonly unusedSince?: number;
  readonly username?: string;
  readonly name?: string;
  readonly sort?: string;
}

export interface Slice {
  readonly offset: number;
  readonly perPage: number;
}

const SORTS: Readonly<Record<string, 'created_at' | 'expires_at' | 'last_used_at' | 'name' | 'id'>> = {
  created: 'created_at',
  created_at: 'created_at',
  expires: 'expires_at',
  expires_at: 'expires_at',
  last_used: 'last_used_at',
  last_used_at: 'last_used_at',
  name: 'name',
  id: 'id',
};

/** One page of keys and how many there are. All filters combine with AND (reference access-tokens 3.4, 3.7). */
export async function listCredentials(
  q: Queryable,
  filter: CredentialFilter,
  slice: Slice,
  now: number,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const matching = () => applyFilter(base(q), filter, now);
  const counted = await applyFilter(
    q
      .selectFrom('credentials as c')
      .leftJoin('credential_uses as u', 'u.credential_id', 'c.id')
      .leftJoin('deploy_tokens as d', 'd.credential_id', 'c.id'),
    filter,
    now,
  )
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  let query = matching();
  const match = /^(\w+?)_(asc|desc)$/.exec(filter.sort ?? '');
  const column = match ? SORTS[match[1]!] : undefined;
  const direction = match?.[2] === 'desc' ? 'desc' : 'asc';
  if (column === 'last_used_at')
    query = query.orderBy(sql`u.last_used_at is null`).orderBy('u.last_used_at', direction);
  else if (column === 'expires_at') query = query.orderBy(sql`c.expires_at is null`).orderBy('c.expires_at', direction);
  else if (column === 'name') query = query.orderBy(sql`lower(c.name)`, direction);
  else if (column === 'created_at') query = query.orderBy('c.created_at', direction);
  query = query.orderBy('c.id', column === undefined ? 'asc' : direction);
  const rows = await query.limit(slice.perPage).offset(slice.offset).execute();
  return { rows: rows.map(asRow), total: Number(counted.total) };
}

type Filterable = ReturnType<typeof base>;

function applyFilter<T>(query: T, filter: CredentialFilter, now: number): T {
  // Kysely's builder types differ by what is selected; the conditions touch only the three joined tables.
  let q = (query as unknown as Filterable).where('c.forgotten_at', 'is', null);
  if (filter.kinds) q = q.where('c.kind', 'in', filter.kinds);
  if (filter.userId !== undefined) q = q.where('c.user_id', '=', filter.userId);
  if (filter.projectId !== undefined) q = q.where('c.project_id', '=', filter.projectId);
  if (filter.groupId !== undefined) q = q.where('c.group_id', '=', filter.groupId);
  if (filter.createdByUserId !== undefined) q = q.where('c.created_by_user_id', '=', filter.createdByUserId);
  if (filter.anyOf) {
    const { userId, projectIds, groupIds, ids } = filter.anyOf;
    q = q.where((eb) =>
      eb.or([
        eb('c.user_id', '=', userId),
        eb('c.created_by_user_id', '=', userId),
        ...(projectIds.length ? [eb('c.project_id', 'in', projectIds)] : []),
        ...(groupIds.length ? [eb('c.group_id', 'in', groupIds)] : []),
        ...(ids.length ? [eb('c.id', 'in', ids)] : []),
      ]),
    );
  }
  if (filter.impersonation !== 'any') q = q.where('c.impersonation', '=', filter.impersonation === true ? 1 : 0);
  q = applyState(q, filter, now);
  if (filter.createdBefore !== undefined) q = q.where('c.created_at', '<=', filter.createdBefore);
  if (filter.createdAfter !== undefined) q = q.where('c.created_at', '>=', filter.createdAfter);
  if (filter.lastUsedBefore !== undefined) q = q.where('u.last_used_at', '<=', filter.lastUsedBefore);
  if (filter.lastUsedAfter !== undefined) q = q.where('u.last_used_at', '>=', filter.lastUsedAfter);
  if (filter.expiresBefore !== undefined) q = q.where('c.expires_at', '<', filter.expiresBefore);
  if (filter.expiresAfter !== undefined) q = q.where('c.expires_at', '>=', filter.expiresAfter);
  if (filter.scope !== undefined)
    q = q.where(sql<boolean>`c.scopes like ${`%${escapeLike(JSON.stringify(filter.scope))}%`} escape '\\'`);
  if (filter.unusedSince !== undefined) {
    const since = filter.unusedSince;
    q = q.where((eb) =>
      eb.or([
        eb('u.last_used_at', '<', since),
        eb.and([eb('u.last_used_at', 'is', null), eb('c.created_at', '<', since)]),
      ]),
    );
  }
  if (filter.username !== undefined) q = q.where('d.username', '=', filter.username);
  if (filter.name !== undefined) q = q.where('c.name', '=', filter.name);
  if (filter.search !== undefined && filter.search.trim() !== '')
    for (const word of filter.search.toLowerCase().trim().split(/\s+/))
      q =
        word.length < 3
          ? q.where(sql<boolean>`lower(c.name) = ${word}`)
          : q.where(sql<boolean>`lower(c.name) like ${`%${escapeLike(word)}%`} escape '\\'`);
  return q as unknown as T;
}

function applyState(q: Filterable, filter: CredentialFilter, now: number): Filterable {
  const ended = sql<boolean>`(c.ended_at is not null and c.ended_at <= ${now})`;
  const expired = sql<boolean>`(c.expires_at is not null and c.expires_at <= ${now})`;
  if (filter.revoked !== undefined) q = filter.revoked ? q.where(ended) : q.where(sql<boolean>`not ${ended}`);
  switch (filter.state) {
    case 'active':
      return q.where(sql<boolean>`not ${ended}`).where(sql<boolean>`not ${expired}`);
    case 'inactive':
      return q.where(sql<boolean>`(${ended} or ${expired})`);
    case 'revoked':
      return q.where(ended);
    case 'expired':
      return q.where(sql<boolean>`not ${ended}`).where(expired);
    case 'rotating':
      return q.where(sql<boolean>`not ${expired}`).where('c.ended_at', '>', now);
    default:
      return q;
  }
}

/** Text with LIKE's own signs escaped by a backslash. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

/** Inserts a key and starts its family with itself unless it continues one. */
export async function insertCredential(
  tx: Tx,
  values: Omit<Credential, 'id' | 'ended_at' | 'end_reason' | 'successor_id' | 'forgotten_at'>,
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

/** Stores something sealed for a key, replacing what stood there for the purpose. */
export async function putSealed(
  tx: Tx,
  row: { credentialId: number; purpose: string; sealed: string; keyId: number; dropAt: number | null },
): Promise<void> {
  await tx
    .insertInto('credential_secrets')
    .values({
      credential_id: row.credentialId,
      purpose: row.purpose,
      sealed: row.sealed,
      key_id: row.keyId,
      drop_at: row.dropAt,
    })
    .onConflict((oc) =>
      oc
        .columns(['credential_id', 'purpose'])
        .doUpdateSet({ sealed: row.sealed, key_id: row.keyId, drop_at: row.dropAt }),
    )
    .execute();
}

/** What is sealed for a key and purpose and not yet to be dropped. */
export async function findSealed(
  q: Queryable,
  credentialId: number,
  purpose: string,
  now: number,
): Promise<{ sealed: string; keyId: number } | null> {
  const row = await q
    .selectFrom('credential_secrets')
    .selectAll()
    .where('credential_id', '=', credentialId)
    .where('purpose', '=', purpose)
    .where((eb) => eb.or([eb('drop_at', 'is', null), eb('drop_at', '>', now)]))
    .executeTakeFirst();
  return row ? { sealed: row.sealed, keyId: row.key_id } : null;
}

/** Erases sealed texts whose time is over. */
export async function dropSealed(tx: Tx, now: number): Promise<void> {
  await tx.deleteFrom('credential_secrets').where('drop_at', '<=', now).execute();
}

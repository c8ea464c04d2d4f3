// Lists of keys over `credentials` and its narrow neighbours, with every filter and order that the routes offer (reference
// access-tokens 3.4, 3.7). Who may see which keys was decided before.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';
import type { StoredKind } from '../storage/schema.ts';
import { asRow, type CredentialRow, type CredentialState } from './credential-rows.ts';

/** Keys with their use and a deploy token's user name. */
export const credentialRows = (q: Queryable) =>
  q
    .selectFrom('credentials as c')
    .leftJoin('credential_uses as u', 'u.credential_id', 'c.id')
    .leftJoin('deploy_tokens as d', 'd.credential_id', 'c.id')
    .selectAll('c')
    .select(['u.last_used_at', 'u.ips', 'd.username']);

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
  const matching = () => applyFilter(credentialRows(q), filter, now);
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

type Filterable = ReturnType<typeof credentialRows>;

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

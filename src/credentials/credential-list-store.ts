// Lists of keys over `credentials` and its narrow neighbours, with every filter and order that the routes offer (reference
// access-tokens 3.4, 3.7). Who may see which keys was decided before.
import { type RawBuilder, sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';
import { completePage, countUpTo, MOST_COUNTED, type PageSlice, pageOf } from '../storage/page-store.ts';
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

export type Slice = PageSlice;

type SortColumn = 'created_at' | 'expires_at' | 'last_used_at' | 'name' | 'id';

const SORTS: Readonly<Record<string, SortColumn>> = {
  created: 'created_at',
  created_at: 'created_at',
  expires: 'expires_at',
  expires_at: 'expires_at',
  last_used: 'last_used_at',
  last_used_at: 'last_used_at',
  name: 'name',
  id: 'id',
};

/** As many keys as are named one by one in a query. */
const MOST_NAMED = 5000;

type Direction = 'asc' | 'desc';

/**
 * One page of keys and how many there are (`total` as storage/page-store.ts says). All filters combine with AND (reference
 * access-tokens 3.4, 3.7). Keys without a time come last in an order by that time; ties are settled by id.
 */
export async function listCredentials(
  q: Queryable,
  filter: CredentialFilter,
  slice: Slice,
  now: number,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const match = /^(\w+?)_(asc|desc)$/.exec(filter.sort ?? '');
  const column = (match && SORTS[match[1]!]) ?? 'id';
  const direction: Direction = match && SORTS[match[1]!] && match[2] === 'desc' ? 'desc' : 'asc';
  const matching = applyFilter(credentialRows(q), filter, now);
  if (await isFew(q, filter)) return pageOfFew(q, matching, column, direction, slice);
  const named = await idsByName(q, filter);
  if (named?.length === 0) return { rows: [], total: 0 };
  const all = applyFilter(credentialRows(q), filter, now, 'count');
  const counted = named ? all.where('c.id', 'in', named) : all;
  // Counted first: what few of many keys match is found by the filters' indexes, and sorted.
  if (named || (await countUpTo(q, counted)) <= MOST_COUNTED) return pageOfFew(q, counted, column, direction, slice);
  const page = await completePage(q, counted, slice, (limit) =>
    pageOfMany(q, filter, now, column, direction, { offset: slice.offset, limit }),
  );
  return { rows: await rowsOf(q, page.rows), total: page.total };
}

/** The keys with the name that is searched for; null when there are many. Only the index of names is read. */
async function idsByName(q: Queryable, filter: CredentialFilter): Promise<number[] | null> {
  const words = wordsOf(filter.search);
  if (words.length === 0) return null;
  let query = q.selectFrom('credentials').select('id');
  for (const word of words) query = query.where(nameHas(word, sql`lower(name)`));
  const rows = await query.limit(MOST_NAMED + 1).execute();
  return rows.length > MOST_NAMED ? null : rows.map((row) => row.id);
}

/** Whether the filter leaves so few keys that they are fetched by it and then sorted; else they are read in their order. */
async function isFew(q: Queryable, filter: CredentialFilter): Promise<boolean> {
  const { userId, projectId, groupId, createdByUserId, anyOf, username, kinds } = filter;
  if ([userId, projectId, groupId, createdByUserId, anyOf, username].some((one) => one !== undefined)) return true;
  let query = q.selectFrom('credentials as c');
  if (kinds) query = query.where('c.kind', 'in', kinds);
  return (await countUpTo(q, query)) <= MOST_COUNTED;
}

function sorted<Q>(matching: Q, column: SortColumn, direction: Direction, spelt?: 'as expression'): Q {
  let query = matching as unknown as Filterable;
  const time = (name: 'c.id' | 'c.created_at') => (spelt ? sql<number>`+${sql.ref(name)}` : sql.ref<number>(name));
  if (column === 'last_used_at')
    query = query.orderBy(sql`u.last_used_at is null`).orderBy('u.last_used_at', direction);
  else if (column === 'expires_at') query = query.orderBy(sql`c.expires_at is null`).orderBy('c.expires_at', direction);
  else if (column === 'name') query = query.orderBy(spelt ? sql`lower(c.name) || ''` : sql`lower(c.name)`, direction);
  else if (column === 'created_at') query = query.orderBy(time('c.created_at'), direction);
  return query.orderBy(time('c.id'), direction) as unknown as Q;
}

/**
 * One page of few keys: found by the filters' indexes, then sorted. The order is spelt as an expression, or PostgreSQL would take all
 * keys in the order of its index and hope to meet the few soon.
 */
async function pageOfFew(
  q: Queryable,
  matching: Filterable,
  column: SortColumn,
  direction: Direction,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const ordered = sorted(matching, column, direction, 'as expression').clearSelect().select('c.id');
  const { rows, total } = await pageOf(q, matching, ordered, slice);
  const ids = rows.map(({ id }) => id);
  return { rows: await rowsOf(q, ids), total };
}

/** Ids of one page, out of many keys: read in the order of an index, until the page is full. */
async function pageOfMany(
  q: Queryable,
  filter: CredentialFilter,
  now: number,
  column: SortColumn,
  direction: Direction,
  { offset, limit }: { readonly offset: number; readonly limit: number },
): Promise<number[]> {
  const matching = () => applyFilter(credentialRows(q), filter, now, column).clearSelect().select('c.id');
  const ids = async (query: { execute(): Promise<{ id: number }[]> }) => (await query.execute()).map((row) => row.id);
  const kind = column === 'id' && filter.kinds?.length === 1 ? filter.kinds[0] : undefined;
  if (kind !== undefined) {
    // Of one kind: the index of kinds, in its whole order and as a range, for of an equality PostgreSQL knows that the kind orders
    // nothing, and then takes all keys in the order of their ids.
    const ofKind = applyFilter(credentialRows(q), { ...filter, kinds: undefined }, now, column)
      .where('c.kind', '>=', kind)
      .where('c.kind', '<=', kind);
    const ordered = ofKind.clearSelect().select('c.id').orderBy('c.kind', direction).orderBy('c.id', direction);
    return ids(ordered.limit(limit).offset(offset));
  }
  if (column !== 'expires_at' && column !== 'last_used_at')
    return ids(sorted(matching(), column, direction).limit(limit).offset(offset));
  // With the time first, in its order; then those that have none. A cross join keeps SQLite from turning the order around.
  const used = q
    .selectFrom('credential_uses as u')
    .crossJoin('credentials as c')
    .leftJoin('deploy_tokens as d', 'd.credential_id', 'c.id')
    .whereRef('c.id', '=', 'u.credential_id')
    .where('u.last_used_at', 'is not', null)
    .select('c.id');
  const [first, last] =
    column === 'last_used_at'
      ? [
          applyFilter(used, filter, now, column)
            .orderBy('u.last_used_at', direction)
            .orderBy('u.credential_id', direction),
          matching().where('u.last_used_at', 'is', null).orderBy('c.id', direction),
        ]
      : [
          matching()
            .where('c.expires_at', 'is not', null)
            .orderBy('c.expires_at', direction)
            .orderBy('c.id', direction),
          matching().where('c.expires_at', 'is', null).orderBy('c.id', direction),
        ];
  const head = await ids(first.limit(limit).offset(offset));
  if (head.length === limit) return head;
  const before = head.length > 0 || offset === 0 ? offset + head.length : await countUpTo(q, first, offset);
  return [...head, ...(await ids(last.limit(limit - head.length).offset(Math.max(0, offset - before))))];
}

async function rowsOf(q: Queryable, ids: readonly number[]): Promise<CredentialRow[]> {
  if (ids.length === 0) return [];
  const rows = await credentialRows(q).where('c.id', 'in', ids).execute();
  const byId = new Map(rows.map((row) => [row.id, asRow(row)]));
  return ids.flatMap((id) => byId.get(id) ?? []);
}

type Filterable = ReturnType<typeof credentialRows>;

/**
 * Without `among`, indexes of the filters are welcome. When many keys are read in the order of a column, an index of a filter
 * would bring them in another order and have them sorted, so a filter that is not on that column is spelt as an expression.
 */
function applyFilter<T>(query: T, filter: CredentialFilter, now: number, among?: SortColumn | 'count'): T {
  const plain = among === undefined || among === 'count';
  const column = (name: 'ended_at' | 'expires_at' | 'created_at') =>
    plain || among === name ? sql<number>`${sql.ref(`c.${name}`)}` : sql<number>`+${sql.ref(`c.${name}`)}`;
  // Kysely's builder types differ by what is selected; the conditions touch only the three joined tables.
  let q = (query as unknown as Filterable).where('c.forgotten_at', 'is', null);
  if (filter.kinds)
    q = kindsByIndex(filter, among)
      ? q.where('c.kind', 'in', filter.kinds)
      : q.where(sql<boolean>`c.kind || '' in (${sql.join(filter.kinds)})`);
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
  q = applyState(q, filter, now, column('ended_at'), column('expires_at'));
  if (filter.createdBefore !== undefined) q = q.where(column('created_at'), '<=', filter.createdBefore);
  if (filter.createdAfter !== undefined) q = q.where(column('created_at'), '>=', filter.createdAfter);
  if (filter.lastUsedBefore !== undefined) q = q.where('u.last_used_at', '<=', filter.lastUsedBefore);
  if (filter.lastUsedAfter !== undefined) q = q.where('u.last_used_at', '>=', filter.lastUsedAfter);
  if (filter.expiresBefore !== undefined) q = q.where(column('expires_at'), '<', filter.expiresBefore);
  if (filter.expiresAfter !== undefined) q = q.where(column('expires_at'), '>=', filter.expiresAfter);
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
  const name = plain || among === 'name' ? sql<string>`lower(c.name)` : sql<string>`(lower(c.name) || '')`;
  for (const word of wordsOf(filter.search)) q = q.where(nameHas(word, name));
  return q as unknown as T;
}

/** Whether the index of kinds may serve: not where another one has to, for most keys are of the same few kinds. */
function kindsByIndex(filter: CredentialFilter, among: SortColumn | 'count' | undefined): boolean {
  if (filter.anyOf) return false;
  if (among === undefined) return true;
  if (among !== 'count') return false;
  const { search, createdBefore, createdAfter, lastUsedBefore, lastUsedAfter, expiresBefore, expiresAfter } = filter;
  const times = [createdBefore, createdAfter, lastUsedBefore, lastUsedAfter, expiresBefore, expiresAfter];
  return search === undefined && filter.state !== 'rotating' && times.every((time) => time === undefined);
}

const wordsOf = (search = ''): string[] =>
  search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');

/** Words of less than three letters must be the whole name (reference access-tokens 3.4). */
const nameHas = (word: string, name: RawBuilder<unknown>) =>
  word.length < 3 ? sql<boolean>`${name} = ${word}` : sql<boolean>`${name} like ${`%${escapeLike(word)}%`} escape '\\'`;

function applyState(
  q: Filterable,
  filter: CredentialFilter,
  now: number,
  endedAt: RawBuilder<number>,
  expiresAt: RawBuilder<number>,
): Filterable {
  const ended = sql<boolean>`(c.ended_at is not null and ${endedAt} <= ${now})`;
  const expired = sql<boolean>`(c.expires_at is not null and ${expiresAt} <= ${now})`;
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
      return q.where(sql<boolean>`not ${expired}`).where(endedAt, '>', now);
    default:
      return q;
  }
}

/** Text with LIKE's own signs escaped by a backslash. */
export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&');
}

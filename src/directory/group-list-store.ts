// Lists of groups and namespaces (reference git-and-deploy 12.2, 12.3) over what the caller may see; every list takes that
// condition from access/visible-store.ts.
import type { Condition } from '../access/visible-store.ts';
import type { Group, Namespace } from '../identity/records.ts';
import { contains } from '../identity/search-store.ts';
import type { Queryable } from '../storage/database.ts';
import { pageOf } from '../storage/page-store.ts';
import type { Visibility } from '../storage/schema.ts';

export const GROUP_ORDERS = ['name', 'path', 'id'] as const;

/** Absent means unfiltered. */
export interface GroupFilter {
  readonly search?: string | undefined;
  readonly visibility?: Visibility | undefined;
  /** a condition that must hold beside the visible one: `owned`, `min_access_level` */
  readonly held?: Condition | undefined;
  readonly topLevelOnly?: boolean | undefined;
  readonly skip?: readonly number[] | undefined;
  readonly parentId?: number | undefined;
  /** strictly below this lineage */
  readonly below?: string | undefined;
  readonly order_by?: (typeof GROUP_ORDERS)[number] | undefined;
  readonly sort?: 'asc' | 'desc' | undefined;
}

/** One page of the visible groups that match, by name unless told otherwise, with the count of all. */
export async function listGroups(
  q: Queryable,
  visible: Condition,
  filter: GroupFilter,
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: Group[]; total: number }> {
  const { search } = filter;
  let query = q.selectFrom('namespaces as n').where('n.kind', '=', 'group').where(visible);
  if (filter.held) query = query.where(filter.held);
  if (search !== undefined && search !== '')
    query = query.where((eb) =>
      eb.or([
        contains(eb.ref('n.name'), search),
        search.includes('/') ? contains(eb.ref('n.full_path'), search) : contains(eb.ref('n.path'), search),
      ]),
    );
  if (filter.visibility !== undefined) query = query.where('n.visibility', '=', filter.visibility);
  if (filter.topLevelOnly) query = query.where('n.parent_id', 'is', null);
  if (filter.skip && filter.skip.length > 0) query = query.where('n.id', 'not in', filter.skip);
  if (filter.parentId !== undefined) query = query.where('n.parent_id', '=', filter.parentId);
  if (filter.below !== undefined) query = query.where('n.lineage', 'like', `${filter.below}_%`);
  const sort = filter.sort ?? 'asc';
  const ordered = query
    .selectAll('n')
    .orderBy(`n.${filter.order_by ?? 'name'}`, sort)
    .orderBy('n.id', sort);
  const { rows, total } = await pageOf(q, query, ordered, page);
  return { items: rows, total };
}

/** Of these groups, the ids for which the condition holds. */
export async function groupsAmong(q: Queryable, condition: Condition, ids: Iterable<number>): Promise<Set<number>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Set();
  const rows = await q
    .selectFrom('namespaces as n')
    .select('n.id')
    .where('n.id', 'in', wanted)
    .where(condition)
    .execute();
  return new Set(rows.map((row) => row.id));
}

/** One page of a user's own namespace and the groups for which `held` holds, by id: `GET /namespaces`. */
export async function listNamespaces(
  q: Queryable,
  ownerUserId: number | null,
  held: Condition,
  filter: { readonly search?: string | undefined; readonly everyOwner: boolean },
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: Namespace[]; total: number }> {
  const { search } = filter;
  let query = q
    .selectFrom('namespaces as n')
    .where('n.deleted_at', 'is', null)
    .where((eb) =>
      eb.or([
        eb.and([eb('n.kind', '=', 'group'), held as never]),
        filter.everyOwner ? eb('n.kind', '=', 'user') : eb('n.owner_user_id', '=', ownerUserId ?? 0),
      ]),
    );
  if (search !== undefined && search !== '')
    query = query.where((eb) => eb.or([contains(eb.ref('n.name'), search), contains(eb.ref('n.full_path'), search)]));
  const { rows, total } = await pageOf(q, query, query.selectAll('n').orderBy('n.id'), page);
  return { items: rows, total };
}

/** What keeps a group from being made less visible: the kind of child that is more visible than `ranks` allows. */
export async function moreVisibleChild(
  q: Queryable,
  groupId: number,
  allowed: readonly Visibility[],
): Promise<'projects' | 'subgroups' | null> {
  const project = await q
    .selectFrom('projects')
    .select('id')
    .where('namespace_id', '=', groupId)
    .where('deleted_at', 'is', null)
    .where('visibility', 'not in', allowed)
    .executeTakeFirst();
  if (project) return 'projects';
  const group = await q
    .selectFrom('namespaces')
    .select('id')
    .where('parent_id', '=', groupId)
    .where('deleted_at', 'is', null)
    .where('visibility', 'not in', allowed)
    .executeTakeFirst();
  return group ? 'subgroups' : null;
}

/** How many levels of groups lie below a lineage, itself counted as one. */
export async function depthBelow(q: Queryable, lineage: string): Promise<number> {
  const rows = await q
    .selectFrom('namespaces')
    .select('lineage')
    .where('lineage', 'like', `${lineage}%`)
    .where('deleted_at', 'is', null)
    .execute();
  const levels = (text: string) => text.split('/').length - 2;
  return Math.max(0, ...rows.map((row) => levels(row.lineage))) - levels(lineage) + 1;
}

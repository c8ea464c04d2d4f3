// Lists of projects: the filters of `GET /projects` and its kin (reference git-and-deploy 12.1) over what the caller may see.
// Every list takes that condition, from access/visible-store.ts; none can be asked without it.
import type { Condition } from '../access/visible-store.ts';
import type { Project } from '../identity/records.ts';
import { contains } from '../identity/search-store.ts';
import type { Queryable } from '../storage/database.ts';
import { pageOf } from '../storage/page-store.ts';
import type { Visibility } from '../storage/schema.ts';

export const PROJECT_ORDERS = ['id', 'name', 'path', 'created_at', 'updated_at', 'last_activity_at'] as const;

/** Absent means unfiltered. */
export interface ProjectFilter {
  readonly search?: string | undefined;
  readonly visibility?: Visibility | undefined;
  readonly archived?: boolean | undefined;
  /** a condition that must hold beside the visible one: `membership`, `owned`, `min_access_level` */
  readonly held?: Condition | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly idAfter?: number | undefined;
  readonly idBefore?: number | undefined;
  /** stars are not kept: nobody has starred anything */
  readonly starred?: boolean | undefined;
  /** inside this namespace; `shared`: projects that are shared with it too */
  readonly namespace?:
    | {
        readonly id: number;
        readonly lineage: string;
        readonly subgroups: boolean;
        readonly shared: boolean;
        /** date */
        readonly today: string;
      }
    | undefined;
  readonly forkedFrom?: number | undefined;
  readonly order_by?: (typeof PROJECT_ORDERS)[number] | undefined;
  readonly sort?: 'asc' | 'desc' | undefined;
}

function matching(q: Queryable, visible: Condition, filter: ProjectFilter) {
  const { search, namespace } = filter;
  let query = q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .where('p.deleted_at', 'is', null)
    .where(visible);
  if (filter.held) query = query.where(filter.held);
  if (search !== undefined && search !== '')
    query = query.where((eb) =>
      eb.or([
        contains(eb.ref('p.name'), search),
        contains(eb.ref('p.path'), search),
        contains(eb.ref('p.description'), search),
      ]),
    );
  if (filter.visibility !== undefined) query = query.where('p.visibility', '=', filter.visibility);
  if (filter.archived !== undefined) query = query.where('p.archived', '=', filter.archived ? 1 : 0);
  for (const topic of filter.topics ?? [])
    query = query.where((eb) => contains(eb.ref('p.topics'), JSON.stringify(topic)));
  if (filter.idAfter !== undefined) query = query.where('p.id', '>', filter.idAfter);
  if (filter.idBefore !== undefined) query = query.where('p.id', '<', filter.idBefore);
  if (filter.starred) query = query.where('p.id', '<', 0);
  if (filter.forkedFrom !== undefined) query = query.where('p.forked_from_project_id', '=', filter.forkedFrom);
  if (namespace)
    query = query.where((eb) =>
      eb.or([
        namespace.subgroups
          ? eb('n.lineage', 'like', `${namespace.lineage}%`)
          : eb('p.namespace_id', '=', namespace.id),
        ...(namespace.shared
          ? [
              eb.exists(
                eb
                  .selectFrom('shares as sh')
                  .select('sh.id')
                  .whereRef('sh.project_id', '=', 'p.id')
                  .where('sh.group_id', '=', namespace.id)
                  .where((s) => s.or([s('sh.expires_at', 'is', null), s('sh.expires_at', '>', namespace.today)])),
              ),
            ]
          : []),
      ]),
    );
  return query;
}

/** One page of the visible projects that match, newest first unless told otherwise, with the count of all. */
export async function listProjects(
  q: Queryable,
  visible: Condition,
  filter: ProjectFilter,
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: Project[]; total: number }> {
  const query = matching(q, visible, filter);
  const sort = filter.sort ?? 'desc';
  const ordered = query
    .selectAll('p')
    .orderBy(`p.${filter.order_by ?? 'created_at'}`, sort)
    .orderBy('p.id', sort);
  const { rows, total } = await pageOf(q, query, ordered, page);
  return { items: rows, total };
}

/** Of these projects, the ids for which the condition holds. */
export async function projectsAmong(q: Queryable, condition: Condition, ids: Iterable<number>): Promise<Set<number>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Set();
  const rows = await matching(q, condition, {}).select('p.id').where('p.id', 'in', wanted).execute();
  return new Set(rows.map((row) => row.id));
}

/** The projects of these ids for which the condition holds. */
export async function visibleProjectsById(
  q: Queryable,
  visible: Condition,
  ids: Iterable<number>,
): Promise<Map<number, Project>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const rows = await matching(q, visible, {}).selectAll('p').where('p.id', 'in', wanted).execute();
  return new Map(rows.map((row) => [row.id, row]));
}

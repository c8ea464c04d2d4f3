// Which places somebody manages, and where his memberships are: what the inventory and `self/associations` are made of. The
// rules are those of access/, as SQL.
import { type Condition, heldGroups, heldProjects, visibleGroups, visibleProjects } from '../access/visible-store.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import { fullNames } from '../identity/namespace-store.ts';
import { lineageIds, type Namespace, type Project } from '../identity/records.ts';
import { type Clock, isoDate } from '../kernel/clock.ts';
import type { Queryable } from '../storage/database.ts';
import { pageOf } from '../storage/page-store.ts';

/** More places than anybody manages by hand; beyond, an inventory shows the first. */
const MOST = 5000;

/** The projects and groups whose keys the caller manages: where he may list project and group access tokens. */
export async function managedPlaces(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
): Promise<{ projectIds: number[]; groupIds: number[] }> {
  const projects = await q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .select('p.id')
    .where(visibleProjects(clock, credential, 'project_access_token:list'))
    .orderBy('p.id')
    .limit(MOST)
    .execute();
  const groups = await q
    .selectFrom('namespaces as n')
    .select('n.id')
    .where(visibleGroups(clock, credential, 'group_access_token:list'))
    .orderBy('n.id')
    .limit(MOST)
    .execute();
  return { projectIds: projects.map((row) => row.id), groupIds: groups.map((row) => row.id) };
}

export interface Association<T> {
  readonly record: T;
  /** the direct level, 0 for none */
  readonly direct: number;
  /** the highest level from groups above, 0 for none */
  readonly inherited: number;
}

interface Slice {
  readonly offset: number;
  readonly perPage: number;
}

async function levelsOf(q: Queryable, userId: number, today: string) {
  const rows = await q
    .selectFrom('members')
    .select(['project_id', 'namespace_id', 'access_level'])
    .where('user_id', '=', userId)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', today)]))
    .execute();
  const projects = new Map<number, number>();
  const namespaces = new Map<number, number>();
  for (const row of rows) {
    if (row.project_id !== null) projects.set(row.project_id, row.access_level);
    if (row.namespace_id !== null) namespaces.set(row.namespace_id, row.access_level);
  }
  return { projects, namespaces };
}

const highest = (levels: ReadonlyMap<number, number>, ids: readonly number[]) =>
  Math.max(0, ...ids.map((id) => levels.get(id) ?? 0));

/** One page each of the groups and projects in which the holder has at least `level`, with his levels. */
export async function associations(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  userId: number,
  level: number,
  slice: Slice,
): Promise<{
  groups: Association<Namespace>[];
  /** `namespaceName`: `Group / Subgroup` */
  projects: (Association<Project> & { readonly namespace: Namespace; readonly namespaceName: string })[];
  projectTotal: number;
}> {
  const levels = await levelsOf(q, userId, isoDate(clock.now()));
  const groupRows = await q
    .selectFrom('namespaces as n')
    .selectAll('n')
    .where('n.kind', '=', 'group')
    .where('n.deleted_at', 'is', null)
    .where(heldGroups(clock, credential, level))
    .orderBy('n.id')
    .limit(slice.perPage)
    .offset(slice.offset)
    .execute();
  const groups = groupRows.map((record) => {
    const ids = lineageIds(record.lineage);
    return { record, direct: levels.namespaces.get(record.id) ?? 0, inherited: highest(levels.namespaces, ids) };
  });
  const { records, total } = await heldProjectPage(q, heldProjects(clock, credential, level), slice);
  const namespaceIds = [...new Set(records.map((record) => record.namespace_id))];
  const namespaceRows = namespaceIds.length
    ? await q.selectFrom('namespaces').selectAll().where('id', 'in', namespaceIds).execute()
    : [];
  const namespaces = new Map(namespaceRows.map((row) => [row.id, row]));
  const names = await fullNames(q, namespaceRows);
  const projects = records.map((record) => {
    const namespace = namespaces.get(record.namespace_id)!;
    const own = namespace.owner_user_id === userId ? 50 : 0;
    return {
      record,
      namespace,
      namespaceName: names.get(namespace.id) ?? namespace.name,
      direct: Math.max(own, levels.projects.get(record.id) ?? 0),
      inherited: highest(levels.namespaces, lineageIds(namespace.lineage)),
    };
  });
  return { groups, projects, projectTotal: total };
}

async function heldProjectPage(q: Queryable, held: Condition, slice: Slice) {
  const query = q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .where('p.deleted_at', 'is', null)
    .where(held);
  const { rows, total } = await pageOf(q, query, query.selectAll('p').orderBy('p.id'), slice);
  return { records: rows, total };
}

// The facts that `judge` needs of a place and a holder, in two or three point queries. Reads only.
import type { Namespace, Project } from '../identity/records.ts';
import { lineageIds } from '../identity/records.ts';
import type { Queryable } from '../storage/database.ts';
import { remember } from '../storage/memory.ts';
import type { PlaceRef } from './place.ts';

export interface LoadedProject {
  readonly project: Project;
  readonly namespace: Namespace;
  readonly moved: boolean;
}

/** A project that is not deleted, by id or by path in any letter case; an old path finds it with `moved`. */
export async function loadProject(q: Queryable, ref: PlaceRef): Promise<LoadedProject | null> {
  return remember(q, `project ${typeof ref} ${ref}`, () => askProject(q, ref));
}

async function askProject(q: Queryable, ref: PlaceRef): Promise<LoadedProject | null> {
  const query = q.selectFrom('projects').selectAll().where('deleted_at', 'is', null);
  let moved = false;
  let project: Project | undefined;
  if (typeof ref === 'number') project = await query.where('id', '=', ref).executeTakeFirst();
  else {
    const lower = ref.toLowerCase();
    project = await query.where('full_path_lower', '=', lower).executeTakeFirst();
    if (!project) {
      const redirect = await q
        .selectFrom('path_redirects')
        .select('project_id')
        .where('full_path_lower', '=', lower)
        .executeTakeFirst();
      if (redirect?.project_id == null) return null;
      project = await query.where('id', '=', redirect.project_id).executeTakeFirst();
      moved = true;
    }
  }
  if (!project) return null;
  const namespace = await q
    .selectFrom('namespaces')
    .selectAll()
    .where('id', '=', project.namespace_id)
    .executeTakeFirst();
  return namespace ? { project, namespace, moved } : null;
}

/** A namespace that is not deleted, by id or path. Old paths of groups are not followed (reference git-and-deploy 3.3). */
export async function loadNamespace(q: Queryable, ref: PlaceRef, kind: 'group' | 'any'): Promise<Namespace | null> {
  return remember(q, `namespace ${kind} ${typeof ref} ${ref}`, () => askNamespace(q, ref, kind));
}

async function askNamespace(q: Queryable, ref: PlaceRef, kind: 'group' | 'any'): Promise<Namespace | null> {
  let query = q.selectFrom('namespaces').selectAll().where('deleted_at', 'is', null);
  query =
    typeof ref === 'number' ? query.where('id', '=', ref) : query.where('full_path_lower', '=', ref.toLowerCase());
  if (kind === 'group') query = query.where('kind', '=', 'group');
  return (await query.executeTakeFirst()) ?? null;
}

/**
 * The highest level `userId` holds at a place: direct and inherited memberships that have not expired on `today` (a date),
 * ownership of the personal namespace, and with `shares` also min(share, level in the invited group) (reference
 * git-and-deploy 1). 0 for none.
 */
export async function heldLevel(
  q: Queryable,
  userId: number,
  at: { readonly projectId: number | null; readonly namespace: Namespace },
  today: string,
  shares: boolean,
): Promise<number> {
  if (at.namespace.owner_user_id === userId) return 50;
  const question = `level ${userId} ${at.projectId} ${at.namespace.id} ${at.namespace.lineage} ${today} ${shares}`;
  return remember(q, question, () => askLevel(q, userId, at, today, shares));
}

async function askLevel(
  q: Queryable,
  userId: number,
  at: { readonly projectId: number | null; readonly namespace: Namespace },
  today: string,
  shares: boolean,
): Promise<number> {
  const above = lineageIds(at.namespace.lineage);
  const direct = await q
    .selectFrom('members')
    .select('access_level')
    .where('user_id', '=', userId)
    .where((eb) =>
      at.projectId === null
        ? eb('namespace_id', 'in', above)
        : eb.or([eb('namespace_id', 'in', above), eb('project_id', '=', at.projectId)]),
    )
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', today)]))
    .execute();
  let level = Math.max(0, ...direct.map((row) => row.access_level));
  if (!shares || level >= 50) return level;
  const shared = await q
    .selectFrom('shares as s')
    .innerJoin('namespaces as invited', 'invited.id', 's.group_id')
    .innerJoin('namespaces as above', (join) =>
      join.on((eb) => eb('invited.lineage', 'like', eb(eb.ref('above.lineage'), '||', eb.val('%')))),
    )
    .innerJoin('members as m', 'm.namespace_id', 'above.id')
    .select(['s.access_level as share_level', 'm.access_level as member_level'])
    .where('m.user_id', '=', userId)
    .where('invited.deleted_at', 'is', null)
    .where((eb) =>
      at.projectId === null
        ? eb('s.namespace_id', 'in', above)
        : eb.or([eb('s.namespace_id', 'in', above), eb('s.project_id', '=', at.projectId)]),
    )
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .where((eb) => eb.or([eb('s.expires_at', 'is', null), eb('s.expires_at', '>', today)]))
    .execute();
  for (const row of shared) level = Math.max(level, Math.min(row.share_level, row.member_level));
  return level;
}

/** Whether the user is a member of something below this group: that alone makes a private group readable (GitLab's has_projects). */
export async function isMemberBelow(q: Queryable, userId: number, group: Namespace, today: string): Promise<boolean> {
  return remember(q, `below ${userId} ${group.lineage} ${today}`, () => askMemberBelow(q, userId, group, today));
}

async function askMemberBelow(q: Queryable, userId: number, group: Namespace, today: string): Promise<boolean> {
  const row = await q
    .selectFrom('members as m')
    .leftJoin('projects as p', 'p.id', 'm.project_id')
    .innerJoin('namespaces as n', (join) =>
      join.on((eb) => eb.or([eb('n.id', '=', eb.ref('m.namespace_id')), eb('n.id', '=', eb.ref('p.namespace_id'))])),
    )
    .select('m.id')
    .where('m.user_id', '=', userId)
    .where('m.access_level', '>=', 10)
    .where('n.lineage', 'like', `${group.lineage}%`)
    .where('n.deleted_at', 'is', null)
    .where('p.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

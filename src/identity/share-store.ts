// The table `shares`: which groups are invited to a project or group, and how far (reference git-and-deploy 1, 12.1, 12.2).

import type { Queryable, Tx } from '../storage/database.ts';
import type { MemberPlace } from './member-store.ts';
import { lineageIds, type Share } from './records.ts';

/** A share with what its JSON says of the invited group. */
export interface ShownShare extends Share {
  readonly group_name: string;
  readonly group_full_path: string;
  readonly group_lineage: string;
}

function shown(q: Queryable) {
  return q
    .selectFrom('shares as s')
    .innerJoin('namespaces as g', 'g.id', 's.group_id')
    .selectAll('s')
    .select(['g.name as group_name', 'g.full_path as group_full_path', 'g.lineage as group_lineage'])
    .where('g.deleted_at', 'is', null)
    .orderBy('s.id');
}

/** The shares of these projects, expired ones included, for they are shown with their date. */
export async function sharesOfProjects(q: Queryable, projectIds: readonly number[]): Promise<ShownShare[]> {
  return projectIds.length === 0 ? [] : shown(q).where('s.project_id', 'in', projectIds).execute();
}

/** The shares of one group. */
export function sharesOfGroup(q: Queryable, groupId: number): Promise<ShownShare[]> {
  return shown(q).where('s.namespace_id', '=', groupId).execute();
}

/** The shares that count at a place on `today`: its own and those of the groups above. */
export function sharesAbove(q: Queryable, place: MemberPlace, today: string): Promise<ShownShare[]> {
  const above = lineageIds(place.namespace.lineage);
  return shown(q)
    .where((eb) =>
      place.type === 'project'
        ? eb.or([eb('s.namespace_id', 'in', above), eb('s.project_id', '=', place.projectId)])
        : eb('s.namespace_id', 'in', above),
    )
    .where((eb) => eb.or([eb('s.expires_at', 'is', null), eb('s.expires_at', '>', today)]))
    .execute();
}

/** Adds a share; null when the group is invited already. */
export async function insertShare(
  tx: Tx,
  place: { readonly projectId: number } | { readonly groupId: number },
  share: { readonly groupId: number; readonly level: number; readonly expiresAt: string | null; readonly now: number },
): Promise<Share | null> {
  const row = await tx
    .insertInto('shares')
    .values({
      project_id: 'projectId' in place ? place.projectId : null,
      namespace_id: 'groupId' in place ? place.groupId : null,
      group_id: share.groupId,
      access_level: share.level,
      expires_at: share.expiresAt,
      created_at: share.now,
    })
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Ends a share; false when there was none. */
export async function deleteShare(
  tx: Tx,
  place: { readonly projectId: number } | { readonly groupId: number },
  groupId: number,
): Promise<Share | null> {
  const query = tx.deleteFrom('shares').where('group_id', '=', groupId);
  const row = await ('projectId' in place
    ? query.where('project_id', '=', place.projectId)
    : query.where('namespace_id', '=', place.groupId)
  )
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

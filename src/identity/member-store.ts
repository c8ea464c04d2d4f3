// The table `members`: who belongs to a project or group directly, and, read together with `shares`, everyone who belongs to
// it by inheritance or invitation (reference git-and-deploy 1 and 12.4). It knows no caps; those are the deeds'.
import type { Queryable, Tx } from '../storage/database.ts';
import { lineageIds, type Member, type Namespace, type Share } from './records.ts';
import { contains } from './search-store.ts';

/** A project or a group that people belong to. */
export type MemberPlace =
  | { readonly type: 'project'; readonly projectId: number; readonly namespace: Namespace }
  | { readonly type: 'group'; readonly namespace: Namespace };

/** What a member list asks for. */
export interface MemberFilter {
  readonly query?: string | undefined;
  readonly user_ids?: readonly number[] | undefined;
  readonly skip_users?: readonly number[] | undefined;
}

/** A membership that counts here; `source` is where it was given. */
export interface EffectiveMember extends Omit<Member, 'id'> {
  readonly direct: boolean;
}

function direct(q: Queryable, place: MemberPlace) {
  const query = q.selectFrom('members as m').innerJoin('users as u', 'u.id', 'm.user_id').selectAll('m');
  return place.type === 'project'
    ? query.where('m.project_id', '=', place.projectId)
    : query.where('m.namespace_id', '=', place.namespace.id);
}

/** The direct membership of one user; null when he has none. Expired ones count as none. */
export async function findMember(
  q: Queryable,
  place: MemberPlace,
  userId: number,
  today: string,
): Promise<Member | null> {
  const row = await direct(q, place)
    .where('m.user_id', '=', userId)
    .where('u.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .executeTakeFirst();
  return row ?? null;
}

/** One page of the direct members, by user id, with the count of all. */
export async function listMembers(
  q: Queryable,
  place: MemberPlace,
  filter: MemberFilter,
  today: string,
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: Member[]; total: number }> {
  let query = direct(q, place)
    .where('u.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]));
  const text = filter.query;
  if (text)
    query = query.where((eb) => eb.or([contains(eb.ref('u.name'), text), contains(eb.ref('u.username'), text)]));
  if (filter.user_ids && filter.user_ids.length > 0) query = query.where('u.id', 'in', filter.user_ids);
  if (filter.skip_users && filter.skip_users.length > 0) query = query.where('u.id', 'not in', filter.skip_users);
  const counted = await query
    .clearSelect()
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const items = await query.orderBy('m.user_id').offset(page.offset).limit(page.perPage).execute();
  return { items, total: Number(counted.total) };
}

/**
 * Everyone who belongs to the place on `today`: direct, inherited from the groups above, and invited through `shares` (the
 * ones of the place that the caller may see). One row a user, with his highest level; at equal levels the direct one.
 */
export async function allMembers(
  q: Queryable,
  place: MemberPlace,
  filter: MemberFilter,
  today: string,
  shares: readonly (Share & { readonly group_lineage: string })[],
): Promise<EffectiveMember[]> {
  const above = lineageIds(place.namespace.lineage);
  const rows = await matching(q, filter, today)
    .where((eb) =>
      place.type === 'project'
        ? eb.or([eb('m.namespace_id', 'in', above), eb('m.project_id', '=', place.projectId)])
        : eb('m.namespace_id', 'in', above),
    )
    .execute();
  const best = new Map<number, EffectiveMember>();
  const offer = (member: EffectiveMember) => {
    const known = best.get(member.user_id);
    const better = !known || member.access_level > known.access_level;
    if (better || (member.access_level === known.access_level && member.direct)) best.set(member.user_id, member);
  };
  for (const row of rows)
    offer({
      ...row,
      direct: place.type === 'project' ? row.project_id !== null : row.namespace_id === place.namespace.id,
    });
  for (const share of shares) {
    const invited = await matching(q, filter, today)
      .where('m.namespace_id', 'in', lineageIds(share.group_lineage))
      .where('u.type', '<>', 'project_bot')
      .execute();
    for (const row of invited)
      offer({ ...row, access_level: Math.min(row.access_level, share.access_level), direct: false });
  }
  return [...best.values()].sort((a, b) => a.user_id - b.user_id);
}

function matching(q: Queryable, filter: MemberFilter, today: string) {
  let query = q
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .selectAll('m')
    .where('u.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]));
  const text = filter.query;
  if (text)
    query = query.where((eb) => eb.or([contains(eb.ref('u.name'), text), contains(eb.ref('u.username'), text)]));
  if (filter.user_ids && filter.user_ids.length > 0) query = query.where('u.id', 'in', filter.user_ids);
  if (filter.skip_users && filter.skip_users.length > 0) query = query.where('u.id', 'not in', filter.skip_users);
  return query;
}

/** What a new membership says. `expiresAt` is a date. */
export interface NewMember {
  readonly userId: number;
  readonly level: number;
  readonly expiresAt: string | null;
  readonly createdByUserId: number | null;
  readonly now: number;
}

/**
 * Adds a direct membership; null when there is one that has not expired on `today`. An expired one gives way, for it
 * counts as none.
 */
export async function insertMember(
  tx: Tx,
  place: { readonly projectId: number } | { readonly groupId: number },
  member: NewMember,
  today: string,
): Promise<Member | null> {
  const [project, group] = 'projectId' in place ? [place.projectId, null] : [null, place.groupId];
  await tx
    .deleteFrom('members')
    .where('user_id', '=', member.userId)
    .where(project === null ? 'namespace_id' : 'project_id', '=', project ?? group)
    .where('expires_at', '<=', today)
    .execute();
  const row = await tx
    .insertInto('members')
    .values({
      user_id: member.userId,
      project_id: project,
      namespace_id: group,
      access_level: member.level,
      expires_at: member.expiresAt,
      created_by_user_id: member.createdByUserId,
      created_at: member.now,
    })
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Changes a membership; null when it is gone. */
export async function updateMember(
  tx: Tx,
  id: number,
  patch: { readonly access_level?: number; readonly expires_at?: string | null },
): Promise<Member | null> {
  return (await tx.updateTable('members').set(patch).where('id', '=', id).returningAll().executeTakeFirst()) ?? null;
}

/** Ends a membership; false when it was gone. */
export async function deleteMember(tx: Tx, id: number): Promise<boolean> {
  return (await tx.deleteFrom('members').where('id', '=', id).returning('id').executeTakeFirst()) !== undefined;
}

/** Direct memberships of one user, wherever they are. */
export function membershipsOf(q: Queryable, userId: number): Promise<Member[]> {
  return q.selectFrom('members').selectAll().where('user_id', '=', userId).execute();
}

/** Ids of those who own a group directly on `today`, blocked ones included; token bots do not count. */
export async function directOwners(q: Queryable, groupId: number, today: string): Promise<number[]> {
  const rows = await q
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select('m.user_id')
    .where('m.namespace_id', '=', groupId)
    .where('m.access_level', '=', 50)
    .where('u.type', '<>', 'project_bot')
    .where('u.deleted_at', 'is', null)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .execute();
  return rows.map((row) => row.user_id);
}

/**
 * Ids of those who own a group directly and for good: not blocked, without a date on which their membership ends. Token bots do
 * not count.
 */
export async function lastingOwners(q: Queryable, groupId: number): Promise<number[]> {
  const rows = await q
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .select('m.user_id')
    .where('m.namespace_id', '=', groupId)
    .where('m.access_level', '=', 50)
    .where('m.expires_at', 'is', null)
    .where('u.type', '<>', 'project_bot')
    .where('u.state', '=', 'active')
    .where('u.deleted_at', 'is', null)
    .execute();
  return rows.map((row) => row.user_id);
}

/** The highest level one user inherits from the groups above a place, with the group that gives it; null for none. */
export async function inheritedLevel(
  q: Queryable,
  place: MemberPlace,
  userId: number,
  today: string,
): Promise<{ level: number; groupName: string } | null> {
  const lineage = lineageIds(place.namespace.lineage);
  const above = place.type === 'project' ? lineage : lineage.slice(0, -1);
  if (above.length === 0) return null;
  const row = await q
    .selectFrom('members as m')
    .innerJoin('namespaces as n', 'n.id', 'm.namespace_id')
    .select(['m.access_level', 'n.name'])
    .where('m.user_id', '=', userId)
    .where('m.namespace_id', 'in', above)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .orderBy('m.access_level', 'desc')
    .executeTakeFirst();
  return row ? { level: row.access_level, groupName: row.name } : null;
}

/** Ends the memberships of a user in the groups strictly below a lineage and in all projects of the subtree. */
export async function deleteMembersBelow(tx: Tx, lineage: string, userId: number): Promise<void> {
  await tx
    .deleteFrom('members')
    .where('user_id', '=', userId)
    .where((eb) =>
      eb.or([
        eb('namespace_id', 'in', eb.selectFrom('namespaces').select('id').where('lineage', 'like', `${lineage}_%`)),
        eb(
          'project_id',
          'in',
          eb
            .selectFrom('projects as p')
            .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
            .select('p.id')
            .where('n.lineage', 'like', `${lineage}%`),
        ),
      ]),
    )
    .execute();
}

// Reads of the people and places around a key: its holder, the members who are told about it, the role of its bot, the path
// of its place. It writes nothing.
import type { CredentialRow } from '../credentials/credential-rows.ts';
import type { User } from '../identity/records.ts';
import type { Queryable } from '../storage/database.ts';

/** A place that a key belongs to. */
export interface KeyPlace {
  readonly type: 'project' | 'group';
  readonly id: number;
}

/** The place of a key: its project or group; null for those of a user or the instance. */
export function placeOfKey(row: Pick<CredentialRow, 'project_id' | 'group_id'>): KeyPlace | null {
  if (row.project_id !== null) return { type: 'project', id: row.project_id };
  return row.group_id !== null ? { type: 'group', id: row.group_id } : null;
}

/** Names of the people and full paths of the places behind some keys. Deleted ones are named as they last were. */
export interface Surroundings {
  readonly users: ReadonlyMap<number, Pick<User, 'id' | 'username' | 'name' | 'type'>>;
  readonly projects: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/** Looks up what lists of keys show beside the keys, in at most three queries. */
export async function surroundings(q: Queryable, rows: readonly CredentialRow[]): Promise<Surroundings> {
  const ids = (pick: (row: CredentialRow) => number | null) => [
    ...new Set(rows.map(pick).filter((id): id is number => id !== null)),
  ];
  const userIds = ids((row) => row.user_id);
  const projectIds = ids((row) => row.project_id);
  const groupIds = ids((row) => row.group_id);
  const users = userIds.length
    ? await q.selectFrom('users').select(['id', 'username', 'name', 'type']).where('id', 'in', userIds).execute()
    : [];
  const projects = projectIds.length
    ? await q.selectFrom('projects').select(['id', 'full_path']).where('id', 'in', projectIds).execute()
    : [];
  const groups = groupIds.length
    ? await q.selectFrom('namespaces').select(['id', 'full_path']).where('id', 'in', groupIds).execute()
    : [];
  return {
    users: new Map(users.map((row) => [row.id, row])),
    projects: new Map(projects.map((row) => [row.id, row.full_path])),
    groups: new Map(groups.map((row) => [row.id, row.full_path])),
  };
}

/** The direct levels of some users in a place: user id -> level. Users without a membership are absent. */
export async function directLevels(
  q: Queryable,
  place: KeyPlace,
  userIds: readonly number[],
): Promise<ReadonlyMap<number, number>> {
  if (userIds.length === 0) return new Map();
  const rows = await q
    .selectFrom('members')
    .select(['user_id', 'access_level'])
    .where(place.type === 'project' ? 'project_id' : 'namespace_id', '=', place.id)
    .where('user_id', 'in', [...new Set(userIds)])
    .execute();
  return new Map(rows.map((row) => [row.user_id, row.access_level]));
}

/**
 * The people to tell about a key of `place`: active humans with a direct membership of at least `level` that has not expired
 * on `today`, and the owner of the personal namespace that a project lies in (reference access-tokens 7.7).
 */
export async function peopleInCharge(q: Queryable, place: KeyPlace, level: number, today: string): Promise<User[]> {
  const members = await q
    .selectFrom('members as m')
    .innerJoin('users as u', 'u.id', 'm.user_id')
    .selectAll('u')
    .where(place.type === 'project' ? 'm.project_id' : 'm.namespace_id', '=', place.id)
    .where('m.access_level', '>=', level)
    .where((eb) => eb.or([eb('m.expires_at', 'is', null), eb('m.expires_at', '>', today)]))
    .where('u.type', '=', 'human')
    .where('u.state', '=', 'active')
    .orderBy('u.id')
    .execute();
  if (place.type === 'group') return members;
  const owner = await q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .innerJoin('users as u', 'u.id', 'n.owner_user_id')
    .selectAll('u')
    .where('p.id', '=', place.id)
    .where('u.state', '=', 'active')
    .executeTakeFirst();
  return owner && !members.some((member) => member.id === owner.id) ? [...members, owner] : members;
}

/** Whether a user still holds a key that is alive at `now`. */
export async function hasLiveKey(q: Queryable, userId: number, now: number): Promise<boolean> {
  const row = await q
    .selectFrom('credentials')
    .select('id')
    .where('user_id', '=', userId)
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', now)]))
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** The settings (JSON) of the outermost group of a lineage; null when it is a personal namespace. */
export async function topGroupSettings(q: Queryable, topId: number): Promise<string | null> {
  const row = await q.selectFrom('namespaces').select(['kind', 'settings']).where('id', '=', topId).executeTakeFirst();
  return row?.kind === 'group' ? row.settings : null;
}

/** Full path and name of a key's place, for audit and mails; null when the row is gone. */
export async function placeNames(q: Queryable, place: KeyPlace): Promise<{ path: string; name: string } | null> {
  const row =
    place.type === 'project'
      ? await q.selectFrom('projects').select(['full_path', 'name']).where('id', '=', place.id).executeTakeFirst()
      : await q.selectFrom('namespaces').select(['full_path', 'name']).where('id', '=', place.id).executeTakeFirst();
  return row ? { path: row.full_path, name: row.name } : null;
}

/** The key of this family that `id` took over from; null for the first. */
export async function findPredecessor(q: Queryable, familyId: number, id: number): Promise<number | null> {
  const row = await q
    .selectFrom('credentials')
    .select('id')
    .where('family_id', '=', familyId)
    .where('successor_id', '=', id)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Whether a member of the family has not ended at `now`; one that is being rotated by somebody else counts. */
export async function isFamilyAlive(q: Queryable, familyId: number, now: number): Promise<boolean> {
  const row = await q
    .selectFrom('credentials')
    .select('id')
    .where('family_id', '=', familyId)
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', now)]))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

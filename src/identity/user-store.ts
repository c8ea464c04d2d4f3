// The table `users`: people, bots, service accounts and the one ghost. Writes are guarded by `deleted_at is null`: a tombstone
// never changes again. It knows nothing of rights; personal namespaces and addresses have stores of their own.
import type { Insertable, Updateable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import { pageOf } from '../storage/page-store.ts';
import type { UserState, UserTable } from '../storage/schema.ts';
import type { User } from './records.ts';
import { contains } from './search-store.ts';

/** Name of the Ghost User, who stands for everyone that was deleted. */
export const GHOST_USERNAME = 'ghost';

/** A user that is not deleted, by id. */
export async function findUser(q: Queryable, id: number): Promise<User | null> {
  if (!Number.isSafeInteger(id)) return null;
  const query = q.selectFrom('users').selectAll().where('id', '=', id).where('deleted_at', 'is', null);
  return (await query.executeTakeFirst()) ?? null;
}

/** A user that is not deleted, by user name in any letter case. */
export async function findUserByUsername(q: Queryable, username: string): Promise<User | null> {
  const query = q.selectFrom('users').selectAll().where('username_lower', '=', username.toLowerCase());
  return (await query.executeTakeFirst()) ?? null;
}

/** A user by any confirmed address of his, primary or not, in any letter case. */
export async function findUserByEmail(q: Queryable, email: string): Promise<User | null> {
  const row = await q
    .selectFrom('user_emails')
    .innerJoin('users', 'users.id', 'user_emails.user_id')
    .selectAll('users')
    .where('user_emails.email_lower', '=', email.toLowerCase())
    .where('user_emails.confirmed_at', 'is not', null)
    .where('users.deleted_at', 'is', null)
    .executeTakeFirst();
  return row ?? null;
}

/** A user by id when the text is all digits, else by user name, as GitLab reads `:id_or_username`. */
export async function findUserByIdOrName(q: Queryable, text: string): Promise<User | null> {
  return /^\d{1,16}$/.test(text) ? findUser(q, Number(text)) : findUserByUsername(q, text);
}

/**
 * The users behind `ids` as others may see them: for a deleted one stands the Ghost User. Ids that never were are missing
 * in the answer.
 */
export async function usersToShow(q: Queryable, ids: Iterable<number | null>): Promise<Map<number, User>> {
  const wanted = [...new Set([...ids].filter((id) => id !== null))];
  const shown = new Map<number, User>();
  if (wanted.length === 0) return shown;
  const rows = await q.selectFrom('users').selectAll().where('id', 'in', wanted).execute();
  const ghost = rows.some((row) => row.deleted_at !== null) ? await findUserByUsername(q, GHOST_USERNAME) : null;
  for (const row of rows) {
    if (row.deleted_at === null) shown.set(row.id, row);
    else if (ghost) shown.set(row.id, ghost);
  }
  return shown;
}

/** Inserts a user; null when the user name or the address is taken. */
export async function insertUser(tx: Tx, values: Insertable<UserTable>): Promise<User | null> {
  const row = await tx
    .insertInto('users')
    .values(values)
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Changes a user that is not deleted; null when there is none. A taken name or address throws UniqueViolation. */
export async function updateUser(tx: Tx, id: number, patch: Updateable<UserTable>): Promise<User | null> {
  const row = await tx
    .updateTable('users')
    .set(patch)
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Moves a user from one of the states `from` to `to`; null when he was in none of them. */
export async function changeUserState(
  tx: Tx,
  id: number,
  from: readonly UserState[],
  to: UserState,
  now: number,
): Promise<User | null> {
  const row = await tx
    .updateTable('users')
    .set({ state: to, updated_at: now })
    .where('id', '=', id)
    .where('state', 'in', from)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Makes a user a tombstone: nobody can be him, his name and address are free. Null when he was one already. */
export async function tombstoneUser(tx: Tx, id: number, now: number): Promise<User | null> {
  const row = await tx
    .updateTable('users')
    .set({
      state: 'deleted',
      deleted_at: now,
      updated_at: now,
      username_lower: null,
      email: '',
      email_lower: null,
      password_digest: null,
      admin: 0,
      bio: null,
      note: null,
      status: null,
      preferences: null,
      avatar_key: null,
    })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .where('type', '<>', 'ghost')
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Ids of the bots of these projects and groups that still live. */
export async function botsOfPlaces(
  q: Queryable,
  places: { readonly projectIds: readonly number[]; readonly groupIds: readonly number[] },
): Promise<number[]> {
  if (places.projectIds.length + places.groupIds.length === 0) return [];
  const rows = await q
    .selectFrom('users')
    .select('id')
    .where('type', '=', 'project_bot')
    .where('deleted_at', 'is', null)
    .where((eb) =>
      eb.or([
        ...(places.projectIds.length > 0 ? [eb('bot_project_id', 'in', places.projectIds)] : []),
        ...(places.groupIds.length > 0 ? [eb('bot_namespace_id', 'in', places.groupIds)] : []),
      ]),
    )
    .execute();
  return rows.map((row) => row.id);
}

/** The filters of `GET /users` (reference git-and-deploy 12.5). Absent means unfiltered. */
export interface UserFilter {
  readonly username?: string | undefined;
  readonly search?: string | undefined;
  /** also look for `search` in addresses; for administrators */
  readonly searchEmails?: boolean | undefined;
  readonly active?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  readonly external?: boolean | undefined;
  readonly humans?: boolean | undefined;
  readonly without_project_bots?: boolean | undefined;
  readonly exclude_active?: boolean | undefined;
  readonly exclude_external?: boolean | undefined;
  readonly exclude_humans?: boolean | undefined;
  readonly exclude_internal?: boolean | undefined;
  readonly admins?: boolean | undefined;
  /** milliseconds, inclusive */
  readonly createdAfter?: number | undefined;
  readonly createdBefore?: number | undefined;
  readonly withoutProjects?: boolean | undefined;
  readonly order_by?: 'id' | 'name' | 'username' | 'created_at' | 'updated_at' | undefined;
  readonly sort?: 'asc' | 'desc' | undefined;
}

/** One page of the users that match, newest id first unless told otherwise, with the count of all. */
export async function listUsers(
  q: Queryable,
  filter: UserFilter,
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: User[]; total: number }> {
  const { search } = filter;
  let query = q.selectFrom('users as u').where('u.deleted_at', 'is', null);
  if (filter.username !== undefined) query = query.where('u.username_lower', '=', filter.username.toLowerCase());
  if (search !== undefined && search !== '')
    query = query.where((eb) =>
      eb.or([
        contains(eb.ref('u.username'), search),
        contains(eb.ref('u.name'), search),
        ...(filter.searchEmails ? [contains(eb.ref('u.email'), search)] : []),
      ]),
    );
  if (filter.active) query = query.where('u.state', '=', 'active');
  if (filter.exclude_active) query = query.where('u.state', '<>', 'active');
  if (filter.blocked) query = query.where('u.state', '=', 'blocked');
  if (filter.external !== undefined) query = query.where('u.external', '=', filter.external ? 1 : 0);
  if (filter.exclude_external) query = query.where('u.external', '=', 0);
  if (filter.humans) query = query.where('u.type', '=', 'human');
  if (filter.exclude_humans) query = query.where('u.type', '<>', 'human');
  if (filter.without_project_bots) query = query.where('u.type', '<>', 'project_bot');
  if (filter.exclude_internal) query = query.where('u.type', '<>', 'ghost');
  if (filter.admins) query = query.where('u.admin', '=', 1);
  if (filter.createdAfter !== undefined) query = query.where('u.created_at', '>=', filter.createdAfter);
  if (filter.createdBefore !== undefined) query = query.where('u.created_at', '<=', filter.createdBefore);
  if (filter.withoutProjects)
    query = query.where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('members as m')
            .select('m.id')
            .whereRef('m.user_id', '=', 'u.id')
            .where('m.project_id', 'is not', null),
        ),
      ),
    );
  const sort = filter.sort ?? 'desc';
  const ordered = query
    .selectAll('u')
    .orderBy(`u.${filter.order_by ?? 'id'}`, sort)
    .orderBy('u.id', sort);
  const { rows, total } = await pageOf(q, query, ordered, page);
  return { items: rows, total };
}

// Reads the users behind keys. It joins a table of the room below and writes nothing.
import type { User } from '../identity/records.ts';
import type { Queryable } from '../storage/database.ts';

/** The user with this id, whatever his state; null when there is none. */
export async function findUser(q: Queryable, id: number): Promise<User | null> {
  const row = await q.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  return row ?? null;
}

/** The state of the account behind a key; null when there is none. */
export async function holderState(q: Queryable, userId: number): Promise<User['state'] | null> {
  return (await findUser(q, userId))?.state ?? null;
}

/** Those of these users who are blocked, deactivated or deleted. */
export async function shutOutAmong(q: Queryable, ids: readonly number[]): Promise<number[]> {
  const rows = await q.selectFrom('users').select('id').where('id', 'in', ids).where('state', '!=', 'active').execute();
  return rows.map((row) => row.id);
}

// What a sign-in needs of the tables: who has this login, and how often his password was wrong lately. Failed passwords are
// counted per account in the database, so that all nodes share the lock-out (reference access-tokens 2.4).
import type { Queryable, Tx } from '../storage/database.ts';
import type { User } from './records.ts';

/** The user with this user name or confirmed e-mail address, in any letter case. */
export async function findByLogin(q: Queryable, login: string): Promise<User | null> {
  // No name holds a NUL byte, and no database takes one to look for it.
  if (login.includes('\0')) return null;
  const lower = login.toLowerCase();
  const byName = await q.selectFrom('users').selectAll().where('username_lower', '=', lower).executeTakeFirst();
  if (byName) return byName;
  if (!lower.includes('@')) return null;
  const byMail = await q.selectFrom('users').selectAll().where('email_lower', '=', lower).executeTakeFirst();
  return byMail ?? null;
}

/** Until when password use of this account is locked; null when it is not. */
export async function lockedUntil(q: Queryable, userId: number, now: number): Promise<number | null> {
  const row = await q.selectFrom('password_locks').selectAll().where('user_id', '=', userId).executeTakeFirst();
  return row?.locked_until != null && row.locked_until > now ? row.locked_until : null;
}

/** Counts a wrong password; the `attempts`-th within `period` milliseconds locks the account for `period`. */
export async function countFailure(
  tx: Tx,
  userId: number,
  now: number,
  attempts: number,
  period: number,
): Promise<void> {
  await tx
    .insertInto('password_locks')
    .values({ user_id: userId, failures: 0, window_started_at: now, locked_until: null })
    .onConflict((oc) => oc.column('user_id').doNothing())
    .execute();
  await tx
    .updateTable('password_locks')
    .set({ failures: 0, window_started_at: now, locked_until: null })
    .where('user_id', '=', userId)
    .where('window_started_at', '<=', now - period)
    .execute();
  await tx
    .updateTable('password_locks')
    .set((eb) => ({ failures: eb('failures', '+', 1) }))
    .where('user_id', '=', userId)
    .execute();
  await tx
    .updateTable('password_locks')
    .set({ locked_until: now + period, window_started_at: now })
    .where('user_id', '=', userId)
    .where('failures', '>=', attempts)
    .where((eb) => eb.or([eb('locked_until', 'is', null), eb('locked_until', '<=', now)]))
    .execute();
}

/** Forgets wrong passwords after a right one. */
export async function clearFailures(tx: Tx, userId: number): Promise<void> {
  await tx.deleteFrom('password_locks').where('user_id', '=', userId).execute();
}

/** Notes a sign-in. */
export async function noteSignIn(tx: Tx, userId: number, now: number): Promise<void> {
  await tx
    .updateTable('users')
    .set((eb) => ({ last_sign_in_at: eb.ref('current_sign_in_at'), current_sign_in_at: now }))
    .where('id', '=', userId)
    .execute();
}

// The table `user_emails`: every address that belongs to a user, his primary one included, so that one unique column keeps
// two users from sharing an address. What `GET /user/emails` shows are the others.
import type { Selectable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { UserEmailTable } from '../storage/schema.ts';

export type UserEmail = Selectable<UserEmailTable>;

/** The addresses of a user beside his primary one, oldest first. */
export function listSecondaryEmails(q: Queryable, userId: number): Promise<UserEmail[]> {
  return secondary(q, userId).orderBy('e.id').execute();
}

/** One of them; null for the primary one, for one of somebody else and for none. */
export async function findSecondaryEmail(q: Queryable, userId: number, id: number): Promise<UserEmail | null> {
  return (await secondary(q, userId).where('e.id', '=', id).executeTakeFirst()) ?? null;
}

function secondary(q: Queryable, userId: number) {
  return q
    .selectFrom('user_emails as e')
    .innerJoin('users as u', 'u.id', 'e.user_id')
    .selectAll('e')
    .where('e.user_id', '=', userId)
    .whereRef('e.email_lower', '<>', 'u.email_lower');
}

/** Adds an address; null when anybody has it. */
export async function addEmail(
  tx: Tx,
  email: { readonly userId: number; readonly email: string; readonly confirmedAt: number | null; readonly now: number },
): Promise<UserEmail | null> {
  const row = await tx
    .insertInto('user_emails')
    .values({
      user_id: email.userId,
      email: email.email,
      email_lower: email.email.toLowerCase(),
      confirmed_at: email.confirmedAt,
      created_at: email.now,
    })
    .onConflict((oc) => oc.doNothing())
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Confirms an address; null when it is confirmed already, or gone. */
export async function confirmEmail(tx: Tx, id: number, now: number): Promise<UserEmail | null> {
  const row = await tx
    .updateTable('user_emails')
    .set({ confirmed_at: now })
    .where('id', '=', id)
    .where('confirmed_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** The row of an address in any letter case, whosever it is. */
export async function findEmail(q: Queryable, email: string): Promise<UserEmail | null> {
  const query = q.selectFrom('user_emails').selectAll().where('email_lower', '=', email.toLowerCase());
  return (await query.executeTakeFirst()) ?? null;
}

/** Removes one address of a user; false when it was not his. */
export async function removeEmail(tx: Tx, userId: number, email: string): Promise<boolean> {
  const rows = await tx
    .deleteFrom('user_emails')
    .where('user_id', '=', userId)
    .where('email_lower', '=', email.toLowerCase())
    .returning('id')
    .execute();
  return rows.length > 0;
}

// The table `avatars`: pictures of users, each under a random key that its address carries.
import type { Selectable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { AvatarTable } from '../storage/schema.ts';

/** A picture by its key; null when there is none. `data` is base64. */
export async function findAvatar(q: Queryable, key: string): Promise<Selectable<AvatarTable> | null> {
  return (await q.selectFrom('avatars').selectAll().where('key', '=', key).executeTakeFirst()) ?? null;
}

/** Replaces a user's picture. */
export async function putAvatar(tx: Tx, avatar: Selectable<AvatarTable>): Promise<void> {
  await removeAvatar(tx, avatar.user_id);
  await tx.insertInto('avatars').values(avatar).execute();
}

/** Removes a user's picture, if he has one. */
export async function removeAvatar(tx: Tx, userId: number): Promise<void> {
  await tx.deleteFrom('avatars').where('user_id', '=', userId).execute();
}

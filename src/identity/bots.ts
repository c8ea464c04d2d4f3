// The users behind project and group access tokens (reference access-tokens 8): one bot a token, a direct member of its place
// with the token's level. It makes them and takes the person out of one; the keys of a bot are ended by credentials/bots.ts,
// whose `deleteBot` is the one to call.

import { isoDate } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import { type House, mailHost } from '../storage/house.ts';
import { insertMember } from './member-store.ts';
import { addUser, ensureGhost } from './new-user.ts';
import type { User } from './records.ts';
import { moveTraces } from './trace-store.ts';
import { tombstoneUser } from './user-store.ts';

/** The project or group of a bot; a loaded ProjectPlace or GroupPlace fits. */
export type BotPlace =
  | { readonly type: 'project'; readonly project: { readonly id: number } }
  | { readonly type: 'group'; readonly group: { readonly id: number } };

/**
 * Makes the bot of a new project or group access token: user `project_{id}_bot_{32 hex}` or `group_{id}_bot_{32 hex}` with a
 * confirmed `<username>@noreply.<host>` address and no password, and its membership without expiry.
 */
export async function createBot(
  tx: Tx,
  house: House,
  wish: {
    readonly place: BotPlace;
    readonly name: string;
    readonly level: number;
    readonly external: boolean;
    readonly createdByUserId: number | null;
  },
): Promise<User> {
  const { place } = wish;
  const id = place.type === 'project' ? place.project.id : place.group.id;
  const username = `${place.type}_${id}_bot_${house.random(16).toString('hex')}`;
  const added = await addUser(tx, house, {
    type: 'project_bot',
    username,
    name: wish.name,
    email: `${username}@noreply.${mailHost(house)}`,
    external: wish.external,
    botProjectId: place.type === 'project' ? id : null,
    botGroupId: place.type === 'group' ? id : null,
    createdByUserId: wish.createdByUserId,
  });
  if (!('user' in added)) fail({ code: 'conflict', reason: `${added.taken} has already been taken` });
  const now = house.clock.now();
  await insertMember(
    tx,
    place.type === 'project' ? { projectId: id } : { groupId: id },
    { userId: added.user.id, level: wish.level, expiresAt: null, createdByUserId: wish.createdByUserId, now },
    isoDate(now),
  );
  return added.user;
}

/**
 * Takes the person out of a user: what he made moves to the Ghost User, his memberships and addresses go, the row becomes a
 * tombstone. False when he was deleted before, or is the Ghost User. His keys must be ended by the caller in `tx`.
 */
export async function buryUser(tx: Tx, house: Pick<House, 'clock'>, userId: number): Promise<boolean> {
  const buried = await tombstoneUser(tx, userId, house.clock.now());
  if (!buried) return false;
  const ghost = await ensureGhost(tx, house);
  await moveTraces(tx, userId, ghost.id);
  return true;
}

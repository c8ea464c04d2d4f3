// The end of a user: his keys die, his personal namespace goes with all in it, what he made moves to the Ghost User, and his
// name is free again at once.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { deleteBot } from '../credentials/bots.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { directOwners, membershipsOf } from '../identity/member-store.ts';
import { deleteSubtree, findNamespace, lockTrees, personalNamespace } from '../identity/namespace-store.ts';
import { findUser } from '../identity/user-store.ts';
import { isoDate } from '../kernel/clock.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { endPlaces } from './end-places.ts';
import { ofUser } from './entities.ts';

/**
 * Deletes a user. 404 `User` when he is not there; 403 for oneself and the Ghost User; 409 when he alone owns a group, unless
 * `hard`: then those groups go with him.
 */
export async function deleteUser(
  house: House,
  actor: Actor,
  _allowed: Allowed<'user:administer'>,
  userId: number,
  options: { readonly hard: boolean; readonly unchangedSince?: number | null },
): Promise<void> {
  if (actingUser(actor.credential)?.id === userId)
    fail({ code: 'forbidden', reason: 'The API initiating user cannot be deleted by the API' });
  await house.db.tx(async (tx) => {
    const user = await findUser(tx, userId);
    if (!user) fail({ code: 'not_found', thing: 'User' });
    demandUnchanged(user.updated_at, options.unchangedSince ?? null);
    if (user.type === 'ghost') fail({ code: 'forbidden', reason: 'An internal user cannot be deleted' });
    const doomed = await groupsOwnedAlone(tx, userId, isoDate(house.clock.now()));
    if (doomed.length > 0 && !options.hard)
      fail({ code: 'conflict', reason: 'User cannot be removed because they are the sole owner of a group' });
    const own = await personalNamespace(tx, userId);
    const ids = [...doomed, ...(own ? [own.id] : [])];
    await lockTrees(tx, ids);
    for (const id of ids) await deleteNamespace(tx, house, id);
    // Another request may have deleted him since he was read; all of this is undone then.
    if (!(await deleteBot(tx, house, userId))) fail({ code: 'not_found', thing: 'User' });
    await auditDeed(tx, house, actor, {
      action: 'user:administer',
      ...ofUser(user),
      message: `Deleted user ${user.username}`,
      details: { hard: options.hard },
    });
  });
}

async function deleteNamespace(tx: Tx, house: House, id: number): Promise<void> {
  const [namespace] = await lockTrees(tx, [id]);
  const below = namespace ? await deleteSubtree(tx, namespace, house.clock.now()) : null;
  if (below) await endPlaces(tx, house, below);
}

async function groupsOwnedAlone(tx: Tx, userId: number, today: string): Promise<number[]> {
  const alone: number[] = [];
  for (const member of await membershipsOf(tx, userId)) {
    if (member.namespace_id === null || member.access_level < 50) continue;
    if (!(await findNamespace(tx, member.namespace_id))) continue;
    const owners = await directOwners(tx, member.namespace_id, today);
    if (owners.length === 1 && owners[0] === userId) alone.push(member.namespace_id);
  }
  return alone;
}

// Deeds that change whether a user may come in: block, unblock, deactivate, activate, ban, unban. Whoever is shut out loses
// his sessions, and what he has open is cut; his keys stay and are dead while he is shut out.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { liveUsesOf } from '../credentials/live-uses.ts';
import { endSessionsOfUser } from '../credentials/session-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { changeUserState, findUser } from '../identity/user-store.ts';
import { fail } from '../kernel/faults.ts';
import type { House } from '../storage/house.ts';
import type { UserState } from '../storage/schema.ts';
import { afterCommit } from '../storage/transactions.ts';
import { ofUser } from './entities.ts';

interface Change {
  readonly from: readonly UserState[];
  readonly to: UserState;
  readonly done: string;
}

const CHANGES = {
  block: { from: ['active', 'deactivated'], to: 'blocked', done: 'Blocked' },
  unblock: { from: ['blocked'], to: 'active', done: 'Unblocked' },
  deactivate: { from: ['active'], to: 'deactivated', done: 'Deactivated' },
  activate: { from: ['deactivated'], to: 'active', done: 'Activated' },
  ban: { from: ['active'], to: 'banned', done: 'Banned' },
  unban: { from: ['banned'], to: 'active', done: 'Unbanned' },
} as const satisfies Record<string, Change>;

export type StateChange = keyof typeof CHANGES;
export const STATE_CHANGES = Object.keys(CHANGES) as StateChange[];

/**
 * Moves a user to another state. True: done. Null and false are GitLab's answers for a user who is in that state already:
 * blocking a blocked one null, unblocking an active one false (reference git-and-deploy 12.5).
 */
export async function changeState(
  house: House,
  actor: Actor,
  _allowed: Allowed<'user:administer'>,
  userId: number,
  change: StateChange,
): Promise<boolean | null> {
  const { from, to, done } = CHANGES[change];
  const shutsOut = to !== 'active';
  if (shutsOut && actingUser(actor.credential)?.id === userId)
    fail({ code: 'forbidden', reason: `The API initiating user cannot be ${to} by the API` });
  return house.db.tx(async (tx) => {
    const before = await findUser(tx, userId);
    if (!before) fail({ code: 'not_found', thing: 'User' });
    if (before.type === 'ghost') fail({ code: 'forbidden', reason: `An internal user cannot be ${to}` });
    const user = await changeUserState(tx, userId, from, to, house.clock.now());
    // Somebody may have been quicker since `before` was read: what is answered is the state that stopped this change.
    if (!user) return whenAlready(change, (await findUser(tx, userId))?.state ?? before.state);
    if (shutsOut) {
      await endSessionsOfUser(tx, house, userId);
      afterCommit(tx, () => liveUsesOf(house).cutUser(userId));
    }
    await auditDeed(tx, house, actor, {
      action: 'user:administer',
      ...ofUser(user),
      message: `${done} user ${user.username}`,
      details: { from: before.state, to },
    });
    return true;
  });
}

/** What GitLab answers when the user is in no state from which the change starts. */
function whenAlready(change: StateChange, state: UserState): boolean | null {
  switch (change) {
    case 'block':
      return state === 'blocked' ? null : fail({ code: 'forbidden', reason: `A ${state} user cannot be blocked` });
    case 'unblock':
      if (state === 'deactivated')
        fail({ code: 'forbidden', reason: 'Deactivated users cannot be unblocked by the API' });
      return false;
    case 'deactivate':
      if (state === 'deactivated') return null;
      return fail({ code: 'forbidden', reason: `Error occurred. A ${state} user cannot be deactivated` });
    case 'activate':
      if (state === 'active') return true;
      return fail({ code: 'forbidden', reason: `A ${state} user must be unblocked to be activated` });
    case 'ban':
    case 'unban':
      return fail({ code: 'bad_request', reason: `You cannot ${change} ${state} users.` });
  }
}

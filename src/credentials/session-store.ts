// Ends a user's browser sessions without touching his other keys: after a new password, a block or a ban (reference
// access-tokens 3.6).
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { afterCommit } from '../storage/transactions.ts';
import { liveUsesOf } from './live-uses.ts';

/** Ends every session of a user but `except`, and cuts what they hold open. Gives how many ended. */
export async function endSessionsOfUser(
  tx: Tx,
  house: House,
  userId: number,
  except: number | null = null,
): Promise<number> {
  const now = house.clock.now();
  const rows = await tx
    .updateTable('credentials')
    .set({ ended_at: now, end_reason: 'signed_out' })
    .where('user_id', '=', userId)
    .where('kind', '=', 'session')
    .where('id', '<>', except ?? 0)
    .where((eb) => eb.or([eb('ended_at', 'is', null), eb('ended_at', '>', now)]))
    .returning('id')
    .execute();
  afterCommit(tx, () => liveUsesOf(house).cut(rows.map((row) => row.id)));
  return rows.length;
}

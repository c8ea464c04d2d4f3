// The end of a bot: its keys and the user behind them go together, in one transaction. Whoever revokes the token of a bot,
// deletes its place or ends its retention calls this.
import { buryUser } from '../identity/bots.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { EndReason } from '../storage/schema.ts';
import { endAllOfUser } from './end.ts';

/** Ends every key of the bot and buries it: its work moves to the Ghost User. False when it was gone. */
export async function deleteBot(
  tx: Tx,
  house: House,
  userId: number,
  reason: EndReason = 'holder_deleted',
): Promise<boolean> {
  await endAllOfUser(tx, house, userId, reason);
  return buryUser(tx, house, userId);
}

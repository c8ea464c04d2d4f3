// Ending keys: by revocation, with their holder, with their place, with their family. One code for all kinds; what a key
// holds open is cut once the transaction has committed.
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { EndReason } from '../storage/schema.ts';
import { afterCommit } from '../storage/transactions.ts';
import type { Credential } from './credential-rows.ts';
import { forgetCredentials, markEnded, markManyEnded } from './credential-store.ts';
import { liveUsesOf } from './live-uses.ts';

/** Ends one key now, an overlap that lies ahead included. True when this call ended it, false when it was ended already. */
export async function endCredential(tx: Tx, house: House, id: number, reason: EndReason): Promise<boolean> {
  const row = await markEnded(tx, id, house.clock.now(), reason, true);
  if (row) cutAfterCommit(tx, house, [row]);
  return row !== null;
}

/**
 * Ends every key a user holds, sessions included, and cuts what he has open. His deploy keys live on: they are the projects'
 * (reference git-and-deploy 6.5). His SSH keys are forgotten, so that their bodies are free again.
 */
export async function endAllOfUser(tx: Tx, house: House, userId: number, reason: EndReason): Promise<Credential[]> {
  const now = house.clock.now();
  const rows = await markManyEnded(tx, { userId }, now, reason);
  const sshKeyIds = rows.filter((row) => row.kind === 'user_ssh_key').map((row) => row.id);
  await forgetCredentials(tx, sshKeyIds, now);
  afterCommit(tx, () => liveUsesOf(house).cutUser(userId));
  return rows;
}

/** Ends every key that was made for one of these places. Gives the rows, so that bots can go too. */
export async function endAllOfPlace(
  tx: Tx,
  house: House,
  place: { readonly projectIds?: readonly number[]; readonly groupIds?: readonly number[] },
  reason: EndReason,
): Promise<Credential[]> {
  if (!place.projectIds?.length && !place.groupIds?.length) return [];
  const rows = await markManyEnded(tx, place, house.clock.now(), reason);
  cutAfterCommit(tx, house, rows);
  return rows;
}

/** Ends every living key of a family (reuse detection, reference access-tokens 7.3). Gives what it ended. */
export async function endFamily(tx: Tx, house: House, familyId: number, reason: EndReason): Promise<Credential[]> {
  const rows = await markManyEnded(tx, { familyId }, house.clock.now(), reason);
  cutAfterCommit(tx, house, rows);
  return rows;
}

function cutAfterCommit(tx: Tx, house: House, rows: readonly Credential[]): void {
  if (rows.length > 0) afterCommit(tx, () => liveUsesOf(house).cut(rows.map((row) => row.id)));
}

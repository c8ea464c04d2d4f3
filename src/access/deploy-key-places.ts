// What becomes of deploy keys when projects let go of them: the grants go, and a private key that no project holds any more ends
// and is forgotten, so that its body is free again (reference git-and-deploy 6.1, 6.4). Whoever deletes projects or disables a
// key calls this in his transaction.
import type { Credential } from '../credentials/credential-rows.ts';
import { forgetCredentials } from '../credentials/credential-store.ts';
import { endCredential } from '../credentials/end.ts';
import { liveUsesOf } from '../credentials/live-uses.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { EndReason } from '../storage/schema.ts';
import { afterCommit } from '../storage/transactions.ts';
import { deleteGrants, notGranted, strandedKeys } from './deploy-key-store.ts';

/**
 * Takes deploy keys out of projects (all of them, or one) and cuts what they hold open there, after the commit. Gives the ids of the
 * keys that were enabled there and of those that ended with it.
 */
export async function disableDeployKeys(
  tx: Tx,
  house: House,
  which: { readonly projectIds: readonly number[]; readonly keyId?: number },
  reason: EndReason,
): Promise<{ disabled: Credential['id'][]; ended: Credential['id'][] }> {
  const grants = await deleteGrants(tx, which);
  const disabled = [...new Set(grants.map((grant) => grant.credentialId))];
  const ended = await strandedKeys(tx, disabled);
  for (const id of ended) await endCredential(tx, house, id, reason);
  await forgetCredentials(tx, ended, house.clock.now());
  if (grants.length > 0) afterCommit(tx, () => liveUsesOf(house).cutAt(grants));
  return { disabled, ended };
}

/** Cuts, once, what a deploy key holds open in a project where another node has disabled it. Asks only about what is open. */
export async function cutDisabledElsewhere(house: House): Promise<void> {
  const uses = liveUsesOf(house);
  const lost = await notGranted(house.db.read, uses.heldByDeployKeys());
  if (lost.length > 0) uses.cutAt(lost);
}

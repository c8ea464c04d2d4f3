// What ends with a project or group, in the transaction that deletes it: its keys, its bots, and the promise that a task reaps
// the rest. Paths are freed by the stores; this only knows ids.
import { disableDeployKeys } from '../access/deploy-key-places.ts';
import { deleteBot } from '../credentials/bots.ts';
import { endAllOfPlace } from '../credentials/end.ts';
import { botsOfPlaces } from '../identity/user-store.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { enqueue } from '../tasks/enqueue.ts';

/** Kind of the task that removes what is left of deleted projects; its payload is `{projectIds}`. */
export const REAP_PROJECTS = 'reap_project';

/** Ends all keys and bots of these places and has their projects reaped after the commit. */
export async function endPlaces(
  tx: Tx,
  house: House,
  places: { readonly projectIds: readonly number[]; readonly groupIds: readonly number[] },
): Promise<void> {
  await endAllOfPlace(tx, house, places, 'place_deleted');
  await disableDeployKeys(tx, house, places, 'place_deleted');
  for (const bot of await botsOfPlaces(tx, places)) await deleteBot(tx, house, bot, 'place_deleted');
  if (places.projectIds.length > 0)
    await enqueue(tx, { kind: REAP_PROJECTS, payload: { projectIds: places.projectIds }, now: house.clock.now() });
}

// Cuts what is open under a key that ended without a deed here: on another node, by its date, or at the end of an overlap that a
// rotation left. Every second, and only while something is open, it asks the rows whose keys those are. It ends no key.
import { SECOND } from '../kernel/clock.ts';
import type { House } from '../storage/house.ts';
import { endedAmong } from './credential-store.ts';
import { shutOutAmong } from './holder-store.ts';
import { liveUsesOf } from './live-uses.ts';

/** Cuts, once, every open use whose key has ended or whose user is shut out. */
export async function cutEndedElsewhere(house: House): Promise<void> {
  const uses = liveUsesOf(house);
  const { credentialIds, userIds } = uses.held();
  if (credentialIds.length > 0) uses.cut(await endedAmong(house.db.read, credentialIds, house.clock.now()));
  if (userIds.length > 0) for (const id of await shutOutAmong(house.db.read, userIds)) uses.cutUser(id);
}

/**
 * Does so every second until it is stopped, and `also` after it: what only a room above knows to end a use. A failure is logged,
 * and the next second tries again.
 */
export function watchLiveUses(
  house: House,
  also: (house: House) => Promise<void> = async () => {},
): { stop(): Promise<void> } {
  let running = Promise.resolve();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    running = cutEndedElsewhere(house)
      .then(() => also(house))
      .catch((error: unknown) => house.log.error({ err: error }, 'the keys of what is open could not be looked at'))
      .finally(() => {
        busy = false;
      });
  }, SECOND).unref();
  return {
    stop: () => {
      clearInterval(timer);
      return running;
    },
  };
}

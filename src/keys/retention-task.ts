// What becomes of dead keys: after the retention time an access token is forgotten and its bot deleted, ended sessions and job
// keys are swept after a day, sealed texts are erased when their time is over (reference access-tokens 7.5). Housekeeping
// without a proof; a key is dead long before this runs, and stays dead if it never does (lessons R38).

import { forgetCredentials } from '../credentials/credential-store.ts';
import { READABLE } from '../credentials/issue.ts';
import { ACCESS_TOKEN_KINDS, KINDS } from '../credentials/kinds.ts';
import { dropSealed } from '../credentials/sealed-store.ts';
import { DAY } from '../kernel/clock.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import type { StoredKind } from '../storage/schema.ts';
import type { TaskHandler } from '../tasks/runner.ts';
import { deleteIdleBot } from './end-key.ts';
import { eraseSealed, longDead, sealedOfEnded, sweepDead } from './upkeep-store.ts';

/** The task's kind. */
export const RETENTION_TASK = 'key_retention';

const BATCH = 100;

/** The kinds whose dead rows are swept instead of kept. */
const SWEPT: readonly StoredKind[] = Object.values(KINDS)
  .filter((kind) => kind.sweptEarly)
  .map((kind) => kind.kind as StoredKind);

/** The handler of the task. */
export function retentionTask(house: House): TaskHandler {
  return async (_payload, context) => {
    await forgetLongDead(house, context.signal);
    await sweep(house, context.signal);
    await house.db.tx((tx) => dropSealed(tx, house.clock.now()));
    await eraseReadable(house, context.signal);
  };
}

/** Looked for where lists are read: the writer must not stand still while all that is sealed is walked. */
async function eraseReadable(house: House, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ids = await sealedOfEnded(house.db.list, READABLE, house.clock.now(), BATCH);
    if (ids.length === 0) return;
    await house.db.tx((tx) => eraseSealed(tx, READABLE, ids));
    if (ids.length < BATCH) return;
  }
}

async function forgetLongDead(house: House, signal: AbortSignal): Promise<void> {
  const settings = await readSettings(house.db.read);
  const now = house.clock.now();
  const cutoff = now - settings.inactive_resource_access_tokens_delete_after_days * DAY;
  while (!signal.aborted) {
    const keys = await longDead(house.db.list, ACCESS_TOKEN_KINDS, cutoff, BATCH);
    if (keys.length === 0) return;
    await house.db.tx(async (tx) => {
      const ids = keys.map((key) => key.id);
      await forgetCredentials(tx, ids, now);
      // The bot of a revoked token went with it; here go those whose token only expired.
      for (const key of keys) await deleteIdleBot(tx, house, key);
    });
  }
}

async function sweep(house: House, signal: AbortSignal): Promise<void> {
  const cutoff = house.clock.now() - DAY;
  while (!signal.aborted) {
    const swept = await house.db.tx((tx) => sweepDead(tx, SWEPT, cutoff, BATCH));
    if (swept < BATCH) return;
  }
}

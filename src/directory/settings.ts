// The deed of changing the instance's settings (reference access-tokens 3.5).
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { fail } from '../kernel/faults.ts';
import { type InstanceSettings, updateSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { OF_INSTANCE } from './entities.ts';

/** Changes what `patch` names; nothing when one value is bad (400 by field). Unknown names are ignored. */
export async function changeSettings(
  house: House,
  actor: Actor,
  _allowed: Allowed<'settings:update'>,
  patch: Readonly<Record<string, unknown>>,
): Promise<InstanceSettings> {
  return house.db.tx(async (tx) => {
    const changed = await updateSettings(tx, patch, house.clock.now());
    if (!changed.ok) {
      const fields = Object.fromEntries(changed.error.map(({ field, text }) => [field, [text]]));
      return fail({ code: 'invalid_record', fields });
    }
    await auditDeed(tx, house, actor, {
      action: 'settings:update',
      ...OF_INSTANCE,
      message: 'Changed the settings of the instance',
      details: { changed: Object.keys(patch).filter((name) => patch[name] !== undefined) },
    });
    return changed.value;
  });
}

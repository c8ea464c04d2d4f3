// What must stand still for a while, on every node: a backup holds maintenance and the emptying of the trash, so that nothing
// which it is about to copy vanishes. A hold ends by itself when its holder died.
import type { Queryable, Tx } from './database.ts';

/** Held while a backup copies repositories: nothing is packed anew, pruned, or removed from the trash. */
export const MAINTENANCE = 'maintenance';

/** Takes or prolongs a hold until `until` (milliseconds). False: another holder has it. */
export async function takeHold(
  tx: Tx,
  hold: { readonly name: string; readonly holder: string; readonly until: number; readonly now: number },
): Promise<boolean> {
  const { name, holder, until, now } = hold;
  const row = await tx
    .insertInto('holds')
    .values({ name, holder, until })
    .onConflict((oc) =>
      oc
        .column('name')
        .doUpdateSet({ holder, until })
        .where(({ or, eb }) => or([eb('holds.holder', '=', holder), eb('holds.until', '<=', now)])),
    )
    .returning('name')
    .executeTakeFirst();
  return row !== undefined;
}

/** Gives a hold back. */
export async function dropHold(tx: Tx, name: string, holder: string): Promise<void> {
  await tx.deleteFrom('holds').where('name', '=', name).where('holder', '=', holder).execute();
}

/** Who holds `name` and until when (milliseconds), whether it has ended or not; undefined when nobody does. */
export async function currentHold(
  q: Queryable,
  name: string,
): Promise<{ readonly holder: string; readonly until: number } | undefined> {
  return q.selectFrom('holds').select(['holder', 'until']).where('name', '=', name).executeTakeFirst();
}

/** Whether somebody holds `name` now. */
export async function isHeld(q: Queryable, name: string, now: number): Promise<boolean> {
  const row = await q
    .selectFrom('holds')
    .select('name')
    .where('name', '=', name)
    .where('until', '>', now)
    .executeTakeFirst();
  return row !== undefined;
}

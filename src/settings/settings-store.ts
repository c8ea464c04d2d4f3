// The settings table: only what an administrator changed, by name, as JSON. What a name means is not known here.
import type { Queryable, Tx } from '../storage/database.ts';

/** All changed settings: name and JSON text. */
export async function selectSettings(q: Queryable): Promise<{ name: string; value: string }[]> {
  return q.selectFrom('settings').select(['name', 'value']).execute();
}

/** Stores `value` (JSON text) under `name`, over what was there. */
export async function upsertSetting(tx: Tx, name: string, value: string, now: number): Promise<void> {
  await tx
    .insertInto('settings')
    .values({ name, value, updated_at: now })
    .onConflict((oc) => oc.column('name').doUpdateSet({ value, updated_at: now }))
    .execute();
}

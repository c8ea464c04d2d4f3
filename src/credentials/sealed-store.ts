// The table `credential_secrets`: the few texts that must be given out again, sealed. It neither seals nor opens.
import type { Queryable, Tx } from '../storage/database.ts';

/** Stores something sealed for a key, replacing what stood there for the purpose. */
export async function putSealed(
  tx: Tx,
  row: { credentialId: number; purpose: string; sealed: string; keyId: number; dropAt: number | null },
): Promise<void> {
  await tx
    .insertInto('credential_secrets')
    .values({
      credential_id: row.credentialId,
      purpose: row.purpose,
      sealed: row.sealed,
      key_id: row.keyId,
      drop_at: row.dropAt,
    })
    .onConflict((oc) =>
      oc
        .columns(['credential_id', 'purpose'])
        .doUpdateSet({ sealed: row.sealed, key_id: row.keyId, drop_at: row.dropAt }),
    )
    .execute();
}

/** What is sealed for a key and purpose and not yet to be dropped. */
export async function findSealed(
  q: Queryable,
  credentialId: number,
  purpose: string,
  now: number,
): Promise<{ sealed: string; keyId: number } | null> {
  const row = await q
    .selectFrom('credential_secrets')
    .selectAll()
    .where('credential_id', '=', credentialId)
    .where('purpose', '=', purpose)
    .where((eb) => eb.or([eb('drop_at', 'is', null), eb('drop_at', '>', now)]))
    .executeTakeFirst();
  return row ? { sealed: row.sealed, keyId: row.key_id } : null;
}

/** Erases sealed texts whose time is over. */
export async function dropSealed(tx: Tx, now: number): Promise<void> {
  await tx.deleteFrom('credential_secrets').where('drop_at', '<=', now).execute();
}

// The table `credential_uses`: when a key was last used and from where. Written behind, in batches.
import type { Queryable, Tx } from '../storage/database.ts';

export interface Use {
  readonly credentialId: number;
  readonly lastUsedAt: number | null;
  readonly ipsWrittenAt: number | null;
  /** newest first */
  readonly ips: readonly string[];
}

/** The stored uses of these keys. */
export async function findUses(q: Queryable, ids: readonly number[]): Promise<Map<number, Use>> {
  const rows = await q.selectFrom('credential_uses').selectAll().where('credential_id', 'in', ids).execute();
  return new Map(
    rows.map((row) => [
      row.credential_id,
      {
        credentialId: row.credential_id,
        lastUsedAt: row.last_used_at,
        ipsWrittenAt: row.ips_written_at,
        ips: JSON.parse(row.ips) as string[],
      },
    ]),
  );
}

/** Stores a key's use; a key that vanished meanwhile is none of our concern (its row is never deleted). */
export async function putUse(tx: Tx, use: Use): Promise<void> {
  const values = { last_used_at: use.lastUsedAt, ips_written_at: use.ipsWrittenAt, ips: JSON.stringify(use.ips) };
  await tx
    .insertInto('credential_uses')
    .values({ credential_id: use.credentialId, ...values })
    .onConflict((oc) => oc.column('credential_id').doUpdateSet(values))
    .execute();
}

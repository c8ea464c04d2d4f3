// What the audit says of a backup and of a restore: that the operator did it, and under which name on the machine. Both are deeds
// of the command line alone and are written straight to the database; the sealer chains the rows like any other.
import { userInfo } from 'node:os';
import { auditDeed } from '../../credentials/actor.ts';
import { OF_INSTANCE } from '../../directory/entities.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Tx } from '../../storage/database.ts';
import { operator } from '../operator.ts';

/** Writes the row of a deed on the whole instance. `details` name folders without their path: the row travels with the backup. */
export async function auditTrust(
  tx: Tx,
  clock: Clock,
  deed: {
    readonly action: 'instance:backup' | 'instance:restore';
    readonly message: string;
    readonly details: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const details = { ...deed.details, system_user: systemUser() };
  await auditDeed(tx, { clock }, operator, { ...deed, ...OF_INSTANCE, details });
}

/** The name of the one who works at the machine; his number where it has no name (containers). */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}

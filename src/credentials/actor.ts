// Who is doing a deed, with which key, through which door, from where: what every operation is told beside its proof, and
// what its audit row says.
import { type AuditInput, recordAudit } from '../audit/record.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { actingUser, holderName, type VerifiedCredential } from './verified-credential.ts';

/** The doors, as audit and logs name them. APPEND ONLY. */
export type DoorName = 'rest' | 'git-http' | 'ssh' | 'web' | 'local' | 'task';

export interface Actor {
  readonly credential: VerifiedCredential;
  readonly door: DoorName;
  /** the client's address; null for local work */
  readonly ip: string | null;
}

/** What an audit row says beyond who did it. */
export type Deed = Omit<
  AuditInput,
  'authorId' | 'authorName' | 'credentialId' | 'credentialKind' | 'credentialName' | 'door' | 'ipAddress' | 'createdAt'
>;

/** Writes an audit row for what `actor` did, in the operation's own transaction. */
export async function auditDeed(tx: Tx, house: Pick<House, 'clock'>, actor: Actor, deed: Deed): Promise<void> {
  const { credential } = actor;
  await recordAudit(tx, {
    ...deed,
    details: credential.sudoBy ? { ...deed.details, sudo_by: credential.sudoBy.username } : deed.details,
    createdAt: house.clock.now(),
    authorId: actingUser(credential)?.id ?? null,
    authorName: holderName(credential),
    credentialId: credential.id,
    credentialKind: credential.kind,
    credentialName: credential.name,
    door: actor.door,
    ipAddress: actor.ip,
  });
}

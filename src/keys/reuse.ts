// Reuse detection: somebody called a rotate route with an access token that was revoked, so either he or the one who rotated it
// is a thief. Every living key of the family ends (reference access-tokens 7.3, lessons R43).
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { Credential } from '../credentials/credential-rows.ts';
import type { DeadCredential } from '../credentials/dead.ts';
import { endFamily } from '../credentials/end.ts';
import { describeKind } from '../credentials/kinds.ts';
import { findUser } from '../identity/user-store.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { deleteIdleBot } from './end-key.ts';
import { isFamilyAlive } from './holder-store.ts';
import { tellOwner } from './notices.ts';

/**
 * Ends the family of a revoked access token that was presented to a rotate route, bots included, and says how many keys it
 * ended. With the setting `token_reuse_detection` at `report` it only writes the audit row. Kinds that many machines share
 * (runner tokens) are left alone.
 */
export async function endFamilyForReuse(
  house: House,
  actor: Actor,
  identified: NonNullable<DeadCredential['identified']>,
): Promise<number> {
  if (!describeKind(identified.kind).reuseEndsFamily) return 0;
  return house.db.tx(async (tx) => {
    const settings = await readSettings(tx);
    const report = settings.token_reuse_detection === 'report';
    const ended = report ? [] : await endWholeFamily(tx, house, identified.familyId);
    const user = identified.userId === null ? null : await findUser(tx, identified.userId);
    await auditDeed(tx, house, actor, {
      action: 'own_token:rotate',
      result: 'refused',
      entityType: 'User',
      entityId: identified.userId,
      entityPath: user?.username ?? null,
      targetType: identified.kind,
      targetId: identified.id,
      targetDetails: identified.name,
      message: report
        ? 'A revoked token was used to rotate; its family was left alone (token_reuse_detection is report)'
        : `A revoked token was used to rotate; ${ended.length} key(s) of its family were revoked`,
      details: { reuse: true, family_id: identified.familyId, ended: ended.map((key) => key.id) },
    });
    for (const key of ended) {
      await tellOwner(tx, house, key, 'revoked');
      await deleteIdleBot(tx, house, key);
    }
    return ended.length;
  });
}

/**
 * Ends the family until nothing of it lives. A rotation that runs at the same moment adds a member that the first statement
 * could not see (it waited for the old key's row); the next look sees it.
 */
async function endWholeFamily(tx: Tx, house: House, familyId: number): Promise<Credential[]> {
  const ended: Credential[] = [];
  do ended.push(...(await endFamily(tx, house, familyId, 'reuse')));
  while (await isFamilyAlive(tx, familyId, house.clock.now()));
  return ended;
}

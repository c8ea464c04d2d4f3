// Rotation: the old key ends and a new one takes over its name, scopes, holder and reach, in one transaction (reference
// access-tokens 7.2). Of two calls at once exactly one wins, by the guarded update.
import { SECOND } from '../kernel/clock.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { afterCommit } from '../storage/transactions.ts';
import { scopesOf } from './credential-rows.ts';
import { findCredential, markEnded, setSuccessor } from './credential-store.ts';
import { holderState } from './holder-store.ts';
import { type Issued, issueCredential } from './issue.ts';
import { liveUsesOf } from './live-uses.ts';

export type RotationFailure = 'unknown' | 'already_revoked' | 'already_rotated' | 'holder_blocked';

export interface RotationWish {
  readonly id: number;
  /** 00:00 UTC of the new key's date; null for never */
  readonly expiresAt: number | null;
  /** how long the old key keeps working; never past its own expiry */
  readonly overlapSeconds: number;
  readonly byUserId: number | null;
  readonly byCredentialId: number | null;
}

/** Rotates a key. Nothing is changed when it fails. An expired key may be rotated; the holder must be active (R39). */
export async function rotateCredential(
  tx: Tx,
  house: House,
  wish: RotationWish,
): Promise<Result<Issued, RotationFailure>> {
  const now = house.clock.now();
  const old = await findCredential(tx, wish.id);
  if (!old) return err('unknown');
  if (old.user_id !== null) {
    if ((await holderState(tx, old.user_id)) !== 'active') return err('holder_blocked');
  }
  const latest = old.expires_at === null ? Number.POSITIVE_INFINITY : Math.max(now, old.expires_at);
  const endsAt = Math.min(now + wish.overlapSeconds * SECOND, latest);
  const ended = await markEnded(tx, wish.id, endsAt, 'rotated', false);
  if (!ended) {
    const current = await findCredential(tx, wish.id);
    return err(current?.ended_at != null && current.ended_at > now ? 'already_rotated' : 'already_revoked');
  }
  const issued = await issueCredential(tx, house, {
    kind: old.kind,
    name: old.name,
    description: old.description,
    scopes: scopesOf(old),
    expiresAt: wish.expiresAt,
    userId: old.user_id,
    projectId: old.project_id,
    groupId: old.group_id,
    runnerId: old.runner_id,
    impersonation: old.impersonation === 1,
    accessLevel: old.access_level,
    createdByUserId: wish.byUserId,
    createdByCredentialId: wish.byCredentialId,
    familyId: old.family_id ?? old.id,
    username: old.username,
  });
  await setSuccessor(tx, old.id, issued.credential.id);
  if (endsAt <= now) afterCommit(tx, () => liveUsesOf(house).cut([old.id]));
  return ok(issued);
}

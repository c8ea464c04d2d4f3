// Deeds that invite a group to a project or another group, and take that back. The caller must be able to see the group he
// invites (a proof of its own) and cannot give more than he holds.
import { type Allowed, capLevel } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { lineageIds, type Share } from '../identity/records.ts';
import { deleteShare, insertShare } from '../identity/share-store.ts';
import { isoDate } from '../kernel/clock.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import type { House } from '../storage/house.ts';
import { ofGroup, ofProject } from './entities.ts';

/** `expiresAt`: a date from which the share counts as none, or null. */
export interface ShareWish {
  readonly level: number;
  readonly expiresAt: string | null;
}

type Sharing = Allowed<'project:share'> | Allowed<'group:share'>;

function target(allowed: Sharing) {
  const { place } = allowed;
  return place.type === 'project'
    ? { entity: ofProject(place.project), at: { projectId: place.project.id }, lineage: place.namespace.lineage }
    : { entity: ofGroup(place.group), at: { groupId: place.group.id }, lineage: place.group.lineage };
}

/** Invites a group. 403 above the caller's own level; 409 when it is invited already, or contains what is shared. */
export async function share(
  house: House,
  actor: Actor,
  allowed: Sharing,
  invited: Allowed<'group:read'>,
  wish: ShareWish,
): Promise<Share> {
  const { entity, at, lineage } = target(allowed);
  const { group } = invited.place;
  const now = house.clock.now();
  if (wish.level > capLevel(allowed)) fail({ code: 'forbidden', reason: null });
  if (wish.expiresAt !== null && wish.expiresAt <= isoDate(now))
    fail({ code: 'invalid_record', fields: { expires_at: ['cannot be a date in the past'] } });
  if (lineageIds(lineage).includes(group.id))
    fail({
      code: 'conflict',
      reason: `${entity.entityType} cannot be shared with the group it is in or one of its ancestors.`,
    });
  return house.db.tx(async (tx) => {
    const row = await insertShare(tx, at, { groupId: group.id, level: wish.level, expiresAt: wish.expiresAt, now });
    if (!row)
      fail({
        code: 'conflict',
        reason: 'projectId' in at ? 'Group already shared with this group' : 'Shared group has already been taken',
      });
    await auditDeed(tx, house, actor, {
      action: allowed.action,
      ...entity,
      targetType: 'Group',
      targetId: group.id,
      targetDetails: group.full_path,
      message: `Invited group ${group.full_path}`,
      details: { access_level: wish.level, expires_at: wish.expiresAt },
    });
    return row;
  });
}

/** Takes an invitation back; 404 when there is none, 412 when it was made after `unchangedSince` (milliseconds; null to not ask). */
export async function unshare(
  house: House,
  actor: Actor,
  allowed: Sharing,
  groupId: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const { entity, at } = target(allowed);
  await house.db.tx(async (tx) => {
    const gone = await deleteShare(tx, at, groupId);
    if (!gone) fail({ code: 'not_found', thing: 'Group Link' });
    // The transaction is given up, and the invitation stays.
    demandUnchanged(gone.created_at, unchangedSince);
    await auditDeed(tx, house, actor, {
      action: allowed.action,
      ...entity,
      targetType: 'Group',
      targetId: groupId,
      message: 'Took back the invitation of a group',
    });
  });
}

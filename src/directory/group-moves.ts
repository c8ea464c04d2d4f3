// Deeds that take a group elsewhere or end it. A transfer needs two proofs, one for the group and one for where it goes.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { deleteSubtree, isPathTaken, lockTrees, moveNamespace } from '../identity/namespace-store.ts';
import { type Group, lineageIds } from '../identity/records.ts';
import { fail } from '../kernel/faults.ts';
import { MAX_GROUP_DEPTH } from '../kernel/names.ts';
import type { House } from '../storage/house.ts';
import { clashIs } from './clash.ts';
import { endPlaces } from './end-places.ts';
import { ofGroup } from './entities.ts';
import { depthBelow } from './group-list-store.ts';
import { levelsWithin } from './visibility.ts';
import { capVisibilityBelow } from './visibility-store.ts';

const failed = (why: string): never => fail({ code: 'bad_request', reason: `Transfer failed: ${why}` });
const SAME_PATH = 'The parent group already has a subgroup or a project with the same path.';

/**
 * Moves a group with all below it into another group, or to the top. What is more visible than the new parent becomes as
 * visible as it. Keys of groups above lose what goes, keys of the group keep it.
 */
export async function transferGroup(
  house: House,
  actor: Actor,
  allowed: Allowed<'group:transfer'>,
  target: Allowed<'subgroup:create'> | Allowed<'group:create'>,
): Promise<Group> {
  const targetId = target.place.type === 'group' ? target.place.group.id : null;
  const taken = { code: 'bad_request', reason: `Transfer failed: ${SAME_PATH}` } as const;
  return clashIs(taken, () =>
    house.db.tx(async (tx) => {
      const ids = targetId === null ? [allowed.place.group.id] : [allowed.place.group.id, targetId];
      const [group, parent = null] = await lockTrees(tx, ids);
      if (!group || (targetId !== null && !parent)) fail({ code: 'not_found', thing: 'Group' });
      if (group.parent_id === targetId)
        failed(
          targetId === null ? 'Group is already a root group.' : 'Group is already associated to the parent group.',
        );
      if (parent?.lineage.startsWith(group.lineage)) failed('Cannot transfer group to one of its subgroup.');
      const above = parent ? lineageIds(parent.lineage).length : 0;
      if (above + (await depthBelow(tx, group.lineage)) > MAX_GROUP_DEPTH) failed('has too deep level of nesting');
      const path = parent ? `${parent.full_path}/${group.path}` : group.path;
      if (await isPathTaken(tx, path)) failed(SAME_PATH);
      const moved = await moveNamespace(tx, group, { parent, path: group.path, now: house.clock.now() });
      if (parent) await capVisibilityBelow(tx, moved.lineage, levelsWithin(parent.visibility), parent.visibility);
      await auditDeed(tx, house, actor, {
        action: 'group:transfer',
        ...ofGroup(moved),
        message: `Moved group ${group.full_path} to ${moved.full_path}`,
      });
      return moved;
    }),
  );
}

/** Deletes a group with all below it: gone for every caller at the commit, reaped afterwards. */
export async function deleteGroup(house: House, actor: Actor, allowed: Allowed<'group:delete'>): Promise<void> {
  await house.db.tx(async (tx) => {
    const [group] = await lockTrees(tx, [allowed.place.group.id]);
    const below = group ? await deleteSubtree(tx, group, house.clock.now()) : null;
    if (!group || !below) fail({ code: 'not_found', thing: 'Group' });
    await endPlaces(tx, house, below);
    await auditDeed(tx, house, actor, {
      action: 'group:delete',
      ...ofGroup(group),
      message: `Deleted group ${group.full_path}`,
      details: { groups: below.groupIds.length, projects: below.projectIds.length },
    });
  });
}

// Deeds on groups that stay where they are: create and change, path included (reference git-and-deploy 3.1, 12.2). Errors are by
// field; the door says them in GitLab's words.
import { type Allowed, capLevel } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { insertMember } from '../identity/member-store.ts';
import {
  insertNamespace,
  isPathTaken,
  lockTrees,
  moveNamespace,
  updateNamespace,
} from '../identity/namespace-store.ts';
import { type Group, isTokenBot, lineageIds, type Namespace } from '../identity/records.ts';
import { OWNER } from '../identity/roles.ts';
import { isoDate } from '../kernel/clock.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { displayNameErrors, groupPathErrors, MAX_GROUP_DEPTH } from '../kernel/names.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { Visibility } from '../storage/schema.ts';
import { clashIs } from './clash.ts';
import { ofGroup } from './entities.ts';
import { moreVisibleChild } from './group-list-store.ts';
import { type GroupSettings, groupSettings, withGroupSettings } from './group-settings.ts';
import { defaultVisibility, levelsWithin, restrictedText } from './visibility.ts';

/** What may be said of a group; absent means unchanged, or the default for a new one. */
export interface GroupWish {
  readonly name?: string | undefined;
  readonly path?: string | undefined;
  readonly visibility?: Visibility | undefined;
  readonly description?: string | undefined;
  readonly settings?: Partial<GroupSettings> | undefined;
}

export const PATH_TAKEN: Fault = { code: 'invalid_record', fields: { path: ['has already been taken'] } };

const invalid = (field: string, text: string): never => fail({ code: 'invalid_record', fields: { [field]: [text] } });

function checkTexts(wish: GroupWish, top: boolean): void {
  const fields: Record<string, string[]> = {};
  const name = wish.name === undefined ? [] : displayNameErrors(wish.name);
  const path = wish.path === undefined ? [] : groupPathErrors(wish.path, top);
  if (name.length > 0) fields['name'] = name;
  if (path.length > 0) fields['path'] = path;
  if ((wish.description?.length ?? 0) > 500) fields['description'] = ['is too long (maximum is 500 characters)'];
  if (Object.keys(fields).length > 0) fail({ code: 'invalid_record', fields });
}

/** The switch for access tokens is the outermost group's alone (reference access-tokens 4.4). */
function checkSwitches(wish: GroupWish, top: boolean): void {
  if (!top && wish.settings?.resource_access_token_creation_allowed === false)
    invalid('resource_access_token_creation_allowed', 'is not allowed since the group is not top-level group.');
}

function checkWithin(wish: Visibility, parent: Namespace | null): void {
  if (parent && !levelsWithin(parent.visibility).includes(wish))
    invalid('visibility_level', `${wish} is not allowed since the parent group has a ${parent.visibility} visibility.`);
}

/**
 * Makes a group, at the top or inside the group of the proof. Its maker becomes its Owner, unless he owns the parent already
 * or is a token bot, which belongs nowhere but to its own place.
 */
export async function createGroup(
  house: House,
  actor: Actor,
  allowed: Allowed<'group:create'> | Allowed<'subgroup:create'>,
  wish: GroupWish & { readonly name: string; readonly path: string },
): Promise<Group> {
  const { place } = allowed;
  checkTexts(wish, place.type === 'instance');
  checkSwitches(wish, place.type === 'instance');
  const user = actingUser(actor.credential);
  const now = house.clock.now();
  return clashIs(PATH_TAKEN, () =>
    house.db.tx(async (tx) => {
      const parent = place.type === 'group' ? await lockedGroup(tx, place.group.id) : null;
      if (parent && place.type === 'group') checkMayNest(parent, capLevel({ place, asAdmin: allowed.asAdmin }));
      const settings = await readSettings(tx);
      const restricted = wish.visibility && restrictedText(wish.visibility, settings, allowed.asAdmin);
      if (restricted) invalid('visibility_level', restricted);
      if (wish.visibility) checkWithin(wish.visibility, parent);
      const within = parent?.visibility ?? 'public';
      const path = parent ? `${parent.full_path}/${wish.path}` : wish.path;
      if (await isPathTaken(tx, path)) fail(PATH_TAKEN);
      const group = await insertNamespace(tx, parent, {
        kind: 'group',
        owner_user_id: null,
        name: wish.name,
        path: wish.path,
        visibility:
          wish.visibility ?? defaultVisibility(settings.default_group_visibility, within, settings, allowed.asAdmin),
        description: wish.description ?? '',
        settings: withGroupSettings({ settings: '{}' }, wish.settings ?? {}),
        created_at: now,
        updated_at: now,
        deleted_at: null,
      });
      if (!group) fail(PATH_TAKEN);
      if (user && !isTokenBot(user) && (place.type === 'instance' || place.level < OWNER))
        await insertMember(
          tx,
          { groupId: group.id },
          { userId: user.id, level: OWNER, expiresAt: null, createdByUserId: user.id, now },
          isoDate(now),
        );
      await auditDeed(tx, house, actor, {
        action: allowed.action,
        ...ofGroup(group),
        message: `Created group ${group.full_path}`,
        details: { visibility: group.visibility },
      });
      return group;
    }),
  );
}

/** The group as it is now, with its tree locked; 404 when it went meanwhile. */
export async function lockedGroup(tx: Tx, id: number): Promise<Group> {
  const [group] = await lockTrees(tx, [id]);
  return group ?? fail({ code: 'not_found', thing: 'Group' });
}

function checkMayNest(parent: Group, cap: number): void {
  if (groupSettings(parent).subgroup_creation_level === 'owner' && cap < OWNER)
    fail({ code: 'forbidden', reason: null });
  if (lineageIds(parent.lineage).length >= MAX_GROUP_DEPTH) invalid('parent_id', 'has too deep level of nesting');
}

/** Changes a group; a new path moves everything below it, and the old paths of its projects keep leading to them. */
export async function updateGroup(
  house: House,
  actor: Actor,
  allowed: Allowed<'group:update'>,
  wish: GroupWish,
): Promise<Group> {
  checkTexts(wish, allowed.place.group.parent_id === null);
  const now = house.clock.now();
  return clashIs(PATH_TAKEN, () =>
    house.db.tx(async (tx) => {
      let group = await lockedGroup(tx, allowed.place.group.id);
      checkSwitches(wish, group.parent_id === null);
      if (wish.visibility && wish.visibility !== group.visibility) {
        const parentId = group.parent_id;
        const [parent] = parentId === null ? [null] : await lockTrees(tx, [parentId]);
        await checkNewVisibility(tx, group, parent ?? null, wish.visibility, allowed.asAdmin);
      }
      if (wish.path !== undefined && wish.path !== group.path) {
        const [parent] = group.parent_id === null ? [null] : await lockTrees(tx, [group.parent_id]);
        const path = parent ? `${parent.full_path}/${wish.path}` : wish.path;
        if (path.toLowerCase() !== group.full_path_lower && (await isPathTaken(tx, path))) fail(PATH_TAKEN);
        group = await moveNamespace(tx, group, { parent: parent ?? null, path: wish.path, now });
      }
      const changed = await updateNamespace(tx, group.id, {
        name: wish.name ?? group.name,
        description: wish.description ?? group.description,
        visibility: wish.visibility ?? group.visibility,
        settings: withGroupSettings(group, wish.settings ?? {}),
        updated_at: now,
      });
      if (!changed) fail({ code: 'not_found', thing: 'Group' });
      await auditDeed(tx, house, actor, {
        action: 'group:update',
        ...ofGroup(changed),
        message: `Changed group ${changed.full_path}`,
        details: { changed: Object.keys(wish).filter((name) => wish[name as keyof GroupWish] !== undefined) },
      });
      return changed;
    }),
  );
}

async function checkNewVisibility(
  tx: Tx,
  group: Group,
  parent: Group | null,
  wish: Visibility,
  asAdmin: boolean,
): Promise<void> {
  const restricted = restrictedText(wish, await readSettings(tx), asAdmin);
  if (restricted) invalid('visibility_level', restricted);
  checkWithin(wish, parent);
  const child = await moreVisibleChild(tx, group.id, levelsWithin(wish));
  if (child === 'projects')
    invalid('visibility_level', `${wish} is not allowed since this group contains projects with higher visibility.`);
  if (child === 'subgroups')
    invalid('visibility_level', `${wish} is not allowed since there are sub-groups with higher visibility.`);
}

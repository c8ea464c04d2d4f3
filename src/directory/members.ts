// Deeds on memberships, the same for projects and groups (reference git-and-deploy 12.4). Nobody gives more than he holds,
// nobody changes one above himself, the last Owner of a group stays, and token bots belong where they were made.
import { type Allowed, capLevel } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import {
  deleteMember,
  deleteMembersBelow,
  findMember,
  inheritedLevel,
  insertMember,
  lastingOwners,
  type MemberPlace,
  updateMember,
} from '../identity/member-store.ts';
import { lockTrees } from '../identity/namespace-store.ts';
import { isTokenBot, type Member, type User } from '../identity/records.ts';
import { MINIMAL, OWNER, roleName } from '../identity/roles.ts';
import { findUser } from '../identity/user-store.ts';
import { isoDate } from '../kernel/clock.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { ofGroup, ofProject } from './entities.ts';

export type ManagingAction = 'project_members:manage' | 'group_members:manage';
export type RemovingAction = ManagingAction | 'project_members:leave' | 'group_members:leave';
type Managing = Allowed<ManagingAction>;
type Removing = Allowed<RemovingAction>;

/** The place of a member deed or list, as the store knows it. */
export function memberPlaceOf(place: Managing['place']): MemberPlace {
  return place.type === 'project'
    ? { type: 'project', projectId: place.project.id, namespace: place.namespace }
    : { type: 'group', namespace: place.group };
}

const entityOf = (place: Managing['place']) =>
  place.type === 'project' ? ofProject(place.project) : ofGroup(place.group);
const FORBIDDEN = { code: 'forbidden', reason: null } as const;
const NO_MEMBER = { code: 'not_found', thing: 'Member' } as const;
const NO_USER = { code: 'not_found', thing: 'User' } as const;

/** `expiresAt`: a date from which the membership counts as none; null clears it, undefined leaves it. */
export interface MemberWish {
  readonly level: number;
  readonly expiresAt?: string | null | undefined;
}

function checkLevel(allowed: Managing, wish: MemberWish, now: number): void {
  const { place } = allowed;
  if (wish.level === MINIMAL && (place.type === 'project' || place.group.parent_id !== null))
    fail({ code: 'invalid_parameters', texts: ['access_level does not have a valid value'] });
  if (wish.level > capLevel(allowed)) fail(FORBIDDEN);
  if (wish.expiresAt && wish.expiresAt <= isoDate(now))
    fail({ code: 'invalid_record', fields: { expires_at: ['cannot be a date in the past'] } });
}

/** Adds one user. 404 `User`, 409 when he is a member, 400 below what he inherits, 403 above the caller's own level. */
export async function addMember(
  house: House,
  actor: Actor,
  allowed: Managing,
  userId: number,
  wish: MemberWish,
): Promise<Member> {
  const now = house.clock.now();
  const today = isoDate(now);
  checkLevel(allowed, wish, now);
  const place = memberPlaceOf(allowed.place);
  const at = place.type === 'project' ? { projectId: place.projectId } : { groupId: place.namespace.id };
  return house.db.tx(async (tx) => {
    await lockPlace(tx, place);
    const user = await findUser(tx, userId);
    if (!user || user.type === 'ghost') fail(NO_USER);
    if (isTokenBot(user))
      fail({
        code: 'invalid_record',
        fields: { user_id: ['project bots cannot be added to other groups / projects'] },
      });
    await checkInherited(tx, place, user, wish.level, today);
    const createdByUserId = actingUser(actor.credential)?.id ?? null;
    const added = { userId, level: wish.level, expiresAt: wish.expiresAt ?? null, createdByUserId, now };
    const member = await insertMember(tx, at, added, today);
    if (!member) fail({ code: 'conflict', reason: 'Member already exists' });
    await record(tx, house, actor, allowed, user, 'Added a member', { access_level: wish.level });
    return member;
  });
}

/** Changes a direct membership. 404 when there is none, 403 for token bots and for the last Owner of a group. */
export async function changeMember(
  house: House,
  actor: Actor,
  allowed: Managing,
  userId: number,
  wish: MemberWish,
): Promise<Member> {
  const now = house.clock.now();
  const today = isoDate(now);
  checkLevel(allowed, wish, now);
  const place = memberPlaceOf(allowed.place);
  return house.db.tx(async (tx) => {
    const { member, user } = await existing(tx, allowed, place, userId, today);
    if (wish.level < OWNER || wish.expiresAt) await keepAnOwner(tx, place, member);
    await checkInherited(tx, place, user, wish.level, today);
    const patch = wish.expiresAt === undefined ? {} : { expires_at: wish.expiresAt };
    const changed = await updateMember(tx, member.id, { access_level: wish.level, ...patch });
    if (!changed) fail(NO_MEMBER);
    await record(tx, house, actor, allowed, user, 'Changed a membership', {
      from: member.access_level,
      access_level: wish.level,
    });
    return changed;
  });
}

/**
 * Ends a direct membership, and unless `keepBelow` those of the same user in everything below a group. With a proof of leaving
 * it is one's own. 412 when it was given after `unchangedSince` (milliseconds; null to not ask).
 */
export async function removeMember(
  house: House,
  actor: Actor,
  allowed: Removing,
  userId: number,
  options: { readonly keepBelow?: boolean; readonly unchangedSince?: number | null } = {},
): Promise<void> {
  const leaving = allowed.action === 'project_members:leave' || allowed.action === 'group_members:leave';
  if (leaving && actingUser(actor.credential)?.id !== userId) fail(FORBIDDEN);
  const today = isoDate(house.clock.now());
  const place = memberPlaceOf(allowed.place);
  await house.db.tx(async (tx) => {
    const { member, user } = await existing(tx, leaving ? null : allowed, place, userId, today);
    demandUnchanged(member.created_at, options.unchangedSince ?? null);
    await keepAnOwner(tx, place, member);
    if (!(await deleteMember(tx, member.id))) fail(NO_MEMBER);
    if (place.type === 'group' && !options.keepBelow) await deleteMembersBelow(tx, place.namespace.lineage, userId);
    await record(tx, house, actor, allowed, user, leaving ? 'Left' : 'Removed a member', {
      access_level: member.access_level,
    });
  });
}

async function lockPlace(tx: Tx, place: MemberPlace): Promise<void> {
  const [namespace] = await lockTrees(tx, [place.namespace.id]);
  if (!namespace) fail({ code: 'not_found', thing: place.type === 'project' ? 'Project' : 'Group' });
}

/** The membership and its user, with the place locked; 403 for bots and for members above the caller. */
async function existing(
  tx: Tx,
  allowed: Pick<Managing, 'place' | 'asAdmin'> | null,
  place: MemberPlace,
  userId: number,
  today: string,
): Promise<{ member: Member; user: User }> {
  await lockPlace(tx, place);
  const member = await findMember(tx, place, userId, today);
  const user = member && (await findUser(tx, userId));
  if (!member || !user) fail(NO_MEMBER);
  if (isTokenBot(user)) fail(FORBIDDEN);
  if (allowed && member.access_level > capLevel(allowed)) fail(FORBIDDEN);
  return { member, user };
}

/** The last lasting Owner of a group, and the owner of a personal namespace in its projects, stay Owners, and for good. */
async function keepAnOwner(tx: Tx, place: MemberPlace, member: Member): Promise<void> {
  if (member.access_level < OWNER) return;
  if (place.type === 'project') {
    if (place.namespace.owner_user_id === member.user_id) fail(FORBIDDEN);
    return;
  }
  const owners = await lastingOwners(tx, place.namespace.id);
  if (owners.every((owner) => owner === member.user_id)) fail(FORBIDDEN);
}

async function checkInherited(tx: Tx, place: MemberPlace, user: User, level: number, today: string): Promise<void> {
  const inherited = await inheritedLevel(tx, place, user.id, today);
  if (inherited && level < inherited.level)
    fail({
      code: 'invalid_record',
      fields: {
        access_level: [
          `should be greater than or equal to ${roleName(inherited.level)} inherited membership from group ${inherited.groupName}`,
        ],
      },
    });
}

async function record(
  tx: Tx,
  house: House,
  actor: Actor,
  allowed: Pick<Removing, 'action' | 'place'>,
  user: User,
  what: string,
  details: Record<string, unknown>,
): Promise<void> {
  await auditDeed(tx, house, actor, {
    action: allowed.action,
    ...entityOf(allowed.place),
    targetType: 'User',
    targetId: user.id,
    targetDetails: user.username,
    message: what === 'Left' ? 'Left' : `${what}: ${user.username}`,
    details,
  });
}

// Members over REST, the same for projects and groups (reference git-and-deploy 12.4).
import { visibleGroups } from '../../../access/visible-store.ts';
import { actingUser, type VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { groupsAmong } from '../../../directory/group-list-store.ts';
import {
  addMember,
  changeMember,
  memberPlaceOf,
  type RemovingAction,
  removeMember,
} from '../../../directory/members.ts';
import {
  allMembers,
  findMember,
  listMembers,
  type MemberFilter,
  type MemberPlace,
} from '../../../identity/member-store.ts';
import type { Member } from '../../../identity/records.ts';
import { MEMBER_LEVELS } from '../../../identity/roles.ts';
import { sharesAbove } from '../../../identity/share-store.ts';
import { findUser, findUserByUsername, usersToShow } from '../../../identity/user-store.ts';
import { isoDate } from '../../../kernel/clock.ts';
import { type Fault, FaultError, fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import type { Services } from '../../services.ts';
import { presentMember } from '../present/member.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { boolean, date, integer, integerList, none, nullable, object, optional, text } from '../schema.ts';
import { demand } from '../second-proof.ts';
import { unchangedSince } from '../unchanged-since.ts';

const filterParams = object({
  query: optional(text('Part of name or user name')),
  user_ids: optional(integerList('Only these users')),
  skip_users: optional(integerList('Not these users')),
});
const levelParam = integer('The role', { oneOf: MEMBER_LEVELS });
const expiryParam = optional(nullable(date('Date from which the membership counts as none')));

type Row = Pick<Member, 'user_id' | 'created_by_user_id' | 'access_level' | 'created_at' | 'expires_at'>;

async function presentAll(services: Services, members: readonly Row[]) {
  const users = await usersToShow(
    services.db.read,
    members.flatMap((member) => [member.user_id, member.created_by_user_id]),
  );
  return members.flatMap((member) => {
    const user = users.get(member.user_id);
    return user ? [presentMember(services, member, user, users.get(member.created_by_user_id ?? 0) ?? null)] : [];
  });
}

const NO_MEMBER: Fault = { code: 'not_found', thing: 'Member' };
const userIdOf = (text: string) => parseId(text) ?? fail(NO_MEMBER);
const day = (time: number | null | undefined) => (time == null ? time : isoDate(time));

/** Everyone at the place; of the invited groups only those that the caller may see. */
async function everyone(services: Services, credential: VerifiedCredential, place: MemberPlace, filter: MemberFilter) {
  const today = isoDate(services.clock.now());
  const shares = await sharesAbove(services.db.list, place, today);
  const shown = await groupsAmong(
    services.db.list,
    visibleGroups(services.clock, credential),
    shares.map((share) => share.group_id),
  );
  return allMembers(
    services.db.list,
    place,
    filter,
    today,
    shares.filter((share) => shown.has(share.group_id)),
  );
}

/** What a comma list answers for one user that could not be added: the fault as a sentence. */
function textOf(fault: Fault): string {
  if (fault.code === 'invalid_record') return Object.values(fault.fields).flat().join(', ');
  if (fault.code === 'conflict') return fault.reason;
  return fault.code === 'forbidden' ? '403 Forbidden' : '404 User Not Found';
}

function routesOf(type: 'project' | 'group'): Route[] {
  const base = `/${type}s/:id/members`;
  const reading = `${type}_members:read` as const;
  const managing = `${type}_members:manage` as const;
  return [
    route({
      method: 'GET',
      path: base,
      action: reading,
      params: filterParams,
      summary: `Lists the direct members of a ${type}`,
      paged: true,
      async handler({ services, allowed, input, page }) {
        const today = isoDate(services.clock.now());
        const place = memberPlaceOf(allowed.place);
        const { items, total } = await listMembers(services.db.list, place, input, today, page);
        return paged(await presentAll(services, items), total);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/all`,
      action: reading,
      params: filterParams,
      summary: `Lists everyone who belongs to a ${type}, inherited and invited ones included`,
      paged: true,
      async handler({ services, credential, allowed, input, page }) {
        const members = await everyone(services, credential, memberPlaceOf(allowed.place), input);
        const slice = members.slice(page.offset, page.offset + page.perPage);
        return paged(await presentAll(services, slice), members.length);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/:user_id`,
      action: reading,
      params: none,
      summary: `Shows a direct member of a ${type}`,
      async handler({ services, allowed, path }) {
        const today = isoDate(services.clock.now());
        const place = memberPlaceOf(allowed.place);
        const member = await findMember(services.db.read, place, userIdOf(path['user_id']!), today);
        return json((await presentAll(services, [member ?? fail(NO_MEMBER)]))[0]);
      },
    }),
    route({
      method: 'GET',
      path: `${base}/all/:user_id`,
      action: reading,
      params: none,
      summary: `Shows a member of a ${type}, inherited and invited ones included`,
      async handler({ services, credential, allowed, path }) {
        const id = userIdOf(path['user_id']!);
        const found = await everyone(services, credential, memberPlaceOf(allowed.place), { user_ids: [id] });
        return json((await presentAll(services, [found[0] ?? fail(NO_MEMBER)]))[0]);
      },
    }),
    route({
      method: 'POST',
      path: base,
      action: managing,
      params: object({
        user_id: optional(integerList('One user, or several with commas between')),
        username: optional(text('The user by name')),
        access_level: levelParam,
        expires_at: expiryParam,
      }),
      summary: `Adds members to a ${type}`,
      async handler({ services, actor, allowed, input }) {
        const wish = { level: input.access_level, expiresAt: day(input.expires_at) };
        const ids = input.user_id ?? (await idsByName(services, input.username));
        if (ids.length === 1) {
          const member = await addMember(services, actor, allowed, ids[0]!, wish);
          return created((await presentAll(services, [member]))[0]);
        }
        const failed: Record<string, string> = {};
        for (const id of ids) {
          try {
            await addMember(services, actor, allowed, id, wish);
          } catch (error) {
            if (!(error instanceof FaultError)) throw error;
            failed[(await findUser(services.db.read, id))?.username ?? String(id)] = textOf(error.fault);
          }
        }
        const good = Object.keys(failed).length === 0;
        return created(good ? { status: 'success' } : { status: 'error', message: failed });
      },
    }),
    route({
      method: 'PUT',
      path: `${base}/:user_id`,
      action: managing,
      params: object({ access_level: levelParam, expires_at: expiryParam }),
      summary: `Changes a member of a ${type}`,
      async handler({ services, actor, allowed, path, input }) {
        const wish = { level: input.access_level, expiresAt: day(input.expires_at) };
        const member = await changeMember(services, actor, allowed, userIdOf(path['user_id']!), wish);
        return json((await presentAll(services, [member]))[0]);
      },
    }),
    route({
      method: 'DELETE',
      path: `${base}/:user_id`,
      action: reading,
      params: object({ skip_subresources: optional(boolean('Keep the memberships below the group')) }),
      summary: `Removes a member from a ${type}; anybody may remove himself`,
      async handler({ services, credential, actor, allowed, path, input, headers }) {
        const userId = userIdOf(path['user_id']!);
        const self = actingUser(credential)?.id === userId;
        const { place } = allowed;
        const proof =
          place.type === 'project'
            ? await demand<RemovingAction>(services, actor, {
                action: self ? 'project_members:leave' : 'project_members:manage',
                place: { type: 'project', ref: place.project.id },
              })
            : await demand<RemovingAction>(services, actor, {
                action: self ? 'group_members:leave' : 'group_members:manage',
                place: { type: 'group', ref: place.group.id },
              });
        const options = { keepBelow: input.skip_subresources ?? false, unchangedSince: unchangedSince(headers) };
        await removeMember(services, actor, proof, userId, options);
        return noContent();
      },
    }),
  ];
}

async function idsByName(services: Services, username: string | undefined): Promise<number[]> {
  if (!username)
    fail({
      code: 'invalid_parameters',
      texts: ['user_id, username are missing, at least one parameter must be provided'],
    });
  const user = await findUserByUsername(services.db.read, username);
  return [user?.id ?? fail({ code: 'not_found', thing: 'User' })];
}

export const routes: Route[] = [...routesOf('project'), ...routesOf('group')];

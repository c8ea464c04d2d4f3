// Inviting groups to projects and groups over REST (reference git-and-deploy 12.1, 12.2).
import { share, unshare } from '../../../directory/shares.ts';
import { findNamespace } from '../../../identity/namespace-store.ts';
import { MEMBER_LEVELS, MINIMAL } from '../../../identity/roles.ts';
import { isoDate } from '../../../kernel/clock.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { created, noContent, type Route, route } from '../route.ts';
import { date, integer, none, nullable, object, optional } from '../schema.ts';
import { demand } from '../second-proof.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { oneGroup } from './group-reply.ts';

const params = object({
  group_id: integer('The group that is invited'),
  group_access: integer('The most that its members get', { oneOf: MEMBER_LEVELS.filter((each) => each !== MINIMAL) }),
  expires_at: optional(nullable(date('Date from which the invitation counts as none'))),
});

const groupIdOf = (text: string) => parseId(text) ?? fail({ code: 'not_found', thing: 'Group Link' });
const wishOf = (input: { group_access: number; expires_at?: number | null }) => ({
  level: input.group_access,
  expiresAt: input.expires_at == null ? null : isoDate(input.expires_at),
});

export const routes: Route[] = [
  route({
    method: 'POST',
    path: '/projects/:id/share',
    action: 'project:share',
    params,
    summary: 'Invites a group to a project',
    async handler({ services, actor, allowed, input }) {
      const place = { type: 'group', ref: input.group_id } as const;
      const invited = await demand(services, actor, { action: 'group:read', place });
      const row = await share(services, actor, allowed, invited, wishOf(input));
      const { id, project_id, group_id, access_level, expires_at } = row;
      return created({ id, project_id, group_id, group_access: access_level, expires_at });
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:id/share/:group_id',
    action: 'project:share',
    params: none,
    summary: 'Takes back the invitation of a group to a project',
    async handler({ services, actor, allowed, path, headers }) {
      await unshare(services, actor, allowed, groupIdOf(path['group_id']!), unchangedSince(headers));
      return noContent();
    },
  }),
  route({
    method: 'POST',
    path: '/groups/:id/share',
    action: 'group:share',
    params,
    summary: 'Invites a group to a group',
    async handler({ services, credential, actor, allowed, input }) {
      const place = { type: 'group', ref: input.group_id } as const;
      const invited = await demand(services, actor, { action: 'group:read', place });
      await share(services, actor, allowed, invited, wishOf(input));
      const group = (await findNamespace(services.db.read, allowed.place.group.id)) ?? allowed.place.group;
      return created(await oneGroup(services, credential, group));
    },
  }),
  route({
    method: 'DELETE',
    path: '/groups/:id/share/:group_id',
    action: 'group:share',
    params: none,
    summary: 'Takes back the invitation of a group to a group',
    async handler({ services, actor, allowed, path, headers }) {
      await unshare(services, actor, allowed, groupIdOf(path['group_id']!), unchangedSince(headers));
      return noContent();
    },
  }),
];

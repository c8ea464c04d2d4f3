// Users over REST (reference git-and-deploy 12.5): who am I, lists, and what administrators do.
import { isAdministrator } from '../../../access/judge.ts';
import { heldProjects, visibleProjects } from '../../../access/visible-store.ts';
import { actingUser, type VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { statusOf } from '../../../directory/account.ts';
import { deleteUser } from '../../../directory/delete-user.ts';
import { listProjects } from '../../../directory/project-list-store.ts';
import { changeState, STATE_CHANGES } from '../../../directory/user-states.ts';
import { changeUser, createUser } from '../../../directory/users.ts';
import { personalNamespace } from '../../../identity/namespace-store.ts';
import type { User } from '../../../identity/records.ts';
import { findUser, findUserByIdOrName, listUsers } from '../../../identity/user-store.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { Secret } from '../../../kernel/secret.ts';
import type { Services } from '../../services.ts';
import { presentStatus } from '../present/status.ts';
import { presentBasicUser, presentFullUser, presentUser } from '../present/user.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { boolean, datetime, integer, none, object, oneOf, optional, text } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { projectFilter, projectFilterParams, projectPage } from './project-params.ts';

const userParams = {
  password: optional(text('Password')),
  admin: optional(boolean('Administrator')),
  external: optional(boolean('External: sees no internal projects')),
  can_create_group: optional(boolean('May create groups')),
  projects_limit: optional(integer('How many projects of his own')),
  note: optional(text('Note for administrators')),
  bio: optional(text('Biography')),
  skip_confirmation: optional(boolean('Addresses given by administrators count as confirmed anyway')),
};

/** A user as administrators see him. */
async function fullUser(services: Services, user: User) {
  const namespace = await personalNamespace(services.db.read, user.id);
  return presentFullUser(services, user, { namespaceId: namespace?.id ?? null, forAdmin: true });
}

async function userOf(services: Services, text: string): Promise<User> {
  const id = parseId(text);
  const user = id === null ? null : await findUser(services.db.read, id);
  return user ?? fail({ code: 'not_found', thing: 'User' });
}

const isAdmin = (credential: VerifiedCredential) => isAdministrator(credential);
const idOf = (text: string) => parseId(text) ?? fail({ code: 'not_found', thing: 'User' });
const given = <T extends { password?: string | undefined }>(input: T) => ({
  ...input,
  password: input.password === undefined || input.password === '' ? undefined : new Secret(input.password),
});

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/user',
    action: 'self:read',
    params: none,
    summary: 'Shows the user behind the key',
    async handler({ services, credential }) {
      const user = actingUser(credential) ?? fail({ code: 'forbidden', reason: null });
      const namespace = await personalNamespace(services.db.read, user.id);
      const forAdmin = isAdmin(credential);
      return json(presentFullUser(services, user, { namespaceId: namespace?.id ?? null, forAdmin }));
    },
  }),
  route({
    method: 'GET',
    path: '/users',
    action: 'user:list',
    params: object({
      username: optional(text('Exactly this user name')),
      search: optional(text('Part of name or user name')),
      active: optional(boolean('Only active ones')),
      blocked: optional(boolean('Only blocked ones')),
      external: optional(boolean('Only external ones')),
      humans: optional(boolean('Only people')),
      without_project_bots: optional(boolean('No token bots')),
      exclude_active: optional(boolean('No active ones')),
      exclude_external: optional(boolean('No external ones')),
      exclude_humans: optional(boolean('No people')),
      exclude_internal: optional(boolean('Not the Ghost User')),
      admins: optional(boolean('Only administrators; for administrators')),
      created_after: optional(datetime('Made at or after; for administrators')),
      created_before: optional(datetime('Made at or before; for administrators')),
      without_projects: optional(boolean('Members of no project; for administrators')),
      order_by: optional(oneOf(['id', 'name', 'username', 'created_at', 'updated_at'], 'For administrators')),
      sort: optional(oneOf(['asc', 'desc'], 'For administrators')),
    }),
    summary: 'Lists users',
    paged: true,
    async handler({ services, credential, input, page }) {
      if (credential.kind === 'anonymous' && input.username === undefined)
        fail({ code: 'forbidden', reason: 'Not authorized to access /api/v4/users' });
      const admin = isAdmin(credential);
      const { created_after, created_before, without_projects, admins, order_by, sort, ...open } = input;
      const adminOnly = {
        admins,
        createdAfter: created_after,
        createdBefore: created_before,
        withoutProjects: without_projects,
        order_by,
        sort,
        searchEmails: true,
      };
      const { items, total } = await listUsers(services.db.list, { ...open, ...(admin ? adminOnly : {}) }, page);
      const shown = admin
        ? await Promise.all(items.map((user) => fullUser(services, user)))
        : items.map((user) => presentBasicUser(services, user));
      return paged(shown, total);
    },
  }),
  route({
    method: 'GET',
    path: '/users/:id',
    action: 'user:read',
    params: none,
    summary: 'Shows a user',
    refusals: { credential_required: { code: 'forbidden', reason: 'Not authorized!' } },
    async handler({ services, credential, path }) {
      const user = await userOf(services, path['id']!);
      return json(isAdmin(credential) ? await fullUser(services, user) : presentUser(services, user));
    },
  }),
  route({
    method: 'GET',
    path: '/users/:id/status',
    action: 'user:list',
    params: none,
    summary: 'Shows the status of a user',
    async handler({ services, path }) {
      const user = await findUserByIdOrName(services.db.read, path['id']!);
      if (!user) fail({ code: 'not_found', thing: 'User' });
      return json(presentStatus(statusOf(user, services.clock.now())));
    },
  }),
  route({
    method: 'GET',
    path: '/users/:id/projects',
    action: 'user:projects',
    params: object(projectFilterParams),
    summary: 'Lists the projects in the namespace of a user',
    paged: true,
    async handler({ services, credential, path, input, page }) {
      const user = await findUserByIdOrName(services.db.read, path['id']!);
      const own = user && (await personalNamespace(services.db.read, user.id));
      if (!user) fail({ code: 'not_found', thing: 'User' });
      if (!own) return paged([], 0);
      const namespace = { id: own.id, lineage: own.lineage, subgroups: false, shared: false, today: '' };
      const visible = visibleProjects(services.clock, credential);
      const held = (level: number) => heldProjects(services.clock, credential, level);
      const filter = { ...projectFilter(input, held), namespace };
      const { items, total } = await listProjects(services.db.list, visible, filter, page);
      return paged(await projectPage(services, credential, items, input.simple ?? false), total);
    },
  }),
  route({
    method: 'POST',
    path: '/users',
    action: 'user:administer',
    params: object({
      email: text('E-mail address', { notEmpty: true }),
      name: text('Name'),
      username: text('User name'),
      reset_password: optional(boolean('Send a mail with a link that sets the password')),
      force_random_password: optional(boolean('Give a password that nobody knows')),
      ...userParams,
    }),
    summary: 'Makes a user',
    async handler({ services, actor, allowed, input }) {
      if (!input.password && !input.reset_password && !input.force_random_password)
        fail({
          code: 'invalid_parameters',
          texts: [
            'password, reset_password, force_random_password are missing, at least one parameter must be provided',
          ],
        });
      return created(await fullUser(services, await createUser(services, actor, allowed, given(input))));
    },
  }),
  route({
    method: 'PUT',
    path: '/users/:id',
    action: 'user:administer',
    params: object({
      email: optional(text('E-mail address', { notEmpty: true })),
      name: optional(text('Name')),
      username: optional(text('User name')),
      ...userParams,
    }),
    summary: 'Changes a user',
    async handler({ services, actor, allowed, path, input }) {
      const user = await changeUser(services, actor, allowed, idOf(path['id']!), given(input));
      return json(await fullUser(services, user));
    },
  }),
  route({
    method: 'DELETE',
    path: '/users/:id',
    action: 'user:administer',
    params: object({ hard_delete: optional(boolean('Also the groups that he alone owns')) }),
    summary: 'Deletes a user',
    async handler({ services, actor, allowed, path, input, headers }) {
      const options = { hard: input.hard_delete ?? false, unchangedSince: unchangedSince(headers) };
      await deleteUser(services, actor, allowed, idOf(path['id']!), options);
      return noContent();
    },
  }),
  ...STATE_CHANGES.map((change) =>
    route({
      method: 'POST',
      path: `/users/:id/${change}`,
      action: 'user:administer',
      params: none,
      summary: `Changes the state of a user: ${change}`,
      async handler({ services, actor, allowed, path }) {
        return created(await changeState(services, actor, allowed, idOf(path['id']!), change));
      },
    }),
  ),
];

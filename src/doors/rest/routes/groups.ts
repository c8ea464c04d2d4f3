// Groups over REST (reference git-and-deploy 12.2): lists, one, create, change, move, delete.
import { isAdministrator } from '../../../access/judge.ts';
import {
  type Condition,
  heldGroups,
  heldProjects,
  visibleGroups,
  visibleProjects,
} from '../../../access/visible-store.ts';
import { actingUser, type VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { GROUP_ORDERS, type GroupFilter, listGroups } from '../../../directory/group-list-store.ts';
import { deleteGroup, transferGroup } from '../../../directory/group-moves.ts';
import { PROJECT_CREATION_LEVELS, SUBGROUP_CREATION_LEVELS } from '../../../directory/group-settings.ts';
import { createGroup, updateGroup } from '../../../directory/groups.ts';
import { transferProject } from '../../../directory/project-changes.ts';
import { listProjects } from '../../../directory/project-list-store.ts';
import type { Group } from '../../../identity/records.ts';
import { MEMBER_LEVELS, MINIMAL, OWNER } from '../../../identity/roles.ts';
import { isoDate } from '../../../kernel/clock.ts';
import { demandUnchanged } from '../../../kernel/faults.ts';
import type { Services } from '../../services.ts';
import { created, json, paged, type Route, route } from '../route.ts';
import { boolean, integer, integerList, none, nullable, object, oneOf, optional, text, visibility } from '../schema.ts';
import { demand, refOf } from '../second-proof.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { groupPage, oneGroup, saving } from './group-reply.ts';
import { projectFilter, projectFilterParams, projectPage } from './project-params.ts';

const filterParams = {
  search: optional(text('Part of name or path')),
  owned: optional(boolean('Only groups that one owns')),
  min_access_level: optional(integer('Only groups where one holds at least this role', { oneOf: MEMBER_LEVELS })),
  skip_groups: optional(integerList('Not these')),
  all_available: optional(boolean('All that one may see, not only those one belongs to')),
  visibility: optional(visibility()),
  order_by: optional(oneOf([...GROUP_ORDERS, 'similarity'], 'Order')),
  sort: optional(oneOf(['asc', 'desc'], 'Direction')),
};

interface FilterInput {
  readonly search?: string;
  readonly owned?: boolean;
  readonly min_access_level?: number;
  readonly skip_groups?: number[];
  readonly all_available?: boolean;
  readonly visibility?: GroupFilter['visibility'];
  readonly order_by?: (typeof GROUP_ORDERS)[number] | 'similarity';
  readonly sort?: 'asc' | 'desc';
}

/** `belonging`: without a word about it, only groups one belongs to. */
function groupFilter(services: Services, credential: VerifiedCredential, input: FilterInput, belonging: boolean) {
  const levels = [
    ...(input.owned ? [OWNER] : []),
    ...(input.min_access_level === undefined ? [] : [input.min_access_level]),
    ...((input.all_available ?? !belonging) ? [] : [MINIMAL]),
  ];
  const held: Condition | undefined =
    levels.length > 0 ? heldGroups(services.clock, credential, Math.max(...levels)) : undefined;
  return {
    search: input.search,
    held,
    skip: input.skip_groups,
    visibility: input.visibility,
    order_by: input.order_by === 'similarity' ? undefined : input.order_by,
    sort: input.sort,
  } satisfies GroupFilter;
}

const wishParams = {
  visibility: optional(visibility()),
  description: optional(text('Description')),
  project_creation_level: optional(oneOf(PROJECT_CREATION_LEVELS, 'Who may make projects in it')),
  subgroup_creation_level: optional(oneOf(SUBGROUP_CREATION_LEVELS, 'Who may make groups in it')),
  default_branch_protection: optional(integer('0 to 4', { oneOf: [0, 1, 2, 3, 4] })),
  resource_access_token_creation_allowed: optional(boolean('At the top: whether access tokens may be made below it')),
};

type WishInput = {
  readonly visibility?: 'private' | 'internal' | 'public';
  readonly description?: string;
  readonly project_creation_level?: (typeof PROJECT_CREATION_LEVELS)[number];
  readonly subgroup_creation_level?: (typeof SUBGROUP_CREATION_LEVELS)[number];
  readonly default_branch_protection?: number;
  readonly resource_access_token_creation_allowed?: boolean;
};

const wishOf = (input: WishInput) => ({
  visibility: input.visibility,
  description: input.description,
  settings: {
    project_creation_level: input.project_creation_level,
    subgroup_creation_level: input.subgroup_creation_level,
    default_branch_protection: input.default_branch_protection,
    resource_access_token_creation_allowed: input.resource_access_token_creation_allowed,
  },
});

const below = (which: 'subgroups' | 'descendant_groups') =>
  route({
    method: 'GET',
    path: `/groups/:id/${which}`,
    action: 'group:read',
    params: object(filterParams),
    summary: which === 'subgroups' ? 'Lists the groups directly in a group' : 'Lists all groups below a group',
    paged: true,
    async handler({ services, credential, allowed, input, page }) {
      const { group } = allowed.place;
      const filter = groupFilter(services, credential, input, false);
      const within = which === 'subgroups' ? { parentId: group.id } : { below: group.lineage };
      const visible = visibleGroups(services.clock, credential);
      const { items, total } = await listGroups(services.db.list, visible, { ...filter, ...within }, page);
      return paged(await groupPage(services, items), total);
    },
  });

/** What `with_projects` shows: the first hundred. */
async function projectsIn(services: Services, credential: VerifiedCredential, group: Group) {
  const namespace = { id: group.id, lineage: group.lineage, subgroups: false, shared: false, today: '' };
  const visible = visibleProjects(services.clock, credential);
  const { items } = await listProjects(services.db.list, visible, { namespace }, { offset: 0, perPage: 100 });
  return projectPage(services, credential, items, false);
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/groups',
    action: 'group:list',
    params: object({ ...filterParams, top_level_only: optional(boolean('Only groups without a parent')) }),
    summary: 'Lists groups',
    paged: true,
    async handler({ services, credential, input, page }) {
      const belonging = actingUser(credential) !== null && !isAdministrator(credential);
      const filter = { ...groupFilter(services, credential, input, belonging), topLevelOnly: input.top_level_only };
      const visible = visibleGroups(services.clock, credential);
      const { items, total } = await listGroups(services.db.list, visible, filter, page);
      return paged(await groupPage(services, items), total);
    },
  }),
  route({
    method: 'GET',
    path: '/groups/:id',
    action: 'group:read',
    params: object({ with_projects: optional(boolean('With its projects; yes when left out')) }),
    summary: 'Shows a group',
    async handler({ services, credential, allowed, input }) {
      const { group } = allowed.place;
      const projects = input.with_projects === false ? undefined : await projectsIn(services, credential, group);
      return json(await oneGroup(services, credential, group, projects));
    },
  }),
  below('subgroups'),
  below('descendant_groups'),
  route({
    method: 'POST',
    path: '/groups',
    action: 'group:new',
    params: object({
      name: text('Name', { notEmpty: true }),
      path: text('Path', { notEmpty: true }),
      parent_id: optional(nullable(integer('The group it lies in'))),
      ...wishParams,
    }),
    summary: 'Makes a group',
    handler({ services, credential, actor, input }) {
      return saving(async () => {
        const wish = { name: input.name, path: input.path, ...wishOf(input) };
        const parent = input.parent_id;
        const proof =
          parent == null
            ? await demand(services, actor, { action: 'group:create' })
            : await demand(services, actor, { action: 'subgroup:create', place: { type: 'group', ref: parent } });
        return created(await oneGroup(services, credential, await createGroup(services, actor, proof, wish)));
      });
    },
  }),
  route({
    method: 'PUT',
    path: '/groups/:id',
    action: 'group:update',
    params: object({ name: optional(text('Name')), path: optional(text('Path')), ...wishParams }),
    summary: 'Changes a group',
    async handler({ services, credential, actor, allowed, input }) {
      const wish = { name: input.name, path: input.path, ...wishOf(input) };
      return json(await oneGroup(services, credential, await updateGroup(services, actor, allowed, wish)));
    },
  }),
  route({
    method: 'DELETE',
    path: '/groups/:id',
    action: 'group:delete',
    params: none,
    summary: 'Deletes a group with everything in it',
    async handler({ services, actor, allowed, headers }) {
      demandUnchanged(allowed.place.group.updated_at, unchangedSince(headers));
      await deleteGroup(services, actor, allowed);
      return json({ message: '202 Accepted' }, 202);
    },
  }),
  route({
    method: 'POST',
    path: '/groups/:id/transfer',
    action: 'group:transfer',
    params: object({ group_id: optional(nullable(integer('The group it goes into; to the top when left out'))) }),
    summary: 'Moves a group',
    async handler({ services, credential, actor, allowed, input }) {
      const parent = input.group_id;
      const target =
        parent == null
          ? await demand(services, actor, { action: 'group:create' })
          : await demand(services, actor, { action: 'subgroup:create', place: { type: 'group', ref: parent } });
      return created(await oneGroup(services, credential, await transferGroup(services, actor, allowed, target)));
    },
  }),
  route({
    method: 'POST',
    path: '/groups/:id/projects/:project_id',
    action: 'group:transfer_in',
    params: none,
    summary: 'Moves a project into a group',
    async handler({ services, credential, actor, allowed, path }) {
      const place = { type: 'project', ref: refOf(path['project_id']!) } as const;
      const project = await demand(services, actor, { action: 'project:transfer', place });
      await transferProject(services, actor, project, allowed);
      return created(await oneGroup(services, credential, allowed.place.group));
    },
  }),
  route({
    method: 'GET',
    path: '/groups/:id/projects',
    action: 'group:read',
    params: object({
      ...projectFilterParams,
      include_subgroups: optional(boolean('Those of the groups below too')),
      with_shared: optional(boolean('Those that are shared with it too; yes when left out')),
    }),
    summary: 'Lists the projects in a group',
    paged: true,
    async handler({ services, credential, allowed, input, page }) {
      const { group } = allowed.place;
      const visible = visibleProjects(services.clock, credential);
      const filter = {
        ...projectFilter(input, (level) => heldProjects(services.clock, credential, level)),
        namespace: {
          id: group.id,
          lineage: group.lineage,
          subgroups: input.include_subgroups ?? false,
          shared: input.with_shared ?? true,
          today: isoDate(services.clock.now()),
        },
      };
      const { items, total } = await listProjects(services.db.list, visible, filter, page);
      return paged(await projectPage(services, credential, items, input.simple ?? false), total);
    },
  }),
];

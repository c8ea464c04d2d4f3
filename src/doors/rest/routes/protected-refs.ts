// The rules that protect branches and tags (reference git-and-deploy 11.3).
import {
  type EntryWish,
  entryNames,
  findProtection,
  pageProtections,
  writingDeployKeys,
} from '../../../access/protected-ref-store.ts';
import type { ProtectedRefType, Protection } from '../../../access/protections.ts';
import { fail } from '../../../kernel/faults.ts';
import { changeProtection, type EntryChange, protect, unprotect } from '../../../repositories/protected-refs.ts';
import type { Services } from '../../services.ts';
import { type EntryNames, presentProtectedBranch, presentProtectedTag } from '../present/refs.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { boolean, integer, listOf, none, object, optional, text, withDefault } from '../schema.ts';

const LEVELS = [0, 30, 40, 60];
const entry = (levels: readonly number[]) =>
  object({
    id: optional(integer('An entry that is there')),
    _destroy: optional(boolean('Remove that entry')),
    access_level: optional(integer('Role', { oneOf: levels })),
    user_id: optional(integer('User')),
    group_id: optional(integer('Group')),
    deploy_key_id: optional(integer('Deploy key')),
  });

interface GivenEntry {
  readonly id?: number | undefined;
  readonly _destroy?: boolean | undefined;
  readonly access_level?: number | undefined;
  readonly user_id?: number | undefined;
  readonly group_id?: number | undefined;
  readonly deploy_key_id?: number | undefined;
}

function wishOf(given: GivenEntry): EntryWish {
  const named = [given.user_id, given.group_id, given.deploy_key_id].filter((id) => id !== undefined);
  if (named.length > 1 || (named.length === 0 && given.access_level === undefined))
    return fail({
      code: 'invalid_parameters',
      texts: ['access_level, user_id, group_id, deploy_key_id are mutually exclusive'],
    });
  return {
    accessLevel: named.length === 0 ? (given.access_level ?? null) : null,
    userId: given.user_id ?? null,
    groupId: given.group_id ?? null,
    deployKeyId: given.deploy_key_id ?? null,
  };
}

function changeOf(given: GivenEntry): EntryChange {
  if (given.id !== undefined && given._destroy) return { id: given.id, destroy: true };
  return { ...wishOf(given), id: given.id };
}

/** What was asked for: the scalar level and the list together, or the default when neither was given. */
function entriesOf(
  scalar: number | undefined,
  list: readonly GivenEntry[] | undefined,
  otherwise: number | null,
): EntryWish[] {
  const given = (list ?? []).map(wishOf);
  if (scalar !== undefined) return [{ accessLevel: scalar }, ...given];
  return given.length > 0 || otherwise === null ? given : [{ accessLevel: otherwise }];
}

async function namesFor(services: Services, projectId: number, rules: readonly Protection[]): Promise<EntryNames> {
  const entries = rules.flatMap(({ levels }) => [
    ...levels.push,
    ...levels.merge,
    ...levels.unprotect,
    ...levels.create,
  ]);
  const ids = (pick: 'userId' | 'groupId' | 'deployKeyId') =>
    entries.flatMap((each) => (each[pick] === null ? [] : [each[pick]]));
  const { read } = services.db;
  const { users, groups } = await entryNames(read, { userIds: ids('userId'), groupIds: ids('groupId') });
  return { users, groups, deployKeys: await writingDeployKeys(read, projectId, ids('deployKeyId')) };
}

const missing = () => fail({ code: 'not_found', thing: null });

/** The five routes that both kinds of rule have in the same form; only their JSON and parameters differ. */
function readRoutes(
  type: ProtectedRefType,
  base: string,
  present: (rule: Protection, names: EntryNames) => unknown,
): Route[] {
  return [
    route({
      method: 'GET',
      path: `/projects/:id/${base}`,
      action: 'protected_ref:read',
      params: object({ search: withDefault(text('Part of the name'), '') }),
      summary: `The rules that protect ${type === 'branch' ? 'branches' : 'tags'}`,
      paged: true,
      handler: async ({ services, allowed, input, page }) => {
        const { project } = allowed.place;
        const { items, total } = await pageProtections(services.db.read, project.id, type, input.search, page);
        const names = await namesFor(services, project.id, items);
        return paged(
          items.map((rule) => present(rule, names)),
          total,
        );
      },
    }),
    route({
      method: 'GET',
      path: `/projects/:id/${base}/:name`,
      action: 'protected_ref:read',
      params: none,
      summary: 'One rule',
      handler: async ({ services, allowed, path }) => {
        const { project } = allowed.place;
        const rule = (await findProtection(services.db.read, project.id, type, path['name']!)) ?? missing();
        return json(present(rule, await namesFor(services, project.id, [rule])));
      },
    }),
    route({
      method: 'DELETE',
      path: `/projects/:id/${base}/:name`,
      action: 'protected_ref:manage',
      params: none,
      summary: 'Take a rule away',
      handler: async ({ services, actor, allowed, path }) => {
        if (!(await unprotect(services, actor, allowed, type, path['name']!))) missing();
        return noContent();
      },
    }),
  ];
}

export const routes: Route[] = [
  ...readRoutes('branch', 'protected_branches', presentProtectedBranch),
  ...readRoutes('tag', 'protected_tags', presentProtectedTag),
  route({
    method: 'POST',
    path: '/projects/:id/protected_branches',
    action: 'protected_ref:manage',
    params: object({
      name: text('A branch, or a pattern with `*`', { notEmpty: true, maxLength: 255 }),
      push_access_level: optional(integer('Role that may push', { oneOf: LEVELS })),
      merge_access_level: optional(integer('Role that may merge', { oneOf: LEVELS })),
      unprotect_access_level: optional(integer('Role that may take the rule away', { oneOf: [30, 40, 60] })),
      allow_force_push: withDefault(boolean('Whether those who may push may force'), false),
      code_owner_approval_required: withDefault(boolean('Kept for clients'), false),
      allowed_to_push: optional(listOf(entry(LEVELS), 'Who may push')),
      allowed_to_merge: optional(listOf(entry(LEVELS), 'Who may merge')),
      allowed_to_unprotect: optional(listOf(entry([30, 40, 60]), 'Who may take the rule away')),
    }),
    summary: 'Protect branches',
    handler: async ({ services, actor, allowed, input }) => {
      const merge = entriesOf(input.merge_access_level, input.allowed_to_merge, 40);
      if (merge.some((each) => each.deployKeyId != null))
        fail({ code: 'unprocessable', reason: 'Merge access levels deploy key cannot merge' });
      const rule = await protect(services, actor, allowed, 'branch', {
        name: input.name,
        allowForcePush: input.allow_force_push,
        codeOwnerApprovalRequired: input.code_owner_approval_required,
        levels: {
          push: entriesOf(input.push_access_level, input.allowed_to_push, 40),
          merge,
          unprotect: entriesOf(input.unprotect_access_level, input.allowed_to_unprotect, null),
        },
      });
      return created(presentProtectedBranch(rule, await namesFor(services, allowed.place.project.id, [rule])));
    },
  }),
  route({
    method: 'PATCH',
    path: '/projects/:id/protected_branches/:name',
    action: 'protected_ref:manage',
    params: object({
      allow_force_push: optional(boolean('Whether those who may push may force')),
      code_owner_approval_required: optional(boolean('Kept for clients')),
      allowed_to_push: optional(listOf(entry(LEVELS), 'Who may push')),
      allowed_to_merge: optional(listOf(entry(LEVELS), 'Who may merge')),
      allowed_to_unprotect: optional(listOf(entry([30, 40, 60]), 'Who may take the rule away')),
    }),
    summary: 'Change a rule for branches',
    handler: async ({ services, actor, allowed, input, path }) => {
      const merge = (input.allowed_to_merge ?? []).map(changeOf);
      if (merge.some((each) => each.deployKeyId != null))
        fail({ code: 'unprocessable', reason: 'Merge access levels deploy key cannot merge' });
      const rule = await changeProtection(services, actor, allowed, 'branch', path['name']!, {
        allowForcePush: input.allow_force_push,
        codeOwnerApprovalRequired: input.code_owner_approval_required,
        entries: {
          push: (input.allowed_to_push ?? []).map(changeOf),
          merge,
          unprotect: (input.allowed_to_unprotect ?? []).map(changeOf),
        },
      });
      if (rule === null) return missing();
      return json(presentProtectedBranch(rule, await namesFor(services, allowed.place.project.id, [rule])));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/:id/protected_tags',
    action: 'protected_ref:manage',
    params: object({
      name: text('A tag, or a pattern with `*`', { notEmpty: true, maxLength: 255 }),
      create_access_level: optional(integer('Role that may create', { oneOf: [0, 30, 40] })),
      allowed_to_create: optional(listOf(entry([0, 30, 40]), 'Who may create')),
    }),
    summary: 'Protect tags',
    handler: async ({ services, actor, allowed, input }) => {
      const create = entriesOf(input.create_access_level, input.allowed_to_create, 40);
      const rule = await protect(services, actor, allowed, 'tag', { name: input.name, levels: { create } });
      return created(presentProtectedTag(rule, await namesFor(services, allowed.place.project.id, [rule])));
    },
  }),
];

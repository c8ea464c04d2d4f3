// Branches (reference git-and-deploy 12.6).
import { matchingProtections } from '../../../access/protections.ts';
import { branchRef, type ObjectId, parseBranchName } from '../../../repositories/ref-names.ts';
import {
  createBranch,
  deleteBranch,
  getBranch,
  listBranches,
  mergedBranches,
  resolve,
  updateRefs,
} from '../../../repositories/refs.ts';
import { asForbidden, type Code, type CodeContext, codeRoute, pushOverRest, refFactsOf, sentence } from '../code.ts';
import { presentBranch } from '../present/refs.ts';
import { created, json, noContent, paged, type Route } from '../route.ts';
import { none, object, optional, text } from '../schema.ts';

async function mergedInto(context: CodeContext, { place, id }: Code): Promise<ReadonlySet<string>> {
  const { repositories } = context.services;
  const name = place.project.default_branch;
  const head = name === null ? null : await resolve(repositories, id, name, 'branch');
  return head === null ? new Set() : mergedBranches(repositories, id, head);
}

async function present(context: CodeContext, opened: Code, name: string) {
  const { services } = context;
  const branch = await getBranch(services.repositories, opened.id, name);
  const merged = await mergedInto(context, opened);
  const { project } = opened.place;
  const isMerged = merged.has(branch.name) && branch.name !== project.default_branch;
  return presentBranch(services, project, branch, await refFactsOf(context, opened), isMerged);
}

/** A `regex` of a client, bounded so that it cannot hold the server up: letters, `.`, `*`, `+`, `?`, anchors and classes of no nesting. */
function safePattern(source: string): RegExp | null {
  if (source.length > 200 || /[()|{}\\]/.test(source) || (source.match(/[*+]/g) ?? []).length > 3) return null;
  try {
    return new RegExp(source);
  } catch {
    return null;
  }
}

export const routes: Route[] = [
  codeRoute({
    method: 'GET',
    path: '/projects/:id/repository/branches',
    action: 'repository:read',
    params: object({
      search: optional(text('Part of the name; `^x` and `x$` anchor it')),
      regex: optional(text('A simple regular expression that the name matches')),
    }),
    summary: 'The branches of a project',
    paged: true,
    handler: async (context, opened) => {
      const { services, input, page } = context;
      const pattern = input.regex === undefined ? undefined : safePattern(input.regex);
      if (pattern === null) return sentence('regex is not supported');
      const { items, total } = await listBranches(services.repositories, opened.id, {
        ...(input.search === undefined ? {} : { search: input.search }),
        ...(pattern === undefined ? {} : { match: (name: string) => pattern.test(name) }),
        offset: page.offset,
        limit: page.perPage,
      });
      const merged = await mergedInto(context, opened);
      const facts = await refFactsOf(context, opened);
      const { project } = opened.place;
      return paged(
        items.map((branch) => {
          const isMerged = merged.has(branch.name) && branch.name !== project.default_branch;
          return presentBranch(services, project, branch, facts, isMerged);
        }),
        total,
      );
    },
  }),
  codeRoute({
    method: 'GET',
    path: '/projects/:id/repository/branches/:branch',
    action: 'repository:read',
    params: none,
    summary: 'One branch',
    headStatus: 204,
    handler: async (context, opened) => json(await present(context, opened, context.path['branch']!)),
  }),
  codeRoute({
    method: 'POST',
    path: '/projects/:id/repository/branches',
    action: 'branch:create',
    params: object({ branch: text('Its name', { notEmpty: true }), ref: text('Where it starts', { notEmpty: true }) }),
    summary: 'Make a branch',
    handler: async (context, opened) => {
      const { services, input } = context;
      const { repositories } = services;
      const name = parseBranchName(input.branch);
      if (name === null) return sentence('The branch refname is invalid');
      const start = await resolve(repositories, opened.id, input.ref);
      if (start === null) return sentence(`Invalid reference name: ${input.ref}`);
      if ((await resolve(repositories, opened.id, name, 'branch')) !== null) return sentence('Branch already exists');
      const updates = [{ ref: branchRef(name), oldId: null, newId: start }];
      const refused = await pushOverRest(
        context,
        opened,
        'branch:create',
        updates,
        () => createBranch(repositories, opened.id, name, start),
        asForbidden,
      );
      return refused ?? created(await present(context, opened, name));
    },
  }),
  codeRoute({
    method: 'DELETE',
    path: '/projects/:id/repository/branches/:branch',
    action: 'branch:delete',
    params: none,
    summary: 'Remove a branch',
    handler: async (context, opened) => {
      const { repositories } = context.services;
      const branch = await getBranch(repositories, opened.id, context.path['branch']!);
      const updates = [{ ref: branchRef(branch.name), oldId: branch.commit.id, newId: null }];
      const refused = await pushOverRest(
        context,
        opened,
        'branch:delete',
        updates,
        () => deleteBranch(repositories, opened.id, branch.name),
        (rule) => (rule.row === 'default branch' ? sentence(rule.message, 405) : asForbidden(rule)),
      );
      return refused ?? noContent();
    },
  }),
  codeRoute({
    method: 'DELETE',
    path: '/projects/:id/repository/merged_branches',
    action: 'branch:delete',
    params: none,
    summary: 'Remove the branches that the default branch contains; protected ones stay',
    handler: async (context, opened) => {
      const { repositories } = context.services;
      const merged = await mergedInto(context, opened);
      const { protections } = await refFactsOf(context, opened);
      const { items } = await listBranches(repositories, opened.id, {
        match: (name) =>
          merged.has(name) &&
          name !== opened.place.project.default_branch &&
          matchingProtections(protections, 'branch', name).length === 0,
      });
      const updates = items.map(({ name, commit }) => ({
        ref: branchRef(name),
        oldId: commit.id,
        newId: null as ObjectId | null,
      }));
      if (updates.length > 0) {
        const move = () => updateRefs(repositories, opened.id, updates);
        const refused = await pushOverRest(context, opened, 'branch:delete', updates, move, asForbidden);
        if (refused) return refused;
      }
      return json({ message: '202 Accepted' }, 202);
    },
  }),
];

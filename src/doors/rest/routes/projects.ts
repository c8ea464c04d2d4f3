// Projects over REST: lists, one, create, change, delete (reference git-and-deploy 12.1). Archive, transfer, fork and shares are in
// project-moves.ts and shares.ts.

import type { Allowed } from '../../../access/allowed.ts';
import { decide } from '../../../access/decide.ts';
import { atProject, type PlaceRef } from '../../../access/place.ts';
import { heldProjects, visibleProjects } from '../../../access/visible-store.ts';
import type { Actor } from '../../../credentials/actor.ts';
import { actingUser } from '../../../credentials/verified-credential.ts';
import { changeProject, deleteProject } from '../../../directory/project-changes.ts';
import { listProjects } from '../../../directory/project-list-store.ts';
import { createProject, NAMESPACE_INVALID } from '../../../directory/projects.ts';
import { personalNamespace } from '../../../identity/namespace-store.ts';
import type { Project } from '../../../identity/records.ts';
import { demandUnchanged, fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { countCommits } from '../../../repositories/commits.ts';
import { lfsObjectsSize } from '../../../repositories/lfs-objects.ts';
import { parseBranchName } from '../../../repositories/ref-names.ts';
import { resolve } from '../../../repositories/refs.ts';
import type { Services } from '../../services.ts';
import { created, json, paged, type Route, route } from '../route.ts';
import { boolean, integer, object, oneOf, optional, text } from '../schema.ts';
import { demand } from '../second-proof.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { projectFilter, projectFilterParams, projectPage, projectWish, projectWishParams } from './project-params.ts';
import { addReadme, makeRepository, oneProject } from './project-reply.ts';

const createParams = object({
  name: optional(text('Name')),
  path: optional(text('Path; follows from the name')),
  namespace_id: optional(integer('Group or personal namespace; the own one when left out')),
  default_branch: optional(text('Name of the first branch')),
  initialize_with_readme: optional(boolean('Begin with a README')),
  ...projectWishParams,
});

/** The proof that a project may be made in a namespace; hidden, missing and not allowed are one text (12.1). */
async function creatingIn(services: Services, actor: Actor, ref: PlaceRef | null): Promise<Allowed<'project:create'>> {
  const question = { action: 'project:create', place: { type: 'namespace', ref: ref ?? 0 } } as const;
  return demand(services, actor, question, NAMESPACE_INVALID);
}

/** The namespace of the body, or the caller's own. */
export async function namespaceFor(
  services: Services,
  actor: Actor,
  ref: PlaceRef | undefined,
): Promise<Allowed<'project:create'>> {
  if (ref !== undefined) return creatingIn(services, actor, ref);
  const user = actingUser(actor.credential);
  const own = user && (await personalNamespace(services.db.read, user.id));
  return creatingIn(services, actor, own?.id ?? null);
}

type CreateInput = Parameters<typeof projectWish>[0] & {
  readonly name?: string;
  readonly path?: string;
  readonly default_branch?: string;
  readonly initialize_with_readme?: boolean;
};

/** Creates a project where the proof allows it, with its repository on disk, and gives it as it is then. */
async function create(
  services: Services,
  actor: Actor,
  allowed: Allowed<'project:create'>,
  input: CreateInput,
): Promise<Project> {
  const { name, path, default_branch: branch } = input;
  if (!name && !path)
    fail({
      code: 'invalid_parameters',
      texts: ['name, path are missing, at least one parameter must be provided'],
    });
  if (branch && !parseBranchName(branch)) fail({ code: 'invalid_record', fields: { default_branch: ['is invalid'] } });
  const wish = projectWish(input);
  const settings = branch ? { ...wish.settings, initial_branch: branch } : wish.settings;
  const named = { ...wish, settings, name: name || undefined, path: path || undefined };
  const project = await createProject(services, actor, allowed, named);
  await makeRepository(services, project);
  return input.initialize_with_readme ? addReadme(services, actor.credential, allowed, project) : project;
}

async function statisticsOf(services: Services, project: Project) {
  const { repositories } = services;
  const id = project.repository_id;
  const there = id !== null && (await repositories.exists(id));
  const size = there ? await repositories.size(id) : 0;
  const lfs = id === null ? 0 : await lfsObjectsSize(services, id);
  return {
    commit_count: there ? await countCommits(repositories, id, { all: true }) : 0,
    storage_size: size + lfs,
    repository_size: size,
    wiki_size: 0,
    lfs_objects_size: lfs,
    job_artifacts_size: 0,
    pipeline_artifacts_size: 0,
    packages_size: 0,
    snippets_size: 0,
    uploads_size: 0,
    container_registry_size: 0,
  };
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/projects',
    action: 'project:list',
    params: object({
      ...projectFilterParams,
      pagination: optional(oneOf(['keyset', 'legacy', 'offset'], 'How pages follow each other')),
    }),
    summary: 'Lists the projects that the caller may see',
    paged: true,
    async handler({ services, credential, input, page }) {
      const visible = visibleProjects(services.clock, credential);
      const filter = projectFilter(input, (level) => heldProjects(services.clock, credential, level));
      const simple = input.simple ?? false;
      if (input.pagination !== 'keyset') {
        const { items, total } = await listProjects(services.db.list, visible, filter, page);
        return paged(await projectPage(services, credential, items, simple), total);
      }
      if (input.order_by !== undefined && input.order_by !== 'id')
        fail({ code: 'method_not_allowed', reason: 'Keyset pagination is not yet available for this type of request' });
      const slice = { offset: 0, perPage: page.perPage };
      const { items } = await listProjects(services.db.list, visible, { ...filter, order_by: 'id' }, slice);
      const last = items.length === page.perPage ? items.at(-1) : undefined;
      const cursor = input.sort === 'asc' ? 'id_after' : 'id_before';
      return {
        type: 'keyset',
        items: await projectPage(services, credential, items, simple),
        next: last ? { [cursor]: String(last.id) } : null,
      };
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:id',
    action: 'project:read',
    params: object({
      statistics: optional(boolean('Sizes and counts, for Reporters and up')),
      license: optional(boolean('The license')),
    }),
    summary: 'Shows a project',
    async handler({ services, credential, allowed, input }) {
      const { project } = allowed.place;
      const sizes = { action: 'project_statistics:read', place: atProject(project.id) } as const;
      const isSized = input.statistics && (await decide(services.db.read, services.clock, credential, sizes)).ok;
      return json({
        ...(await oneProject(services, credential, project)),
        ...(input.license ? { license: null, license_url: null } : {}),
        ...(isSized ? { statistics: await statisticsOf(services, project) } : {}),
      });
    },
  }),
  route({
    method: 'POST',
    path: '/projects',
    action: 'project:new',
    params: createParams,
    summary: 'Makes a project',
    async handler({ services, credential, actor, input }) {
      const proof = await namespaceFor(services, actor, input.namespace_id);
      return created(await oneProject(services, credential, await create(services, actor, proof, input)));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/user/:user_id',
    action: 'user:administer',
    params: createParams,
    summary: 'Makes a project in the namespace of a user',
    async handler({ services, credential, actor, path, input }) {
      const own = await personalNamespace(services.db.read, parseId(path['user_id']!) ?? 0);
      if (!own) fail({ code: 'not_found', thing: 'User' });
      const proof = await namespaceFor(services, actor, own.id);
      return created(await oneProject(services, credential, await create(services, actor, proof, input)));
    },
  }),
  route({
    method: 'PUT',
    path: '/projects/:id',
    action: 'project:update',
    params: object({
      name: optional(text('Name')),
      path: optional(text('Path')),
      default_branch: optional(text('A branch of the repository')),
      ...projectWishParams,
    }),
    summary: 'Changes a project',
    async handler({ services, credential, actor, allowed, input }) {
      const { project } = allowed.place;
      const changes = input.visibility !== undefined && input.visibility !== project.visibility;
      const place = { type: 'project', ref: project.id } as const;
      const mayChange = changes ? await demand(services, actor, { action: 'project:change_visibility', place }) : null;
      const branch = await existingBranch(services, project, input.default_branch);
      const wish = { ...projectWish(input), name: input.name, path: input.path, defaultBranch: branch };
      const changed = await changeProject(services, actor, allowed, wish, mayChange);
      if (branch !== undefined && changed.repository_id !== null)
        await services.repositories.setHead(changed.repository_id, branch);
      return json(await oneProject(services, credential, changed));
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:id',
    action: 'project:delete',
    params: object({}),
    summary: 'Deletes a project',
    async handler({ services, actor, allowed, headers }) {
      demandUnchanged(allowed.place.project.updated_at, unchangedSince(headers));
      await deleteProject(services, actor, allowed);
      return json({ message: '202 Accepted' }, 202);
    },
  }),
];

async function existingBranch(
  services: Services,
  project: Project,
  name: string | undefined,
): Promise<string | undefined> {
  if (name === undefined || name === '' || name === project.default_branch) return undefined;
  const id = project.repository_id;
  const there = id !== null && (await services.repositories.exists(id));
  const found = there && parseBranchName(name) && (await resolve(services.repositories, id, name, 'branch'));
  if (!found)
    fail({
      code: 'invalid_record',
      fields: {
        base: [`Could not set the default branch. Do you have a branch named '${name}' in your repository?`],
      },
    });
  return name;
}

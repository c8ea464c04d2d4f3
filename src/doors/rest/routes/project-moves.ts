// What happens to a project as a whole over REST: archive, transfer, fork (reference git-and-deploy 12.1).
import type { Allowed } from '../../../access/allowed.ts';
import { visibleProjects } from '../../../access/visible-store.ts';
import { setArchived, transferProject } from '../../../directory/project-changes.ts';
import { listProjects } from '../../../directory/project-list-store.ts';
import { forkProject, NAMESPACE_INVALID } from '../../../directory/projects.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseFullPath } from '../../../kernel/names.ts';
import { copyLfsObjects } from '../../../repositories/lfs-objects.ts';
import { fork } from '../../../repositories/maintenance.ts';
import type { Services } from '../../services.ts';
import { created, json, paged, type Route, route } from '../route.ts';
import { integer, none, nullable, object, optional, text, visibility } from '../schema.ts';
import { demand, refOf } from '../second-proof.ts';
import { projectFilter, projectFilterParams, projectPage } from './project-params.ts';
import { makeRepository, oneProject } from './project-reply.ts';
import { namespaceFor } from './projects.ts';

const archiving = (verb: 'archive' | 'unarchive') =>
  route({
    method: 'POST',
    path: `/projects/:id/${verb}`,
    action: 'project:archive',
    params: none,
    summary: `${verb === 'archive' ? 'Archives' : 'Unarchives'} a project`,
    async handler({ services, credential, actor, allowed }) {
      const project = await setArchived(services, actor, allowed, verb === 'archive');
      return created(await oneProject(services, credential, project));
    },
  });

export const routes: Route[] = [
  archiving('archive'),
  archiving('unarchive'),
  route({
    method: 'PUT',
    path: '/projects/:id/transfer',
    action: 'project:transfer',
    params: object({ namespace: text('Id or path of the namespace it goes to', { notEmpty: true }) }),
    summary: 'Moves a project to another namespace',
    async handler({ services, credential, actor, allowed, input }) {
      const place = { type: 'namespace', ref: refOf(input.namespace) } as const;
      const gone = { code: 'not_found', thing: 'Namespace' } as const;
      const target = await demand(services, actor, { action: 'project:create', place }, gone);
      return json(await oneProject(services, credential, await transferProject(services, actor, allowed, target)));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/:id/fork',
    action: 'project:fork',
    params: object({
      namespace_id: optional(integer('Namespace of the fork')),
      namespace_path: optional(text('The same by path')),
      namespace: optional(text('The same by id or path')),
      name: optional(text('Name')),
      path: optional(text('Path')),
      description: optional(nullable(text('Description'))),
      visibility: optional(visibility()),
    }),
    summary: 'Forks a project',
    async handler({ services, credential, actor, allowed, input }) {
      const { namespace_id: id, namespace_path: path } = input;
      if (path !== undefined && parseFullPath(path) === null) fail(NAMESPACE_INVALID);
      const named = input.namespace === undefined ? path : refOf(input.namespace);
      const target = await namespaceFor(services, actor, id ?? named);
      const source = allowed.place.project;
      const project = await forkProject(services, actor, allowed, target, {
        name: input.name,
        path: input.path,
        description: input.description ?? undefined,
        visibility: input.visibility,
      });
      const [from, to] = [source.repository_id, project.repository_id];
      if (source.default_branch === null) await makeRepository(services, project);
      else if (from !== null && to !== null)
        // As in GitLab the fork stays, and says in `import_status` that it holds nothing.
        await copyInto(services, allowed, from, to).catch((error: unknown) =>
          services.log.error({ err: error, project: project.id }, 'a fork could not be copied'),
        );
      return created(await oneProject(services, credential, project));
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:id/forks',
    action: 'project:read',
    params: object(projectFilterParams),
    summary: 'Lists the forks of a project that the caller may see',
    paged: true,
    async handler({ services, credential, allowed, input, page }) {
      const visible = visibleProjects(services.clock, credential);
      const filter = { ...projectFilter(input, () => visible), forkedFrom: allowed.place.project.id };
      const { items, total } = await listProjects(services.db.list, visible, filter, page);
      return paged(await projectPage(services, credential, items, input.simple ?? false), total);
    },
  }),
];

async function copyInto(services: Services, allowed: Allowed<'project:fork'>, from: number, to: number): Promise<void> {
  // Before, so that a fork that is there whole has its objects; and again, for those that came while git copied.
  await copyLfsObjects(services, allowed, to);
  await fork(services.repositories, from, to);
  await copyLfsObjects(services, allowed, to);
}

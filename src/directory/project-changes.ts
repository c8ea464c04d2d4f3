// Deeds on a project that is there: change, archive, transfer, delete (reference git-and-deploy 12.1).
import type { Allowed } from '../access/allowed.ts';
import { protectDefaultBranch } from '../access/protected-ref-store.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { lockTrees } from '../identity/namespace-store.ts';
import { deleteProjectRow, findProject, moveProject, takenFields, updateProject } from '../identity/project-store.ts';
import type { Namespace, Project } from '../identity/records.ts';
import { fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { clashIs } from './clash.ts';
import { endPlaces } from './end-places.ts';
import { ofProject } from './entities.ts';
import { withProjectSettings } from './project-settings.ts';
import {
  branchProtection,
  checkProjectTexts,
  checkProjectVisibility,
  NAMESPACE_INVALID,
  type ProjectWish,
  storedFeatures,
  takenFault,
} from './projects.ts';
import { lessVisible } from './visibility.ts';

const GONE = { code: 'not_found', thing: 'Project' } as const;

async function locked(tx: Tx, allowed: { place: { project: Project; namespace: Namespace } }) {
  const [namespace] = await lockTrees(tx, [allowed.place.namespace.id]);
  const project = await findProject(tx, allowed.place.project.id);
  // Gone, or moved to another namespace since the proof was made: what was allowed there is not allowed here.
  if (!namespace || !project || project.namespace_id !== namespace.id) fail(GONE);
  return { namespace, project };
}

/**
 * Changes a project. `visibility` needs `mayChangeVisibility` besides (Owners). `default_branch` must exist in the repository;
 * the door has looked, and moves HEAD.
 */
export async function changeProject(
  house: House,
  actor: Actor,
  allowed: Allowed<'project:update'>,
  wish: ProjectWish & { readonly defaultBranch?: string | undefined },
  mayChangeVisibility: Allowed<'project:change_visibility'> | null,
): Promise<Project> {
  checkProjectTexts(wish);
  return clashIs(takenFault(['name', 'path']), () =>
    house.db.tx(async (tx) => {
      const { namespace, project } = await locked(tx, allowed);
      const now = house.clock.now();
      const taken = await takenFields(tx, namespace, wish, project.id);
      if (taken.length > 0) fail(takenFault(taken));
      if (wish.visibility && wish.visibility !== project.visibility) {
        if (mayChangeVisibility?.place.project.id !== project.id) fail({ code: 'forbidden', reason: null });
        checkProjectVisibility(wish.visibility, namespace, await readSettings(tx), allowed.asAdmin);
      }
      if (wish.path !== undefined && wish.path !== project.path)
        await moveProject(tx, project, { namespace, path: wish.path, now });
      const changed = await updateProject(tx, project.id, {
        name: wish.name ?? project.name,
        description: wish.description === undefined ? project.description : wish.description,
        visibility: wish.visibility ?? project.visibility,
        topics: wish.topics ? JSON.stringify(wish.topics) : project.topics,
        features: storedFeatures(project.features, wish.features),
        settings: withProjectSettings(project, wish.settings ?? {}),
        default_branch: wish.defaultBranch ?? project.default_branch,
        updated_at: now,
      });
      if (!changed) fail(GONE);
      await auditDeed(tx, house, actor, {
        action: 'project:update',
        ...ofProject(changed),
        message: `Changed project ${changed.full_path}`,
        details: { changed: Object.keys(wish).filter((name) => wish[name as keyof ProjectWish] !== undefined) },
      });
      return changed;
    }),
  );
}

/** Archives a project, or takes it back out; one that is so already stays so. */
export async function setArchived(
  house: House,
  actor: Actor,
  allowed: Allowed<'project:archive'>,
  archived: boolean,
): Promise<Project> {
  return house.db.tx(async (tx) => {
    const project = await updateProject(tx, allowed.place.project.id, {
      archived: archived ? 1 : 0,
      updated_at: house.clock.now(),
    });
    if (!project) fail(GONE);
    await auditDeed(tx, house, actor, {
      action: 'project:archive',
      ...ofProject(project),
      message: `${archived ? 'Archived' : 'Unarchived'} project ${project.full_path}`,
    });
    return project;
  });
}

/**
 * Moves a project into the namespace of the second proof; its old path keeps leading to it. It becomes no more visible than
 * the namespace. 400 when it is there already, or name or path is taken there.
 */
export async function transferProject(
  house: House,
  actor: Actor,
  allowed: Allowed<'project:transfer'>,
  target: Allowed<'project:create'> | Allowed<'group:transfer_in'>,
): Promise<Project> {
  const targetId = target.place.type === 'group' ? target.place.group.id : target.place.namespace.id;
  const taken = {
    code: 'bad_request',
    reason: 'Project with same name or path in target namespace already exists',
  } as const;
  return clashIs(taken, () =>
    house.db.tx(async (tx) => {
      const [, namespace] = await lockTrees(tx, [allowed.place.namespace.id, targetId]);
      const { project } = await locked(tx, allowed);
      if (!namespace) fail(NAMESPACE_INVALID);
      if (namespace.id === project.namespace_id)
        fail({ code: 'bad_request', reason: 'Project is already in this namespace.' });
      if ((await takenFields(tx, namespace, project)).length > 0) fail(taken);
      const now = house.clock.now();
      const moved = await moveProject(tx, project, { namespace, path: project.path, now });
      const visibility = lessVisible(project.visibility, namespace.visibility);
      const changed = moved && (await updateProject(tx, project.id, { visibility }));
      if (!changed) fail(GONE);
      await auditDeed(tx, house, actor, {
        action: 'project:transfer',
        ...ofProject(changed),
        message: `Moved project ${project.full_path} to ${changed.full_path}`,
      });
      return changed;
    }),
  );
}

/** Deletes a project: gone for every caller at the commit, reaped afterwards. Its keys and bots end with it. */
export async function deleteProject(house: House, actor: Actor, allowed: Allowed<'project:delete'>): Promise<void> {
  await house.db.tx(async (tx) => {
    const { project } = await locked(tx, allowed);
    if (!(await deleteProjectRow(tx, project.id, house.clock.now()))) fail(GONE);
    await endPlaces(tx, house, { projectIds: [project.id], groupIds: [] });
    await auditDeed(tx, house, actor, {
      action: 'project:delete',
      ...ofProject(project),
      message: `Deleted project ${project.full_path}`,
    });
  });
}

/** Notes the first branch of a project that was made with a README, and protects it as the instance or group says. */
export async function noteFirstBranch(
  house: House,
  allowed: Allowed<'project:create'>,
  project: Project,
  branch: string,
): Promise<Project> {
  return house.db.tx(async (tx) => {
    const now = house.clock.now();
    const level = branchProtection(allowed.place.namespace, await readSettings(tx));
    await protectDefaultBranch(tx, project.id, branch, level, now);
    return (await updateProject(tx, project.id, { default_branch: branch, last_activity_at: now })) ?? project;
  });
}

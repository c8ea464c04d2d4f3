// How a project comes to be, empty or as a fork: its row and its repository's row in one transaction. The folder on disk is
// made by the door right after the commit. Rules and texts: reference git-and-deploy 3.1, 12.1.
import { type Allowed, capLevel } from '../access/allowed.ts';
import { protectDefaultBranch } from '../access/protected-ref-store.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { FEATURE_LEVELS, type Feature, type FeatureLevel } from '../identity/features.ts';
import { insertMember } from '../identity/member-store.ts';
import { lockTrees } from '../identity/namespace-store.ts';
import { insertProject, takenFields } from '../identity/project-store.ts';
import type { Namespace, Project } from '../identity/records.ts';
import { MAINTAINER, OWNER } from '../identity/roles.ts';
import { findUser } from '../identity/user-store.ts';
import { isoDate } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import { displayNameErrors, pathFromName, projectPathErrors } from '../kernel/names.ts';
import { type InstanceSettings, readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { Visibility } from '../storage/schema.ts';
import { clashIs } from './clash.ts';
import { ofProject } from './entities.ts';
import { groupSettings } from './group-settings.ts';
import { countOwnProjects } from './project-count-store.ts';
import { type ProjectSettings, withProjectSettings } from './project-settings.ts';
import { defaultVisibility, lessVisible, levelsWithin, restrictedText } from './visibility.ts';

/** What may be said of a project; absent means unchanged, or the default for a new one. */
export interface ProjectWish {
  readonly name?: string | undefined;
  readonly path?: string | undefined;
  readonly description?: string | null | undefined;
  readonly visibility?: Visibility | undefined;
  readonly topics?: readonly string[] | undefined;
  readonly features?: Partial<Record<Feature, FeatureLevel>> | undefined;
  readonly settings?: Partial<ProjectSettings> | undefined;
}

type Creating = Allowed<'project:create'> | Allowed<'project:create_by_push'>;
export const NAMESPACE_INVALID = { code: 'invalid_record', fields: { namespace: ['is not valid'] } } as const;

export function takenFault(fields: readonly string[]) {
  const texts = Object.fromEntries(fields.map((field) => [field, ['has already been taken']]));
  return { code: 'invalid_record', fields: texts } as const;
}

/** Ends the deed with 400 by field when a text breaks its rule. */
export function checkProjectTexts(wish: ProjectWish): void {
  const fields: Record<string, string[]> = {};
  const path = wish.path === undefined ? [] : projectPathErrors(wish.path);
  const name = wish.name === undefined ? [] : displayNameErrors(wish.name);
  if (path.length > 0) fields['path'] = path;
  if (name.length > 0) fields['name'] = name;
  if ((wish.description?.length ?? 0) > 2000) fields['description'] = ['is too long (maximum is 2000 characters)'];
  if (wish.topics?.some((topic) => topic.length === 0 || topic.length > 255)) fields['topics'] = ['is invalid'];
  if (Object.keys(fields).length > 0) fail({ code: 'invalid_record', fields });
}

/** Ends the deed with 400 when the project may not be this visible here. */
export function checkProjectVisibility(
  wish: Visibility,
  namespace: Namespace,
  settings: InstanceSettings,
  asAdmin: boolean,
): void {
  const text =
    restrictedText(wish, settings, asAdmin) ??
    (levelsWithin(namespace.visibility).includes(wish)
      ? null
      : `${wish} is not allowed in a ${namespace.visibility} group.`);
  if (text !== null) fail({ code: 'invalid_record', fields: { visibility_level: [text] } });
}

/** The stored form of feature levels; always by JSON.stringify, for lists look into the text. */
export function storedFeatures(before: string, patch: ProjectWish['features']): string {
  const given = Object.entries(patch ?? {}).filter(([, level]) => level && FEATURE_LEVELS.includes(level));
  return JSON.stringify({ ...JSON.parse(before), ...Object.fromEntries(given) });
}

/** Makes an empty project in the namespace of the proof. `name` or `path` must be there; the other follows from it. */
export async function createProject(
  house: House,
  actor: Actor,
  allowed: Creating,
  wish: ProjectWish,
): Promise<Project> {
  const path = wish.path ?? pathFromName(wish.name ?? '');
  const full = { ...wish, path, name: wish.name ?? path };
  checkProjectTexts(full);
  return clashIs(takenFault(['name', 'path']), () =>
    house.db.tx(async (tx) => {
      const { namespace, settings } = await creatingIn(tx, allowed);
      if (wish.visibility) checkProjectVisibility(wish.visibility, namespace, settings, allowed.asAdmin);
      const visibility =
        wish.visibility ??
        defaultVisibility(settings.default_project_visibility, namespace.visibility, settings, allowed.asAdmin);
      const project = await addProject(tx, house, actor, namespace, { ...full, visibility, source: null });
      await auditDeed(tx, house, actor, {
        action: 'project:create',
        ...ofProject(project),
        message: `Created project ${project.full_path}`,
        details: { visibility },
      });
      return project;
    }),
  );
}

/**
 * Makes the record of a fork in the namespace of the second proof: no more visible than its source, with its default branch
 * protected as a new one. 409 when name or path is taken there.
 */
export async function forkProject(
  house: House,
  actor: Actor,
  source: Allowed<'project:fork'>,
  target: Creating,
  wish: ProjectWish,
): Promise<Project> {
  const from = source.place.project;
  const full = { ...wish, path: wish.path ?? from.path, name: wish.name ?? from.name };
  checkProjectTexts(full);
  const taken = { code: 'conflict', reason: 'Project namespace name has already been taken' } as const;
  return clashIs(taken, () =>
    house.db.tx(async (tx) => {
      const { namespace, settings } = await creatingIn(tx, target);
      if ((await takenFields(tx, namespace, full)).length > 0) fail(taken);
      const widest = lessVisible(from.visibility, namespace.visibility);
      if (wish.visibility && !levelsWithin(from.visibility).includes(wish.visibility))
        fail({
          code: 'invalid_record',
          fields: {
            visibility_level: [`${wish.visibility} is not allowed since the fork source project has lower visibility.`],
          },
        });
      const visibility = wish.visibility ?? defaultVisibility(widest, widest, settings, target.asAdmin);
      checkProjectVisibility(visibility, namespace, settings, target.asAdmin);
      const described = { ...full, description: wish.description ?? from.description, visibility };
      const project = await addProject(tx, house, actor, namespace, { ...described, source: from });
      if (project.default_branch !== null)
        await protectDefaultBranch(
          tx,
          project.id,
          project.default_branch,
          branchProtection(namespace, settings),
          house.clock.now(),
        );
      await auditDeed(tx, house, actor, {
        action: 'project:fork',
        ...ofProject(project),
        message: `Forked ${from.full_path} to ${project.full_path}`,
        details: { source_id: from.id },
      });
      return project;
    }),
  );
}

/** How the default branch of a new project in this namespace is protected, 0 to 4. */
export function branchProtection(namespace: Namespace, settings: InstanceSettings): number {
  return groupSettings(namespace).default_branch_protection ?? settings.default_branch_protection;
}

/** Locks the namespace of the proof and holds its own rules: who may create in it, and how many fit. */
async function creatingIn(tx: Tx, allowed: Creating): Promise<{ namespace: Namespace; settings: InstanceSettings }> {
  const [namespace] = await lockTrees(tx, [allowed.place.namespace.id]);
  if (!namespace) fail(NAMESPACE_INVALID);
  const cap = capLevel(allowed);
  if (namespace.kind === 'group' && !allowed.asAdmin) {
    const level = groupSettings(namespace).project_creation_level;
    const needed = { noone: 99, administrator: 99, owner: OWNER, maintainer: MAINTAINER, developer: 0 }[level];
    if (cap < needed) fail(NAMESPACE_INVALID);
  }
  if (namespace.owner_user_id !== null) {
    const owner = await findUser(tx, namespace.owner_user_id);
    const limit = owner?.projects_limit ?? 0;
    if ((await countOwnProjects(tx, namespace.id)) >= limit)
      fail({
        code: 'invalid_record',
        fields: {
          limit_reached: [`Your project limit is ${limit} projects! Please contact your administrator to increase it`],
        },
      });
  }
  return { namespace, settings: await readSettings(tx) };
}

async function addProject(
  tx: Tx,
  house: House,
  actor: Actor,
  namespace: Namespace,
  wish: ProjectWish & {
    readonly name: string;
    readonly path: string;
    readonly visibility: Visibility;
    readonly source: Project | null;
  },
): Promise<Project> {
  const now = house.clock.now();
  const user = actingUser(actor.credential);
  const taken = await takenFields(tx, namespace, wish);
  if (taken.length > 0) fail(takenFault(taken));
  const project = await insertProject(tx, namespace, {
    name: wish.name,
    path: wish.path,
    description: wish.description ?? null,
    visibility: wish.visibility,
    default_branch: wish.source?.default_branch ?? null,
    archived: 0,
    creator_id: user?.id ?? null,
    forked_from_project_id: wish.source?.id ?? null,
    features: storedFeatures('{}', wish.features),
    settings: withProjectSettings({ settings: '{}' }, wish.settings ?? {}),
    topics: JSON.stringify(wish.topics ?? []),
    created_at: now,
    updated_at: now,
    last_activity_at: now,
    deleted_at: null,
  });
  if (!project) fail(takenFault(['name', 'path']));
  if (namespace.owner_user_id !== null)
    await insertMember(
      tx,
      { projectId: project.id },
      { userId: namespace.owner_user_id, level: OWNER, expiresAt: null, createdByUserId: user?.id ?? null, now },
      isoDate(now),
    );
  return project;
}

// Gathers what ref-rules.ts must know of a caller and a project: the role really held, the rules, the setting. It judges
// nothing. What only the repository knows (empty, forced) the caller adds.
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { isTokenBot, type Namespace } from '../identity/records.ts';
import { type Clock, isoDate } from '../kernel/clock.ts';
import { readSettings } from '../settings/settings.ts';
import type { Queryable } from '../storage/database.ts';
import { heldLevel, loadNamespace } from './facts-store.ts';
import { isAdministrator } from './judge.ts';
import type { ProjectPlace } from './place.ts';
import { deployKeyCanPush, listProtections } from './protected-ref-store.ts';
import type { Protection } from './protections.ts';
import type { RefActor, RefFacts } from './ref-rules.ts';

/** The facts for `judgeRefUpdate`, all but what the repository knows. `mayPush` is what `decide` said. */
export async function gatherRefFacts(
  q: Queryable,
  clock: Clock,
  input: {
    readonly credential: VerifiedCredential;
    readonly place: ProjectPlace;
    readonly mayPush: boolean;
    readonly empty: boolean;
    readonly door: 'git' | 'web';
    /** the instance's address, without a trailing slash */
    readonly url: string;
  },
): Promise<RefFacts> {
  const { credential, place } = input;
  const protections = await listProtections(q, place.project.id);
  const settings = await readSettings(q);
  return {
    actor: await actorFacts(q, clock, credential, place, protections),
    mayPush: input.mayPush,
    protections,
    defaultBranch: place.project.default_branch,
    empty: input.empty,
    defaultBranchProtection: branchProtectionOf(place.namespace, settings.default_branch_protection),
    door: input.door,
    projectPath: place.project.full_path,
    membersUrl: `${input.url}/${place.project.full_path}/-/project_members`,
  };
}

/** How default branches are protected in a namespace, 0 to 4: the group's own setting, else the instance's. */
export function branchProtectionOf(namespace: Pick<Namespace, 'settings'>, instance: number): number {
  const own: unknown = (JSON.parse(namespace.settings) as Record<string, unknown>)['default_branch_protection'];
  return typeof own === 'number' ? own : instance;
}

async function actorFacts(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  place: ProjectPlace,
  protections: readonly Protection[],
): Promise<RefActor> {
  const { holder } = credential;
  const today = isoDate(clock.now());
  if (holder.type === 'deploy_key') {
    const at = { projectId: place.project.id, namespace: place.namespace };
    const creator = holder.creator?.state === 'active' ? holder.creator : null;
    const creatorLevel = creator ? await heldLevel(q, creator.id, at, today, true) : 0;
    return {
      type: 'deploy_key',
      keyId: credential.id!,
      canPush: await deployKeyCanPush(q, place.project.id, credential.id!),
      creatorLevel,
      creatorCanRead:
        creator !== null &&
        (creatorLevel >= 10 ||
          creator.admin === 1 ||
          place.project.visibility === 'public' ||
          (place.project.visibility === 'internal' && creator.external === 0)),
    };
  }
  const user = actingUser(credential);
  if (user === null) return { type: 'deploy_token' };
  const shares = !isTokenBot(user);
  const groupIds: number[] = [];
  for (const groupId of namedGroups(protections)) {
    const group = await loadNamespace(q, groupId, 'group');
    if (group && (await heldLevel(q, user.id, { projectId: null, namespace: group }, today, shares)) >= 10)
      groupIds.push(groupId);
  }
  return { type: 'user', userId: user.id, level: place.level, isAdmin: isAdministrator(credential), groupIds };
}

function namedGroups(protections: readonly Protection[]): Set<number> {
  const ids = new Set<number>();
  for (const { levels } of protections)
    for (const entry of [...levels.push, ...levels.merge, ...levels.create])
      if (entry.groupId !== null) ids.add(entry.groupId);
  return ids;
}

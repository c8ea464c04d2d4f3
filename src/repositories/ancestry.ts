// Questions about history that need no tree: who descends from whom, also for a push that still sits in its quarantine.
import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { GitFailed } from './git.ts';
import { isZeroId, type ObjectId } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

/** Where git keeps a push's objects until the hook has agreed; comes from the hook and is checked here. */
export interface Quarantine {
  readonly path: string;
  readonly objectDirectory: string;
  readonly alternates: string;
}

/** Whether `ancestor` is reachable from `descendant` (a commit is its own ancestor). */
export async function isAncestor(
  repositories: Repositories,
  id: number,
  ancestor: ObjectId,
  descendant: ObjectId,
  quarantine?: Quarantine,
): Promise<boolean> {
  const env = quarantine ? await quarantineEnvironment(repositories, id, quarantine) : {};
  const result = await repositories.run(id, ['merge-base', '--is-ancestor', ancestor, descendant], { env });
  if (result.code > 1) throw new GitFailed('merge-base', result.code, result.stderr);
  return result.code === 0;
}

/**
 * Whether moving a ref from `oldId` to `newId` throws history away (a forced push). Creating and deleting do not count.
 * Asked from the pre-receive hook, with the push's quarantine.
 */
export async function isForced(
  repositories: Repositories,
  id: number,
  oldId: ObjectId,
  newId: ObjectId,
  quarantine?: Quarantine,
): Promise<boolean> {
  if (isZeroId(oldId) || isZeroId(newId) || oldId === newId) return false;
  return !(await isAncestor(repositories, id, oldId, newId, quarantine));
}

/** The best common ancestor of all `commits`, or null when they share no history. */
export async function mergeBase(
  repositories: Repositories,
  id: number,
  commits: readonly ObjectId[],
): Promise<ObjectId | null> {
  const args = ['merge-base', ...(commits.length > 2 ? ['--octopus'] : []), ...commits];
  const result = await repositories.run(id, args);
  if (result.code > 1) throw new GitFailed('merge-base', result.code, result.stderr);
  return result.code === 0 ? ((result.stdout.toString('utf8').split('\n')[0] ?? '') as ObjectId) : null;
}

/** The variables that let git see a quarantine's objects. Throws RangeError when it does not lie in this repository. */
export async function quarantineEnvironment(
  repositories: Repositories,
  id: number,
  { objectDirectory }: Quarantine,
): Promise<Record<string, string>> {
  const objects = await realpath(`${repositories.path(id)}/objects`);
  // git may name it relative to the repository, where the hook runs.
  const named = objectDirectory.startsWith('/') ? objectDirectory : `${repositories.path(id)}/${objectDirectory}`;
  const inside = await realpath(named).catch(() => '');
  if (inside !== objects && !inside.startsWith(objects + sep)) {
    throw new RangeError('the quarantine does not lie in its repository');
  }
  return { GIT_OBJECT_DIRECTORY: inside, GIT_ALTERNATE_OBJECT_DIRECTORIES: objects };
}

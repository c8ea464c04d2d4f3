// Is a project's repository where it belongs? A project is committed before its folder is made, so a folder that was never
// written to may be made on the way; one that had a branch and is gone is lost, or a fork whose copy was never finished, and nobody
// may take an empty one for it.

import type { Project } from '../identity/records.ts';
import type { RepositoryHouse } from './house.ts';
import { everPushed } from './push-store.ts';
import type { Repositories } from './repository-files.ts';

/**
 * True when the repository is there, made just now if it never had a branch. False when its content is missing: the folder is gone
 * (a disk that is not mounted, a restore without repositories), or it is a fork that is still being copied or never was.
 */
export async function repositoryIsThere(
  house: RepositoryHouse,
  id: number,
  defaultBranch: string | null,
): Promise<boolean> {
  if (await house.repositories.exists(id)) return true;
  if (defaultBranch !== null || (await everPushed(house.db.read, id))) {
    house.log.error({ repository: id }, 'a repository that had content is not on disk; "keyward doctor" shows more');
    return false;
  }
  await house.repositories.create(id, { defaultBranch: 'main' });
  return true;
}

/** How far the copy of a fork is, in GitLab's words; `none` for what was never copied from anywhere. */
export async function importStatus(
  repositories: Pick<Repositories, 'exists' | 'isBeingMade'>,
  project: Pick<Project, 'forked_from_project_id' | 'repository_id'>,
): Promise<'none' | 'started' | 'finished' | 'failed'> {
  if (project.forked_from_project_id === null || project.repository_id === null) return 'none';
  if (await repositories.exists(project.repository_id)) return 'finished';
  return (await repositories.isBeingMade(project.repository_id)) ? 'started' : 'failed';
}

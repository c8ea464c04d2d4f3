// Is a project's repository where it belongs? A project is committed before its folder is made, so a folder that was never
// written to may be made on the way; one that was written to and is gone is lost, and nobody may take an empty one for it.

import type { RepositoryHouse } from './push.ts';
import { everPushed } from './push-store.ts';

/**
 * True when the repository is there, made just now if nobody ever pushed to it. False when it is lost: it had content, and its
 * folder is gone (a disk that is not mounted, a restore without repositories).
 */
export async function repositoryIsThere(
  house: RepositoryHouse,
  id: number,
  defaultBranch: string | null,
): Promise<boolean> {
  if (await house.repositories.exists(id)) return true;
  if (await everPushed(house.db.read, id)) {
    house.log.error({ repository: id }, 'a repository that was pushed to is not on disk; "keyward doctor" shows more');
    return false;
  }
  await house.repositories.create(id, { defaultBranch: defaultBranch ?? 'main' });
  return true;
}

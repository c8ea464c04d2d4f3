// Housekeeping after a project or group was deleted: its repositories go to the trash. Runs as a task without a proof, so only
// the composition root may import it.
import { markTrashed, repositoriesOf } from '../identity/project-store.ts';
import type { House } from '../storage/house.ts';
import type { TaskHandler } from '../tasks/runner.ts';

/**
 * The handler of `reap_project`. `trash` moves one repository's folder to the trash and does nothing when it is gone; running
 * twice is harmless.
 */
export function createReapHandler(
  house: Pick<House, 'db' | 'clock'>,
  trash: (repositoryId: number) => Promise<void>,
): TaskHandler {
  return async (payload) => {
    const { projectIds } = payload as { projectIds: number[] };
    for (const repositoryId of await repositoriesOf(house.db.read, projectIds)) {
      await trash(repositoryId);
      await house.db.tx((tx) => markTrashed(tx, repositoryId, house.clock.now()));
    }
  };
}

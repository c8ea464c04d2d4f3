// Maintains the repository that a push grew, some time after the push. Housekeeping without a proof: it changes how objects are
// stored and nothing that anybody sees.
import { isHeld, MAINTENANCE } from '../storage/hold-store.ts';
import type { House } from '../storage/house.ts';
import type { TaskHandler } from '../tasks/runner.ts';
import { RepositoryError } from './errors.ts';
import { maintain } from './maintenance.ts';
import type { Repositories } from './repository-files.ts';

/** The handler of MAINTENANCE_TASK. A repository that is gone by now is left alone; while a backup copies, it is tried again later. */
export function maintenanceTask(
  house: Pick<House, 'clock' | 'db'> & { readonly repositories: Repositories },
): TaskHandler {
  return async (payload) => {
    const { repositoryId } = payload as { repositoryId: number };
    if (await isHeld(house.db.read, MAINTENANCE, house.clock.now())) throw new Error('a backup holds maintenance back');
    try {
      await maintain(house.repositories, repositoryId, house.clock.now());
    } catch (error) {
      if (!(error instanceof RepositoryError) || error.code !== 'repository_missing') throw error;
    }
  };
}

// Housekeeping after a repository went to the trash: its LFS objects are let go and its locks removed. Runs as part of a task,
// without a proof, so only the composition root may import it.
import { doomBlobs } from '../storage/blob-store.ts';
import type { House } from '../storage/house.ts';
import { deleteLocks, deleteObjects, unnamedBlobs } from './lfs-store.ts';

const BATCH = 200;

/** Removes a repository's LFS objects, and dooms the blobs that no other repository names. Running twice is harmless. */
export async function dropLfs(house: Pick<House, 'db' | 'clock'>, repositoryId: number): Promise<void> {
  await house.db.tx((tx) => deleteLocks(tx, repositoryId));
  for (;;) {
    const dropped = await house.db.tx(async (tx) => {
      const blobs = await deleteObjects(tx, repositoryId, BATCH);
      // A fork may name the same bytes.
      await doomBlobs(tx, await unnamedBlobs(tx, house.db.engine, blobs), house.clock.now());
      return blobs.length;
    });
    if (dropped < BATCH) return;
  }
}

// Collects blobs: files of doomed rows, files that no row ever knew (a crash between file and row), and drafts. Runs as a task
// without a proof, so only the composition root may import it.
import { DAY, HOUR } from '../kernel/clock.ts';
import { deleteBlobRows, doomedBlobs, knownKeys } from './blob-store.ts';
import type { Blobs } from './blobs.ts';
import { isHeld, MAINTENANCE } from './hold-store.ts';
import type { House } from './house.ts';

/** Kind of the recurring task. */
export const BLOB_TASK = 'collect_blobs';

const BATCH = 200;
/** A doomed blob may still be asked for by an answer that was given just now. */
const DOOMED_FOR = HOUR;
/** An upload may take as long as it takes, but its row follows its file within moments. */
const UNKNOWN_FOR = DAY;

/** The handler of `collect_blobs`. Deletes files before rows, so that what a crash leaves is found again. */
export function blobTask(house: Pick<House, 'db' | 'clock'>, blobs: Blobs): () => Promise<void> {
  return async () => {
    const now = house.clock.now();
    // A backup copies what the database named a moment ago.
    if (await isHeld(house.db.read, MAINTENANCE, now)) return;
    for (;;) {
      const doomed = await doomedBlobs(house.db.list, now - DOOMED_FOR, BATCH);
      for (const blob of doomed) await blobs.delete(blob.storage_key);
      if (doomed.length === 0) break;
      const ids = doomed.map((blob) => blob.id);
      await house.db.tx((tx) => deleteBlobRows(tx, ids));
      if (doomed.length < BATCH) break;
    }
    for await (const keys of blobs.keysBefore(now - UNKNOWN_FOR)) {
      const known = await knownKeys(house.db.list, keys);
      for (const key of keys) if (!known.has(key)) await blobs.delete(key);
    }
    await blobs.purgeDrafts(now - UNKNOWN_FOR);
  };
}

// Makes what was created, renamed or removed in a folder durable: POSIX keeps names in the folder, not in the file.
import { open } from 'node:fs/promises';

/** Flushes a folder to disk; new and old names in it are durable when this returns. */
export async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

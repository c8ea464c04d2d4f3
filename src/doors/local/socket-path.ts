// Where the server of a data folder listens. It stands alone so that a program which only wants to ask loads nothing else.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** The local socket of a data folder: the socket itself, or what the pointer in its place names. */
export function localSocketPath(dataFolder: string): Promise<string> {
  return pointedAt(join(resolve(dataFolder), 'run', 'keyward.sock'));
}

/** What a socket's place holds: itself, or the path that a pointer file names. */
export async function pointedAt(lock: string): Promise<string> {
  // Reading a socket fails: only the pointer file of a path that was too long can be read.
  const text = await readFile(lock, 'utf8').catch(() => '');
  return text === '' ? lock : text.trim();
}

// Where compiled code is kept, for the threads and processes that the server starts: each compiles for itself, and without this
// loads Node.js' compiler for TypeScript too. It says where and keeps nothing itself.
import { getCompileCacheDir } from 'node:module';
import { dirname } from 'node:path';

/** The variable that lets a child use what this process uses; nothing when this one keeps no compiled code. */
export function compileCacheVariable(): { NODE_COMPILE_CACHE?: string } {
  // Node.js answers the folder of its own version, which lies in the one that it was told.
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}

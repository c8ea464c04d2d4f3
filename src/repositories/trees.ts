// Files and folders of a revision, read from git's objects and never from a checked-out tree: a symbolic link is a blob whose
// content is its target, and nobody follows it.
import type { Readable } from 'node:stream';
import { lastCommitOf } from './commits.ts';
import { RepositoryError } from './errors.ts';
import { type ObjectId, parseReadPath, type TreePath } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

export interface TreeEntry {
  readonly id: ObjectId;
  readonly name: string;
  readonly type: 'tree' | 'blob' | 'commit';
  readonly path: string;
  readonly mode: string;
}

export interface BlobEntry extends TreeEntry {
  readonly size: number;
}

export interface FileContent extends BlobEntry {
  readonly content: Buffer;
  readonly commitId: ObjectId;
  readonly lastCommitId: ObjectId;
}

const ORDER = { tree: 0, blob: 1, commit: 2 };

function parseEntries(output: Buffer, prefix: string): BlobEntry[] {
  return output
    .toString('utf8')
    .split('\0')
    .flatMap((record) => {
      const match = /^(\d{6}) (tree|blob|commit) ([0-9a-f]+)(?: +(\d+|-))?\t(.*)$/s.exec(record);
      if (!match) return [];
      const path = prefix + match[5]!;
      const [mode, type, id] = [match[1]!, match[2] as TreeEntry['type'], match[3] as ObjectId];
      return [{ id, name: path.slice(path.lastIndexOf('/') + 1), type, path, mode, size: Number(match[4]) || 0 }];
    });
}

/**
 * The entries below `path` ('' is the root) at a commit: folders first, then files, then submodules, each in git's order.
 * Throws `path_missing` when there is no such folder, `invalid_path`.
 */
export async function listTree(
  repositories: Repositories,
  id: number,
  options: { commitId: ObjectId; path?: string; recursive?: boolean },
): Promise<TreeEntry[]> {
  const folder = (options.path ?? '').replace(/^\/+|\/+$/g, '');
  if (folder !== '' && !parseReadPath(folder)) throw new RepositoryError('path_missing', folder);
  const args = ['ls-tree', '-z', ...(options.recursive ? ['-r', '-t'] : []), `${options.commitId}:${folder}`];
  const result = await repositories.run(id, args);
  if (result.code !== 0) throw new RepositoryError('path_missing', folder);
  const entries = parseEntries(result.stdout, folder === '' ? '' : `${folder}/`);
  return entries.map(({ size: _, ...entry }) => entry).sort((a, b) => ORDER[a.type] - ORDER[b.type]);
}

/** What lies at each path of a commit, folders included; paths with nothing there are left out. */
export async function lookUpPaths(
  repositories: Repositories,
  id: number,
  commitId: ObjectId,
  paths: readonly string[],
): Promise<Map<string, BlobEntry>> {
  const found = new Map<string, BlobEntry>();
  for (let at = 0; at < paths.length; at += 200) {
    const chunk = paths.slice(at, at + 200);
    const output = await repositories.must(id, ['ls-tree', '-z', '-l', '-t', '--full-tree', commitId, '--', ...chunk]);
    for (const entry of parseEntries(output, '')) found.set(entry.path, entry);
  }
  return found;
}

/** The file at a path of a commit, without its content. Throws `path_missing` (folders and submodules included). */
export async function findFile(
  repositories: Repositories,
  id: number,
  commitId: ObjectId,
  path: string,
): Promise<BlobEntry & { path: TreePath }> {
  const parsed = parseReadPath(path);
  const entry = parsed && (await lookUpPaths(repositories, id, commitId, [parsed])).get(parsed);
  if (!parsed || entry?.type !== 'blob') throw new RepositoryError('path_missing', path);
  return { ...entry, path: parsed };
}

/** The file with its content and the commit that last changed it. Throws `path_missing`, `too_large` past `maxBytes`. */
export async function readFile(
  repositories: Repositories,
  id: number,
  options: { commitId: ObjectId; path: string; maxBytes?: number },
): Promise<FileContent> {
  const entry = await findFile(repositories, id, options.commitId, options.path);
  const content = await readBlob(repositories, id, entry.id, options.maxBytes);
  const last = await lastCommitOf(repositories, id, options.commitId, entry.path);
  return { ...entry, content, commitId: options.commitId, lastCommitId: last ?? options.commitId };
}

/** A blob's size in bytes. Throws `path_missing` when the id is no blob of this repository. */
export async function blobSize(repositories: Repositories, id: number, blobId: ObjectId): Promise<number> {
  const output = await repositories.must(id, ['cat-file', '--batch-check'], { input: `${blobId}\n` });
  const match = /^[0-9a-f]+ blob (\d+)\n$/.exec(output.toString('utf8'));
  if (!match) throw new RepositoryError('path_missing', blobId);
  return Number(match[1]);
}

/** A whole blob in memory; `maxBytes` (default 64 MiB) bounds it. Throws `path_missing`, `too_large`. */
export async function readBlob(
  repositories: Repositories,
  id: number,
  blobId: ObjectId,
  maxBytes = 64 * 1024 * 1024,
): Promise<Buffer> {
  const result = await repositories.run(id, ['cat-file', 'blob', blobId], { maxOutput: maxBytes });
  if (result.code !== 0) throw new RepositoryError('path_missing', blobId);
  return result.stdout;
}

/** A blob as a stream with its size, for raw downloads. Destroying the stream ends git. Throws `path_missing`. */
export async function openBlob(
  repositories: Repositories,
  id: number,
  blobId: ObjectId,
  options: { signal?: AbortSignal; key?: string } = {},
): Promise<{ size: number; stream: Readable }> {
  const size = await blobSize(repositories, id, blobId);
  const args = [`--git-dir=${repositories.path(id)}`, 'cat-file', 'blob', blobId];
  const child = await repositories.git.spawn(args, options);
  child.stdin.end();
  child.stdout.once('close', () => child.kill());
  return { size, stream: child.stdout };
}

// What changed between two trees, file by file, as unified diff text. Sizes are bounded: a file or a whole comparison that is
// too large keeps its names and loses its text, as it does on GitLab.

import { mergeBase } from './ancestry.ts';
import { type Commit, listCommits, readCommit } from './commits.ts';
import { RepositoryError } from './errors.ts';
import type { ObjectId } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

export interface FileDiff {
  readonly oldPath: string;
  readonly newPath: string;
  /** `0` when the file is new. */
  readonly aMode: string;
  /** `0` when the file is deleted. */
  readonly bMode: string;
  /** From the first `@@` on; empty when there is no text to show. */
  readonly diff: string;
  readonly newFile: boolean;
  readonly renamedFile: boolean;
  readonly deletedFile: boolean;
  /** The text was left out because it is too large. */
  readonly tooLarge: boolean;
}

const FILE_LIMIT = 200 * 1024;
const TOTAL_LIMIT = 16 * 1024 * 1024;
const FILES = 3000;

/** Every object id in SHA-1 repositories has this neighbour: the tree with nothing in it. */
const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

interface RawChange {
  readonly aMode: string;
  readonly bMode: string;
  readonly status: string;
  readonly oldPath: string;
  readonly newPath: string;
}

function parseRaw(fields: string[]): RawChange[] {
  const changes: RawChange[] = [];
  for (let at = 0; at < fields.length; ) {
    const head = /^:(\d{6}) (\d{6}) [0-9a-f]+ [0-9a-f]+ ([A-Z])\d*$/.exec(fields[at] ?? '');
    if (!head) break;
    const [aMode, bMode, status] = [head[1]!, head[2]!, head[3]!];
    const oldPath = fields[at + 1] ?? '';
    const moved = status === 'R' || status === 'C';
    changes.push({ aMode, bMode, status, oldPath, newPath: moved ? (fields[at + 2] ?? '') : oldPath });
    at += moved ? 3 : 2;
  }
  return changes;
}

/** Cuts a patch into its files. Only headers begin with `diff --git`: lines of content begin with ` `, `+`, `-` or `\`. */
function cutPatch(patch: string): string[] {
  return patch.split(/^(?=diff --git )/m).filter((piece) => piece !== '');
}

function body(piece: string): string {
  const hunk = /^@@ /m.exec(piece);
  if (hunk) return piece.slice(hunk.index);
  return /^Binary files .*$/m.exec(piece)?.[0].concat('\n') ?? '';
}

function toFileDiff(change: RawChange, diff: string, tooLarge: boolean): FileDiff {
  return {
    oldPath: change.oldPath,
    newPath: change.newPath,
    aMode: change.aMode === '000000' ? '0' : change.aMode,
    bMode: change.bMode === '000000' ? '0' : change.bMode,
    diff,
    newFile: change.status === 'A',
    renamedFile: change.status === 'R',
    deletedFile: change.status === 'D',
    tooLarge,
  };
}

/** The changes from one commit (null: from nothing) to another. Throws `commit_missing`, `timed_out`. */
export async function diffTrees(
  repositories: Repositories,
  id: number,
  from: ObjectId | null,
  to: ObjectId,
): Promise<FileDiff[]> {
  const trees = [from ?? EMPTY_TREE, to, '--'];
  const flags = [
    'diff-tree',
    '-r',
    '-z',
    '-M',
    '-l1000',
    '--full-index',
    '--no-color',
    '--no-ext-diff',
    '--no-textconv',
  ];
  const raw = await repositories.run(id, [...flags, '--raw', ...trees]);
  if (raw.code !== 0) throw new RepositoryError('commit_missing');
  const changes = parseRaw(raw.stdout.toString('utf8').split('\0')).slice(0, FILES);
  const patch = await repositories
    .run(id, [...flags, '-p', ...trees], { maxOutput: TOTAL_LIMIT })
    .catch((error: unknown) => {
      if (error instanceof RepositoryError && error.code === 'too_large') return null;
      throw error;
    });
  if (patch === null) return changes.map((change) => toFileDiff(change, '', true));
  const pieces = cutPatch(patch.stdout.toString('utf8'));
  let at = 0;
  return changes.map((change) => {
    // A file that turned into a link (or back) is shown as a deletion and a creation.
    const count = change.status === 'T' ? 2 : 1;
    const text = pieces
      .slice(at, at + count)
      .map(body)
      .join('');
    at += count;
    const tooLarge = text.length > FILE_LIMIT;
    return toFileDiff(change, tooLarge ? '' : text, tooLarge);
  });
}

/** What a commit changed against its first parent. */
export async function diffOfCommit(repositories: Repositories, id: number, commitId: ObjectId): Promise<FileDiff[]> {
  const commit = await readCommit(repositories, id, commitId);
  return diffTrees(repositories, id, commit.parentIds[0] ?? null, commitId);
}

export interface Comparison {
  /** The newest of `commits`, or null. */
  readonly commit: Commit | null;
  /** Oldest first. */
  readonly commits: readonly Commit[];
  readonly diffs: readonly FileDiff[];
  readonly compareTimeout: boolean;
  readonly compareSameRef: boolean;
}

/** What `to` has that `from` has not; from their merge base on unless `straight` (reference git-and-deploy 12.8). */
export async function compare(
  repositories: Repositories,
  id: number,
  options: { from: ObjectId; to: ObjectId; straight?: boolean; limit?: number },
): Promise<Comparison> {
  const { from, to } = options;
  const newest = await listCommits(repositories, id, { from: to, exclude: from, limit: options.limit ?? 1000 });
  const base = options.straight ? from : ((await mergeBase(repositories, id, [from, to])) ?? from);
  let compareTimeout = false;
  const diffs = await diffTrees(repositories, id, base, to).catch((error: unknown) => {
    if (!(error instanceof RepositoryError) || error.code !== 'timed_out') throw error;
    compareTimeout = true;
    return [];
  });
  return {
    commit: newest[0] ?? null,
    commits: newest.toReversed(),
    diffs,
    compareTimeout,
    compareSameRef: from === to,
  };
}

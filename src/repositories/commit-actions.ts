// A commit made of file actions, as the REST API sends them (reference git-and-deploy 12.7, 12.8). Plumbing only: an index in
// a private folder, never a checked-out tree, so no link is followed and no hook or filter of the content runs.
import { isAncestor } from './ancestry.ts';
import { lastCommitOf } from './commits.ts';
import { openDraft, type Signature, writeBlobs } from './drafts.ts';
import { RepositoryError } from './errors.ts';
import type { PreparedCommit } from './prepared.ts';
import { branchRef, type ObjectId, parseBranchName, parseTreePath, type TreePath } from './ref-names.ts';
import { isEmpty, mustResolve, readRefs } from './refs.ts';
import type { Repositories } from './repository-files.ts';
import { lookUpPaths } from './trees.ts';

export interface CommitAction {
  readonly action: 'create' | 'update' | 'delete' | 'move' | 'chmod';
  readonly filePath: string;
  /** `move` only: where the file is now. */
  readonly previousPath?: string;
  /** The file's bytes; left out in a move: they stay as they are. */
  readonly content?: Buffer;
  /** The commit that the caller believes changed the file last; checked when given. */
  readonly lastCommitId?: string;
  readonly executeFilemode?: boolean;
}

export interface CommitRequest {
  readonly branch: string;
  readonly message: string;
  readonly actions: readonly CommitAction[];
  readonly author: Signature;
  readonly committer: Signature;
  /** A revision that a new branch (or, with `force`, an existing one) starts from. */
  readonly startBranch?: string;
  readonly startSha?: string;
  readonly force?: boolean;
}

interface Slot {
  readonly mode: string;
  readonly id: ObjectId | number;
}

/** The files as the actions so far leave them: what the parent has, overlaid with what was set (null: removed). */
class Overlay {
  readonly #base: ReadonlyMap<string, { type: string; mode: string; id: ObjectId }>;
  readonly changes = new Map<string, Slot | null>();

  constructor(base: ReadonlyMap<string, { type: string; mode: string; id: ObjectId }>) {
    this.#base = base;
  }

  /** The file at `path` now, or null. */
  file(path: string): Slot | null {
    const changed = this.changes.get(path);
    if (changed !== undefined) return changed;
    const entry = this.#base.get(path);
    return entry && entry.type === 'blob' ? entry : null;
  }

  /** Puts a file where none is. Throws `file_exists` when a file, a folder, a submodule or a file as its parent is in the way. */
  create(path: string, slot: Slot): void {
    const taken = this.#base.get(path);
    const folder = taken !== undefined && taken.type !== 'blob' && !this.changes.has(path);
    if (this.file(path) || folder || this.#hasBelow(path)) throw new RepositoryError('file_exists', path);
    for (const parent of parentsOf(path)) {
      const submodule = this.#base.get(parent)?.type === 'commit';
      if (this.file(parent) || submodule) throw new RepositoryError('file_exists', parent);
    }
    this.changes.set(path, slot);
  }

  #hasBelow(path: string): boolean {
    for (const [other, slot] of this.changes) if (slot !== null && other.startsWith(`${path}/`)) return true;
    return false;
  }
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}

function treePath(text: string | undefined): TreePath {
  const path = parseTreePath(text ?? '');
  if (!path) throw new RepositoryError('invalid_path', text ?? '');
  return path;
}

/** What lies at each path, and what lies at the topmost parent that is no folder. */
async function readBase(repositories: Repositories, id: number, parent: ObjectId, paths: readonly string[]) {
  const base = await lookUpPaths(repositories, id, parent, paths);
  const unseen = new Set<string>();
  for (const path of paths) {
    const top = parentsOf(path).find((folder) => base.get(folder)?.type !== 'tree');
    if (top !== undefined) unseen.add(top);
  }
  for (const [path, entry] of await lookUpPaths(repositories, id, parent, [...unseen])) base.set(path, entry);
  return base;
}

/** Where the new commit goes and what it stands on. */
async function findStart(repositories: Repositories, id: number, request: CommitRequest) {
  const branch = parseBranchName(request.branch);
  if (!branch) throw new RepositoryError('invalid_branch_name', request.branch);
  const oldId = (await readRefs(repositories, id, [branchRef(branch)])).get(branchRef(branch)) ?? null;
  const sameBranch = request.startBranch === undefined || request.startBranch === request.branch;
  const named = request.startSha ?? (sameBranch ? undefined : request.startBranch);
  if (named === undefined) {
    if (oldId === null && !(await isEmpty(repositories, id))) {
      throw new RepositoryError('branch_missing', request.branch);
    }
    return { branch, oldId, parent: oldId, forced: false };
  }
  if (oldId !== null && !request.force) throw new RepositoryError('branch_exists', request.branch);
  const only = request.startSha === undefined ? ('branch' as const) : undefined;
  const parent = await mustResolve(repositories, id, named, only);
  const forced = oldId !== null && !(await isAncestor(repositories, id, oldId, parent));
  return { branch, oldId, parent, forced };
}

/**
 * Writes the commit, moves nothing. Throws `invalid_branch_name`, `branch_exists`, `branch_missing`, `reference_missing`,
 * `invalid_path`, `file_exists`, `file_missing`, `stale_commit`, `invalid_commit`. Publish or discard what it answers.
 */
export async function prepareCommit(
  repositories: Repositories,
  id: number,
  request: CommitRequest,
): Promise<PreparedCommit> {
  const { branch, oldId, parent, forced } = await findStart(repositories, id, request);
  const paths = request.actions.flatMap((action) =>
    action.action === 'move' ? [treePath(action.filePath), treePath(action.previousPath)] : [treePath(action.filePath)],
  );
  const overlay = new Overlay(parent ? await readBase(repositories, id, parent, [...new Set(paths)]) : new Map());
  const contents: Buffer[] = [];
  for (const action of request.actions) {
    await checkLastCommit(repositories, id, parent, action);
    apply(overlay, action, contents);
  }
  const draft = await openDraft(repositories, id);
  try {
    const blobs = await writeBlobs(draft, contents);
    await draft.git(parent ? ['read-tree', parent] : ['read-tree', '--empty']);
    const lines = [...overlay.changes]
      // Removals first: a file may take the place of a folder that this commit empties.
      .sort(([, a], [, b]) => Number(a !== null) - Number(b !== null))
      .map(([path, slot]) => {
        if (slot === null) return `0 ${'0'.repeat(40)}\t${path}\0`;
        return `${slot.mode} ${typeof slot.id === 'number' ? blobs[slot.id] : slot.id}\t${path}\0`;
      });
    await draft.git(['update-index', '-z', '--index-info'], { input: lines.join('') });
    const tree = (await draft.git(['write-tree'])).toString('utf8').trim() as ObjectId;
    const { message, author, committer } = request;
    const newId = await draft.commit({ tree, parents: parent ? [parent] : [], message, author, committer });
    return { repositoryId: id, branch, newId, oldId, forced, draft };
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

async function checkLastCommit(
  repositories: Repositories,
  id: number,
  parent: ObjectId | null,
  action: CommitAction,
): Promise<void> {
  if (!action.lastCommitId || !parent || action.action === 'create') return;
  const path = treePath(action.action === 'move' ? action.previousPath : action.filePath);
  const last = await lastCommitOf(repositories, id, parent, path);
  if (last !== null && last !== action.lastCommitId) throw new RepositoryError('stale_commit', path);
}

function apply(overlay: Overlay, action: CommitAction, contents: Buffer[]): void {
  const path = treePath(action.filePath);
  const store = (content: Buffer): number => contents.push(content) - 1;
  const modeOf = (mode: string) =>
    action.executeFilemode === undefined || mode === '120000' ? mode : action.executeFilemode ? '100755' : '100644';
  if (action.action === 'create') {
    overlay.create(path, { mode: modeOf('100644'), id: store(action.content ?? Buffer.alloc(0)) });
    return;
  }
  const source = action.action === 'move' ? treePath(action.previousPath) : path;
  const file = overlay.file(source);
  if (!file) throw new RepositoryError('file_missing', source);
  if (action.action === 'delete') {
    overlay.changes.set(path, null);
  } else if (action.action === 'chmod') {
    overlay.changes.set(path, { mode: modeOf(file.mode), id: file.id });
  } else if (action.action === 'update') {
    // The content of a link would be its target; a file that is written through the API is a file.
    const mode = file.mode === '120000' ? '100644' : file.mode;
    overlay.changes.set(path, { mode: modeOf(mode), id: store(action.content ?? Buffer.alloc(0)) });
  } else {
    overlay.changes.set(source, null);
    overlay.create(path, {
      mode: modeOf(file.mode),
      id: action.content === undefined ? file.id : store(action.content),
    });
  }
}

// Cherry-pick and revert without a checked-out tree. Three stand-in commits (base, ours, theirs) give git's own merge exactly
// the three trees it must weigh; this works from git 2.38 on, before `merge-tree` learned to be told its base.
import { readCommit } from './commits.ts';
import { type Draft, openDraft, type Signature } from './drafts.ts';
import { GitFailed, RepositoryError } from './errors.ts';
import type { PreparedCommit } from './prepared.ts';
import { branchRef, type ObjectId, parseBranchName } from './ref-names.ts';
import { readRefs } from './refs.ts';
import type { Repositories } from './repository-files.ts';

export interface PickRequest {
  /** The commit to repeat or to take back. A merge counts against its first parent. */
  readonly commitId: ObjectId;
  /** The branch that gets it. */
  readonly branch: string;
  readonly committer: Signature;
  /** Left out: the commit's own message, or git's words for a revert. */
  readonly message?: string;
}

/** Prepares `branch` + what a commit changed. Throws `branch_missing`, `commit_missing`, `merge_conflict`, `empty_commit`, `unsupported`. */
export async function prepareCherryPick(
  repositories: Repositories,
  id: number,
  request: PickRequest,
): Promise<PreparedCommit> {
  const commit = await readCommit(repositories, id, request.commitId);
  const before = await parentTree(repositories, id, commit.parentIds[0]);
  const author = {
    name: commit.authorName || request.committer.name,
    email: commit.authorEmail,
    time: Date.parse(commit.authoredDate),
  };
  const message = request.message ?? commit.message;
  return prepare(repositories, id, request, { base: before, theirs: commit.treeId, author, message });
}

/** Prepares `branch` - what a commit changed. Errors as in `prepareCherryPick`. */
export async function prepareRevert(
  repositories: Repositories,
  id: number,
  request: PickRequest,
): Promise<PreparedCommit> {
  const commit = await readCommit(repositories, id, request.commitId);
  const before = await parentTree(repositories, id, commit.parentIds[0]);
  const message = request.message ?? `Revert "${commit.title}"\n\nThis reverts commit ${commit.id}.`;
  return prepare(repositories, id, request, {
    base: commit.treeId,
    theirs: before,
    author: request.committer,
    message,
  });
}

async function parentTree(repositories: Repositories, id: number, parent: ObjectId | undefined) {
  return parent ? (await readCommit(repositories, id, parent)).treeId : null;
}

interface Sides {
  /** Null: the empty tree, below a first commit. */
  readonly base: ObjectId | null;
  readonly theirs: ObjectId | null;
  readonly author: Signature;
  readonly message: string;
}

async function prepare(
  repositories: Repositories,
  id: number,
  request: PickRequest,
  sides: Sides,
): Promise<PreparedCommit> {
  const branch = parseBranchName(request.branch);
  const oldId = branch && (await readRefs(repositories, id, [branchRef(branch)])).get(branchRef(branch));
  if (!branch || !oldId) throw new RepositoryError('branch_missing', request.branch);
  const ours = (await readCommit(repositories, id, oldId)).treeId;
  // The stand-ins come along as unnamed objects; maintenance prunes them.
  const draft = await openDraft(repositories, id);
  try {
    const tree = await mergeTrees(draft, ours, sides, request.committer);
    if (tree === ours) throw new RepositoryError('empty_commit');
    const { author, message } = sides;
    const newId = await draft.commit({ tree, parents: [oldId], message, author, committer: request.committer });
    return { repositoryId: id, branch, newId, oldId, forced: false, draft };
  } catch (error) {
    await draft.discard();
    throw error;
  }
}

async function mergeTrees(draft: Draft, ours: ObjectId, sides: Sides, who: Signature): Promise<ObjectId> {
  const empty = async () => (await draft.git(['mktree'], { input: '' })).toString('utf8').trim() as ObjectId;
  const standIn = async (tree: ObjectId | null, parents: ObjectId[]) =>
    draft.commit({ tree: tree ?? (await empty()), parents, message: 'stand-in', author: who, committer: who });
  const base = await standIn(sides.base, []);
  const [left, right] = [await standIn(ours, [base]), await standIn(sides.theirs, [base])];
  const result = await draft.tryGit(['merge-tree', '--write-tree', '--no-messages', left, right]);
  if (result.code === 1) throw new RepositoryError('merge_conflict');
  if (/usage: git merge-tree/.test(result.stderr)) throw new RepositoryError('unsupported', 'git 2.38 is needed');
  if (result.code !== 0) throw new GitFailed('merge-tree', result.code, result.stderr);
  return result.stdout.toString('utf8').split('\n', 1)[0] as ObjectId;
}

// A commit that is written and waits for a decision: prepared, then published or discarded. Between the two the caller asks
// whether the branch may move, with what only this room knows (is it new, is it forced).
import type { Draft } from './drafts.ts';
import { type BranchName, branchRef, type ObjectId } from './ref-names.ts';
import { updateRefs } from './refs.ts';
import type { Repositories } from './repository-files.ts';

export interface PreparedCommit {
  readonly repositoryId: number;
  readonly branch: BranchName;
  readonly newId: ObjectId;
  /** What the branch names now; null when it does not exist yet. */
  readonly oldId: ObjectId | null;
  /** The branch would lose commits. */
  readonly forced: boolean;
  readonly draft: Draft;
}

/**
 * Makes a prepared commit its branch's newest. Throws `stale_ref` when the branch moved since it was prepared, and
 * `ref_conflict`; then nothing is kept but unnamed objects, which maintenance removes.
 */
export async function publish(repositories: Repositories, prepared: PreparedCommit): Promise<void> {
  const { repositoryId, branch, newId, oldId, draft } = prepared;
  try {
    await draft.keep();
    await updateRefs(repositories, repositoryId, [{ ref: branchRef(branch), newId, oldId }]);
  } finally {
    await draft.discard();
  }
}

/** Forgets a prepared commit. Call it whenever `publish` is not called. */
export async function discard(prepared: PreparedCommit): Promise<void> {
  await prepared.draft.discard();
}

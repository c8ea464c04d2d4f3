// Commits, diffs and blamed lines as JSON (reference git-and-deploy 12.6 to 12.8).
import type { Project } from '../../../identity/records.ts';
import type { BlameRange } from '../../../repositories/blame.ts';
import type { Commit, CommitStats } from '../../../repositories/commits.ts';
import type { FileDiff } from '../../../repositories/diffs.ts';
import type { House } from '../../../storage/house.ts';

type Address = Pick<House, 'url'>;

/** git's strict ISO date with the milliseconds that clients expect: `2026-01-31T07:59:35.000+01:00`. */
export function gitDate(text: string): string {
  return text.replace(/(T\d\d:\d\d:\d\d)(?=Z|[+-])/, '$1.000');
}

/** A commit as branches, tags and lists show it. */
export function presentCommit(house: Address, project: Pick<Project, 'full_path'>, commit: Commit) {
  return {
    id: commit.id,
    short_id: commit.id.slice(0, 8),
    created_at: gitDate(commit.committedDate),
    parent_ids: commit.parentIds,
    title: commit.title,
    message: commit.message,
    author_name: commit.authorName,
    author_email: commit.authorEmail,
    authored_date: gitDate(commit.authoredDate),
    committer_name: commit.committerName,
    committer_email: commit.committerEmail,
    committed_date: gitDate(commit.committedDate),
    trailers: commit.trailers,
    extended_trailers: Object.fromEntries(Object.entries(commit.trailers).map(([key, value]) => [key, [value]])),
    web_url: `${house.url}/${project.full_path}/-/commit/${commit.id}`,
  };
}

/** A single commit, with its numbers. */
export function presentSingleCommit(
  house: Address,
  project: Pick<Project, 'full_path' | 'id'>,
  commit: Commit,
  stats: CommitStats | null,
) {
  return {
    ...presentCommit(house, project, commit),
    ...(stats ? { stats } : {}),
    status: null,
    project_id: project.id,
    last_pipeline: null,
  };
}

/** One file of a diff. */
export function presentDiff(diff: FileDiff) {
  return {
    diff: diff.diff,
    collapsed: false,
    too_large: diff.tooLarge,
    new_path: diff.newPath,
    old_path: diff.oldPath,
    a_mode: diff.aMode,
    b_mode: diff.bMode,
    new_file: diff.newFile,
    renamed_file: diff.renamedFile,
    deleted_file: diff.deletedFile,
    generated_file: null,
  };
}

/** Lines that share a commit. */
export function presentBlame({ commit, lines }: BlameRange) {
  return {
    commit: {
      id: commit.id,
      parent_ids: commit.parentIds,
      message: commit.message,
      authored_date: gitDate(commit.authoredDate),
      author_name: commit.authorName,
      author_email: commit.authorEmail,
      committed_date: gitDate(commit.committedDate),
      committer_name: commit.committerName,
      committer_email: commit.committerEmail,
    },
    lines,
  };
}

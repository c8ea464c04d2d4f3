// The ways in which something asked of a repository can be impossible. A closed union with a stable `code`: doors put it in
// their own words. It knows no status numbers; a broken disk or a bug is not here but thrown as GitFailed.

export type RepositoryErrorCode =
  /** There is no such repository on disk. */
  | 'repository_missing'
  | 'branch_missing'
  | 'tag_missing'
  | 'commit_missing'
  /** A revision text names nothing here. */
  | 'reference_missing'
  /** No file, folder or blob of that name in the revision. */
  | 'path_missing'
  | 'branch_exists'
  | 'tag_exists'
  | 'invalid_branch_name'
  | 'invalid_tag_name'
  | 'invalid_path'
  /** A branch `a` stands in the way of a branch `a/b`, or the other way round. */
  | 'ref_conflict'
  /** The ref moved between reading and writing; nothing was written. */
  | 'stale_ref'
  /** The file changed since `last_commit_id`. */
  | 'stale_commit'
  | 'file_exists'
  | 'file_missing'
  /** The new tree equals the old one where a change was asked for. */
  | 'empty_commit'
  /** A cherry-pick or revert does not apply cleanly. */
  | 'merge_conflict'
  /** The content, message or name cannot be stored in a commit. */
  | 'invalid_commit'
  | 'too_large'
  /** git took longer than this kind of question may take. */
  | 'timed_out'
  /** A program that this needs (bzip2, a newer git) is not on the machine. */
  | 'unsupported';

/** An expected failure; `detail` is for people and never holds a server path. */
export class RepositoryError extends Error {
  readonly code: RepositoryErrorCode;
  readonly detail: string;

  constructor(code: RepositoryErrorCode, detail = '') {
    super(detail === '' ? code : `${code}: ${detail}`);
    this.name = 'RepositoryError';
    this.code = code;
    this.detail = detail;
  }
}

/** All places for git are taken and the queue is full: come back after `retryAfter` seconds (HTTP: 503 with Retry-After). */
export class GitBusy extends Error {
  readonly retryAfter: number;

  constructor(retryAfter: number) {
    super('too many git processes are running or waiting');
    this.name = 'GitBusy';
    this.retryAfter = retryAfter;
  }
}

/** git failed in a way nobody expected. `stderr` is for the log only. */
export class GitFailed extends Error {
  readonly exitCode: number;
  readonly stderr: string;

  constructor(command: string, exitCode: number, stderr: string) {
    super(`git ${command} failed with code ${exitCode}`);
    this.name = 'GitFailed';
    this.exitCode = exitCode;
    this.stderr = stderr;
  }
}

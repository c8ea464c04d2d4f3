// Commits as records: one, some, or a page of history. It reads and never writes; ids come in parsed, texts go in behind
// `=` or on stdin, so nothing that a client wrote can be taken for an option.
import { RepositoryError } from './errors.ts';
import { GitFailed } from './git.ts';
import { type ObjectId, parseObjectId, type TreePath } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

export interface Commit {
  readonly id: ObjectId;
  readonly treeId: ObjectId;
  readonly parentIds: readonly ObjectId[];
  /** The first line of the message. */
  readonly title: string;
  readonly message: string;
  readonly authorName: string;
  readonly authorEmail: string;
  /** ISO 8601 with the author's own zone, as git wrote it. */
  readonly authoredDate: string;
  readonly committerName: string;
  readonly committerEmail: string;
  readonly committedDate: string;
  /** `Signed-off-by: …` and the like; the last of a repeated key wins. */
  readonly trailers: Readonly<Record<string, string>>;
}

export interface CommitStats {
  readonly additions: number;
  readonly deletions: number;
  readonly total: number;
}

export interface LogOptions {
  /** Where to start; left out together with `all: true`. */
  readonly from?: ObjectId;
  /** Leave out what is reachable from here. */
  readonly exclude?: ObjectId;
  readonly all?: boolean;
  readonly path?: TreePath;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  /** Part of `Name <email>`, letter case ignored. */
  readonly author?: string;
  readonly firstParent?: boolean;
  readonly noMerges?: boolean;
  readonly oldestFirst?: boolean;
  readonly skip?: number;
  readonly limit?: number;
}

const FIELDS = ['H', 'T', 'P', 'an', 'ae', 'aI', 'cn', 'ce', 'cI', '(trailers:only,unfold)', 'B'];
const FORMAT = `--format=${FIELDS.map((field) => `%${field}`).join('%x00')}`;

/** Reads commits out of `git log -z` with FORMAT: a fixed number of NUL-ended fields each. */
function parseLog(output: Buffer): Commit[] {
  const fields = output.toString('utf8').split('\0');
  const commits: Commit[] = [];
  for (let at = 0; at + FIELDS.length <= fields.length; at += FIELDS.length) {
    const [id, tree, parents, an, ae, ad, cn, ce, cd, trailers, body] = fields.slice(
      at,
      at + FIELDS.length,
    ) as string[];
    const message = (body ?? '').replace(/^\n+/, '');
    commits.push({
      id: id as ObjectId,
      treeId: tree as ObjectId,
      parentIds: (parents ?? '').split(' ').filter((parent) => parent !== '') as ObjectId[],
      title: message.split(/\r?\n/, 1)[0] ?? '',
      message,
      authorName: an ?? '',
      authorEmail: ae ?? '',
      authoredDate: ad ?? '',
      committerName: cn ?? '',
      committerEmail: ce ?? '',
      committedDate: cd ?? '',
      trailers: parseTrailers(trailers ?? ''),
    });
  }
  return commits;
}

function parseTrailers(text: string): Record<string, string> {
  const trailers: [string, string][] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) trailers.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  return Object.fromEntries(trailers);
}

/** The commits with these ids, in their order. Throws `commit_missing` when one is not a commit of this repository. */
export async function readCommits(
  repositories: Repositories,
  id: number,
  commitIds: readonly ObjectId[],
): Promise<Commit[]> {
  if (commitIds.length === 0) return [];
  const unique = [...new Set(commitIds)];
  const args = ['log', '-z', FORMAT, '--no-walk=unsorted', '--stdin'];
  const result = await repositories.run(id, args, { input: unique.map((commitId) => `${commitId}\n`).join('') });
  if (result.code !== 0) throw new RepositoryError('commit_missing');
  const found = new Map(parseLog(result.stdout).map((commit) => [commit.id, commit]));
  return commitIds.map((commitId) => {
    const commit = found.get(commitId);
    if (!commit) throw new RepositoryError('commit_missing');
    return commit;
  });
}

/** One commit. Throws `commit_missing`. */
export async function readCommit(repositories: Repositories, id: number, commitId: ObjectId): Promise<Commit> {
  return (await readCommits(repositories, id, [commitId]))[0]!;
}

function walkArguments(options: LogOptions): string[] {
  const args: string[] = [];
  if (options.since !== undefined) args.push(`--since=${new Date(options.since).toISOString()}`);
  if (options.until !== undefined) args.push(`--until=${new Date(options.until).toISOString()}`);
  if (options.author !== undefined && options.author !== '') {
    if (/[\u0000\n]/.test(options.author)) throw new RepositoryError('reference_missing', 'author');
    args.push(`--author=${options.author}`, '--fixed-strings', '--regexp-ignore-case');
  }
  if (options.firstParent) args.push('--first-parent');
  if (options.noMerges) args.push('--no-merges');
  if (options.oldestFirst) args.push('--reverse');
  // Not --all: the forge's own hidden refs are nobody's history.
  if (options.all) args.push('--branches', '--tags');
  if (options.from) args.push(options.from);
  if (options.exclude) args.push(`^${options.exclude}`);
  args.push('--', ...(options.path ? [options.path] : []));
  return args;
}

/** A page of history, newest first. An empty repository has none. Throws `commit_missing` for an unknown start. */
export async function listCommits(repositories: Repositories, id: number, options: LogOptions): Promise<Commit[]> {
  if (!options.from && !options.all) return [];
  const page = [`--skip=${Math.trunc(options.skip ?? 0)}`, `--max-count=${Math.trunc(options.limit ?? 20)}`];
  const result = await repositories.run(id, ['log', '-z', FORMAT, ...page, ...walkArguments(options)]);
  if (result.code !== 0) throw historyError(result.stderr, result.code);
  return parseLog(result.stdout);
}

/** How many commits `listCommits` would give without skip and limit. */
export async function countCommits(repositories: Repositories, id: number, options: LogOptions): Promise<number> {
  if (!options.from && !options.all) return 0;
  const result = await repositories.run(id, ['rev-list', '--count', ...walkArguments(options)]);
  if (result.code !== 0) throw historyError(result.stderr, result.code);
  return Number(result.stdout.toString('utf8').trim());
}

function historyError(stderr: string, code: number): Error {
  return /bad object|bad revision/.test(stderr)
    ? new RepositoryError('commit_missing')
    : new GitFailed('log', code, stderr);
}

/** The newest commit at or before `from` that changed `path`; null when none did. */
export async function lastCommitOf(
  repositories: Repositories,
  id: number,
  from: ObjectId,
  path: TreePath,
): Promise<ObjectId | null> {
  const output = await repositories.must(id, ['rev-list', '--max-count=1', from, '--', path]);
  return parseObjectId(output.toString('utf8').trim());
}

/** Lines added and removed by each commit against its first parent. */
export async function commitStats(
  repositories: Repositories,
  id: number,
  commits: readonly Commit[],
): Promise<Map<ObjectId, CommitStats>> {
  const stats = new Map<ObjectId, CommitStats>();
  if (commits.length === 0) return stats;
  const input = commits.map((commit) => [commit.id, ...commit.parentIds.slice(0, 1)].join(' ')).join('\n');
  const args = ['diff-tree', '--stdin', '--root', '-r', '-m', '--numstat', '--no-renames'];
  const output = await repositories.must(id, args, { input: `${input}\n` });
  let current: ObjectId | null = null;
  for (const commit of commits) stats.set(commit.id, { additions: 0, deletions: 0, total: 0 });
  for (const line of output.toString('utf8').split('\n')) {
    const header = parseObjectId(line.split(' ', 1)[0] ?? '');
    if (header && stats.has(header)) {
      current = header;
      continue;
    }
    const counts = /^(\d+|-)\t(\d+|-)\t/.exec(line);
    if (!counts || !current) continue;
    const before = stats.get(current)!;
    const additions = before.additions + (Number(counts[1]) || 0);
    const deletions = before.deletions + (Number(counts[2]) || 0);
    stats.set(current, { additions, deletions, total: additions + deletions });
  }
  return stats;
}

export interface Contributor {
  readonly name: string;
  readonly email: string;
  readonly commits: number;
}

/** Who wrote how many commits (merges left out) up to `from`, most first. */
export async function listContributors(repositories: Repositories, id: number, from: ObjectId): Promise<Contributor[]> {
  const output = await repositories.must(id, ['shortlog', '-sne', '--no-merges', from, '--']);
  const contributors: Contributor[] = [];
  for (const line of output.toString('utf8').split('\n')) {
    const match = /^\s*(\d+)\t(.*) <([^<>]*)>$/.exec(line);
    if (match) contributors.push({ commits: Number(match[1]), name: match[2]!, email: match[3]! });
  }
  return contributors;
}

/** The kind of signature a commit carries, or null. The signature's text is git's own; nothing is verified. */
export async function readSignature(
  repositories: Repositories,
  id: number,
  commitId: ObjectId,
): Promise<{ type: 'PGP' | 'SSH' | 'X509'; signature: string } | null> {
  const result = await repositories.run(id, ['cat-file', 'commit', commitId]);
  if (result.code !== 0) throw new RepositoryError('commit_missing');
  const header = result.stdout.toString('utf8').split('\n\n', 1)[0] ?? '';
  const match = /^gpgsig(?:-sha256)? (.*(?:\n .*)*)/m.exec(header);
  if (!match) return null;
  const signature = match[1]!.replace(/\n /g, '\n');
  const type = signature.includes('BEGIN SSH') ? 'SSH' : signature.includes('BEGIN SIGNED MESSAGE') ? 'X509' : 'PGP';
  return { type, signature };
}

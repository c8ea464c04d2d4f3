// Branches and tags: listing, finding, resolving what a client calls a revision, and moving refs so that of two writers one
// wins and the other is told. Whether a ref is protected is not known here.
import { type Commit, readCommits } from './commits.ts';
import { RepositoryError } from './errors.ts';
import { GitFailed } from './git.ts';
import {
  type BranchName,
  branchRef,
  type ObjectId,
  parseBranchName,
  parseObjectId,
  parseRefName,
  parseTagName,
  type RefName,
  type TagName,
  tagRef,
} from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

export interface Branch {
  readonly name: BranchName;
  readonly commit: Commit;
}

export interface Tag {
  readonly name: TagName;
  /** What the ref names: the tag object of an annotated tag, else the commit. */
  readonly target: ObjectId;
  /** Null when the tag names a tree or a blob. */
  readonly commit: Commit | null;
  /** The annotation; null for a lightweight tag. */
  readonly message: string | null;
  /** ISO 8601; null for a lightweight tag. */
  readonly taggedAt: string | null;
}

export interface RefListOptions {
  /** Part of the name; `^x` anchors its start and `x$` its end (reference git-and-deploy 12.6). Letter case is ignored. */
  readonly search?: string;
  readonly match?: (name: string) => boolean;
  readonly sort?: 'name' | '-name' | 'updated' | '-updated';
  readonly offset?: number;
  readonly limit?: number;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** How many there are without offset and limit. */
  readonly total: number;
}

/** Whether `name` fits a `search` with its anchors. */
export function matchesSearch(name: string, search: string): boolean {
  const text = name.toLowerCase();
  let needle = search.toLowerCase();
  const start = needle.startsWith('^');
  const end = needle.endsWith('$');
  if (start) needle = needle.slice(1);
  if (end) needle = needle.slice(0, -1);
  if (start && end) return text === needle;
  if (start) return text.startsWith(needle);
  return end ? text.endsWith(needle) : text.includes(needle);
}

async function listNames(
  repositories: Repositories,
  id: number,
  prefix: string,
  options: RefListOptions,
): Promise<string[]> {
  const { sort = 'name', search, match } = options;
  const descending = sort.startsWith('-') ? '-' : '';
  const key = sort.endsWith('updated') ? 'creatordate' : 'refname';
  const args = ['for-each-ref', `--sort=${descending}${key}`, '--format=%(refname)', prefix];
  const names = (await repositories.must(id, args)).toString('utf8').split('\n');
  return names
    .filter((ref) => ref !== '')
    .map((ref) => ref.slice(prefix.length))
    .filter((name) => (search ? matchesSearch(name, search) : true) && (match ? match(name) : true));
}

function cut<T>(items: readonly T[], { offset = 0, limit }: RefListOptions): readonly T[] {
  return items.slice(offset, limit === undefined ? undefined : offset + limit);
}

/** What each revision names, asked in one go; null where it names nothing of that type. Lines must be free of line feeds. */
async function lookUp(
  repositories: Repositories,
  id: number,
  lines: readonly string[],
): Promise<({ id: ObjectId; type: string; size: number } | null)[]> {
  if (lines.length === 0) return [];
  const input = lines.map((line) => `${line}\n`).join('');
  const output = await repositories.must(id, ['cat-file', '--batch-check'], { input });
  const answers = output.toString('utf8').split('\n');
  return lines.map((_, index) => {
    const match = /^([0-9a-f]{40,64}) (commit|tree|blob|tag) (\d+)$/.exec(answers[index] ?? '');
    return match ? { id: match[1] as ObjectId, type: match[2]!, size: Number(match[3]) } : null;
  });
}

/** Branches with their commits. */
export async function listBranches(
  repositories: Repositories,
  id: number,
  options: RefListOptions = {},
): Promise<Page<Branch>> {
  const names = await listNames(repositories, id, 'refs/heads/', options);
  const page = cut(names, options);
  const ids = await lookUp(
    repositories,
    id,
    page.map((name) => `refs/heads/${name}^{commit}`),
  );
  const found = page.flatMap((name, index) => (ids[index] ? [{ name: name as BranchName, id: ids[index].id }] : []));
  const commits = await readCommits(
    repositories,
    id,
    found.map((branch) => branch.id),
  );
  return { items: found.map(({ name }, index) => ({ name, commit: commits[index]! })), total: names.length };
}

/** One branch. Throws `branch_missing`. */
export async function getBranch(repositories: Repositories, id: number, name: string): Promise<Branch> {
  const branch = parseBranchName(name);
  const commitId = branch && (await lookUp(repositories, id, [`${branchRef(branch)}^{commit}`]))[0]?.id;
  if (!branch || !commitId) throw new RepositoryError('branch_missing', name);
  return { name: branch, commit: (await readCommits(repositories, id, [commitId]))[0]! };
}

/** Tags with their commits and annotations. */
export async function listTags(
  repositories: Repositories,
  id: number,
  options: RefListOptions = {},
): Promise<Page<Tag>> {
  const names = await listNames(repositories, id, 'refs/tags/', options);
  return { items: await readTags(repositories, id, cut(names, options)), total: names.length };
}

/** One tag. Throws `tag_missing`. */
export async function getTag(repositories: Repositories, id: number, name: string): Promise<Tag> {
  const tag = parseTagName(name);
  const found = tag ? (await readTags(repositories, id, [tag]))[0] : undefined;
  if (!found) throw new RepositoryError('tag_missing', name);
  return found;
}

async function readTags(repositories: Repositories, id: number, names: readonly string[]): Promise<Tag[]> {
  if (names.length === 0) return [];
  const fields = ['refname', 'objectname', 'objecttype', 'taggerdate:iso8601-strict', 'contents'];
  const format = fields.map((field) => `%(${field})%00`).join('');
  // Past a few thousand names the argument list would grow too long: then all are read and the page is picked out.
  const patterns = names.length > 2000 ? ['refs/tags/'] : names.map((name) => `refs/tags/${name}`);
  const output = await repositories.must(id, ['for-each-ref', `--format=${format}`, ...patterns]);
  const texts = output.toString('utf8').split('\0');
  const records = new Map<string, { target: ObjectId; annotated: boolean; date: string; message: string }>();
  for (let at = 0; at + fields.length <= texts.length; at += fields.length) {
    const [ref, target, type, date, message] = texts.slice(at, at + fields.length) as [
      string,
      ObjectId,
      string,
      string,
      string,
    ];
    const name = ref.replace(/^\n/, '').slice('refs/tags/'.length);
    records.set(name, { target, annotated: type === 'tag', date, message });
  }
  const found = names.filter((name) => records.has(name));
  const ids = await lookUp(
    repositories,
    id,
    found.map((name) => `refs/tags/${name}^{commit}`),
  );
  const commitIds = ids.flatMap((entry) => (entry ? [entry.id] : []));
  const commits = new Map((await readCommits(repositories, id, commitIds)).map((commit) => [commit.id, commit]));
  return found.map((name, index) => {
    const record = records.get(name)!;
    const commitId = ids[index]?.id;
    return {
      name: name as TagName,
      target: record.target,
      commit: (commitId && commits.get(commitId)) ?? null,
      message: record.annotated ? record.message.replace(/\n$/, '') : null,
      taggedAt: record.annotated && record.date !== '' ? record.date : null,
    };
  });
}

/**
 * The commit that a client's text names: `HEAD`, a full id, a branch, a tag, `refs/heads/…`, `refs/tags/…` or at least seven
 * digits of an id, in that order, each with `~n` and `^n` behind it. Null when there is none. A branch wins over a tag of the
 * same name, so that nobody redirects a branch's readers by making a tag (decided).
 */
export async function resolve(
  repositories: Repositories,
  id: number,
  revision: string,
  only?: 'branch' | 'tag',
): Promise<ObjectId | null> {
  const parts = /^(.+?)((?:[~^][0-9]{0,4}){0,8})$/.exec(revision);
  if (!parts) return null;
  const base = parts[1]!;
  const steps = `${parts[2]}^{commit}`;
  const candidates: string[] = [];
  if (!only && base === 'HEAD') candidates.push(base);
  if (!only && parseObjectId(base)) candidates.push(base);
  if (only !== 'tag' && parseBranchName(base)) candidates.push(`refs/heads/${base}`);
  if (only !== 'branch' && parseTagName(base)) candidates.push(`refs/tags/${base}`);
  if (!only && /^refs\/(?:heads|tags)\//.test(base) && parseRefName(base)) candidates.push(base);
  if (!only && /^[0-9a-f]{7,63}$/.test(base)) candidates.push(base);
  const found = await lookUp(
    repositories,
    id,
    candidates.map((candidate) => candidate + steps),
  );
  return found.find((entry) => entry !== null)?.id ?? null;
}

/** Like `resolve`, and throws `reference_missing`. */
export async function mustResolve(
  repositories: Repositories,
  id: number,
  revision: string,
  only?: 'branch' | 'tag',
): Promise<ObjectId> {
  const found = await resolve(repositories, id, revision, only);
  if (!found) throw new RepositoryError('reference_missing', revision);
  return found;
}

/** The values of these refs now; null for one that does not exist. Compare before and after a push to know what moved. */
export async function readRefs(
  repositories: Repositories,
  id: number,
  refs: readonly RefName[],
): Promise<Map<RefName, ObjectId | null>> {
  const found = await lookUp(repositories, id, refs);
  return new Map(refs.map((ref, index) => [ref, found[index]?.id ?? null]));
}

/** The branch HEAD names, whether or not it exists yet. */
export async function defaultBranch(repositories: Repositories, id: number): Promise<BranchName | null> {
  const result = await repositories.run(id, ['symbolic-ref', '--quiet', 'HEAD']);
  const ref = result.stdout.toString('utf8').trim();
  return result.code === 0 && ref.startsWith('refs/heads/') ? parseBranchName(ref.slice('refs/heads/'.length)) : null;
}

/** Whether there is no branch at all. */
export async function isEmpty(repositories: Repositories, id: number): Promise<boolean> {
  return (
    (await repositories.must(id, ['for-each-ref', '--count=1', '--format=%(refname)', 'refs/heads/'])).length === 0
  );
}

/** The names of the branches whose commit is contained in `into`. */
export async function mergedBranches(repositories: Repositories, id: number, into: ObjectId): Promise<Set<string>> {
  const args = ['for-each-ref', `--merged=${into}`, '--format=%(refname:lstrip=2)', 'refs/heads/'];
  const names = (await repositories.must(id, args)).toString('utf8').split('\n');
  return new Set(names.filter((name) => name !== ''));
}

/** The branches and tags that contain a commit. */
export async function refsContaining(
  repositories: Repositories,
  id: number,
  commitId: ObjectId,
): Promise<{ type: 'branch' | 'tag'; name: string }[]> {
  const args = ['for-each-ref', `--contains=${commitId}`, '--format=%(refname)', 'refs/heads/', 'refs/tags/'];
  const result = await repositories.run(id, args);
  if (result.code !== 0) throw new RepositoryError('commit_missing');
  const refs = result.stdout.toString('utf8').split('\n');
  return refs.flatMap((ref) => {
    const match = /^refs\/(heads|tags)\/(.+)$/.exec(ref);
    return match ? [{ type: match[1] === 'heads' ? ('branch' as const) : ('tag' as const), name: match[2]! }] : [];
  });
}

export interface RefUpdate {
  readonly ref: RefName;
  /** Null deletes. */
  readonly newId: ObjectId | null;
  /** What the ref must name now; null: it must not exist. */
  readonly oldId: ObjectId | null;
}

/** Moves refs, all or none. Throws `stale_ref` when one is not what was expected, `ref_conflict` for `a` against `a/b`. */
export async function updateRefs(repositories: Repositories, id: number, updates: readonly RefUpdate[]): Promise<void> {
  const input = updates
    .map(({ ref, newId, oldId }) => {
      if (newId === null) return `delete ${ref}\0${oldId ?? ''}\0`;
      return oldId === null ? `create ${ref}\0${newId}\0` : `update ${ref}\0${newId}\0${oldId}\0`;
    })
    .join('');
  const result = await repositories.run(id, ['update-ref', '--stdin', '-z'], { input });
  if (result.code === 0) return;
  if (/cannot create '|exists; cannot|both .* and/.test(result.stderr)) throw new RepositoryError('ref_conflict');
  if (/cannot lock ref|unable to resolve|already exists|but expected|Unable to create/.test(result.stderr)) {
    throw new RepositoryError('stale_ref');
  }
  throw new GitFailed('update-ref', result.code, result.stderr);
}

/** Makes a branch at a revision. Throws `invalid_branch_name`, `reference_missing`, `branch_exists`, `ref_conflict`. */
export async function createBranch(
  repositories: Repositories,
  id: number,
  name: string,
  revision: string,
): Promise<Branch> {
  const branch = parseBranchName(name);
  if (!branch) throw new RepositoryError('invalid_branch_name', name);
  const newId = await mustResolve(repositories, id, revision);
  await updateRefs(repositories, id, [{ ref: branchRef(branch), newId, oldId: null }]).catch((error) => {
    throw error instanceof RepositoryError && error.code === 'stale_ref'
      ? new RepositoryError('branch_exists', name)
      : error;
  });
  return { name: branch, commit: (await readCommits(repositories, id, [newId]))[0]! };
}

/** Removes a branch and answers what it named. Throws `branch_missing`, or `stale_ref` when it just moved. */
export async function deleteBranch(repositories: Repositories, id: number, name: string): Promise<ObjectId> {
  const { name: branch, commit } = await getBranch(repositories, id, name);
  await updateRefs(repositories, id, [{ ref: branchRef(branch), newId: null, oldId: commit.id }]);
  return commit.id;
}

/** Removes a tag and answers what it named. Throws `tag_missing`, or `stale_ref` when it just moved. */
export async function deleteTag(repositories: Repositories, id: number, name: string): Promise<ObjectId> {
  const { name: tag, target } = await getTag(repositories, id, name);
  await updateRefs(repositories, id, [{ ref: tagRef(tag), newId: null, oldId: target }]);
  return target;
}

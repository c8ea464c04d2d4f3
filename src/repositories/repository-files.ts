// Where a repository lies on disk, and how it comes and goes. Repositories have numbers of their own here: names, projects
// and rights are for others to know. Everything that appears or vanishes does so in one rename.
import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { randomHex } from '../kernel/random.ts';
import { flushFolder } from '../storage/flush-folder.ts';
import { RepositoryError } from './errors.ts';
import { type Git, GitFailed, type GitResult, type GitRunOptions } from './git.ts';
import { parseBranchName } from './ref-names.ts';

export interface Repositories {
  readonly git: Git;
  /** other machines change repositories here too, so how a file looks from here may be old (a network's file system) */
  readonly shared: boolean;
  /** Makes an empty bare repository whose HEAD is `defaultBranch` (default `main`). One that exists is left as it is. */
  create(id: number, options?: { defaultBranch?: string }): Promise<void>;
  /** Makes a repository by letting `fill` write into a fresh one; it appears only when `fill` succeeds. False: one existed. */
  createFilled(id: number, defaultBranch: string, fill: (path: string) => Promise<void>): Promise<boolean>;
  exists(id: number): Promise<boolean>;
  /** Whether somebody is filling it, or left it half-made lately: what is half-made is removed with the trash. */
  isBeingMade(id: number): Promise<boolean>;
  /** Moves the repository into the trash; nothing happens when there is none. */
  delete(id: number): Promise<void>;
  /** Removes what has lain in the trash, or half-made, since before `olderThan` (milliseconds since 1970). Answers how many. */
  purgeTrash(olderThan: number): Promise<number>;
  /**
   * Removes everything half-made, whatever its age: for the start of the one server that makes repositories here, when nobody is
   * left who could finish it. Answers how many. Does nothing where other machines make repositories too.
   */
  clearHalfMade(): Promise<number>;
  /** The folder. For this room and the command line; never for an answer to a client. */
  path(id: number): string;
  /** Bytes on disk, all files counted. */
  size(id: number): Promise<number>;
  /** Points HEAD at a branch, which need not exist yet. Throws `invalid_branch_name`. */
  setHead(id: number, branch: string): Promise<void>;
  /** `git --git-dir=<repository> …args`, any exit code. Throws `repository_missing` when that is why it failed. */
  run(id: number, args: readonly string[], options?: GitRunOptions): Promise<GitResult>;
  /** Like `run`, and throws GitFailed unless the exit code is 0. */
  must(id: number, args: readonly string[], options?: GitRunOptions): Promise<Buffer>;
}

export interface RepositoriesOptions {
  readonly root: string;
  readonly git: Git;
  /** other machines have the same folder; false when left out */
  readonly shared?: boolean;
}

/** Repositories under `root`, which is made when it is missing. */
export function createRepositories({ root, git, shared = false }: RepositoriesOptions): Repositories {
  const trash = join(root, '+trash');
  const workshop = join(root, '+new');

  function path(id: number): string {
    if (!Number.isSafeInteger(id) || id < 1) throw new RangeError('a repository id is a positive integer');
    const digest = createHash('sha256').update(String(id)).digest('hex');
    return join(root, digest.slice(0, 2), digest.slice(2, 4), `${id}.git`);
  }

  async function run(id: number, args: readonly string[], options?: GitRunOptions): Promise<GitResult> {
    const result = await git.run([`--git-dir=${path(id)}`, ...args], options);
    if (result.code === 128 && !(await exists(id))) throw new RepositoryError('repository_missing');
    return result;
  }

  async function must(id: number, args: readonly string[], options?: GitRunOptions): Promise<Buffer> {
    const result = await run(id, args, options);
    if (result.code !== 0) throw new GitFailed(args[0] ?? '', result.code, result.stderr);
    return result.stdout;
  }

  async function exists(id: number): Promise<boolean> {
    return (await stat(join(path(id), 'HEAD')).catch(() => null)) !== null;
  }

  async function createFilled(
    id: number,
    defaultBranch: string,
    fill: (path: string) => Promise<void>,
  ): Promise<boolean> {
    const head = parseBranchName(defaultBranch);
    if (head === null) throw new RepositoryError('invalid_branch_name', defaultBranch);
    const target = path(id);
    if (await exists(id)) return false;
    const draft = join(workshop, `${id}-${randomHex(8)}.git`);
    await mkdir(workshop, { recursive: true });
    try {
      await git.must([
        'init',
        '--quiet',
        '--bare',
        '--template=',
        '--object-format=sha1',
        `--initial-branch=${head}`,
        draft,
      ]);
      await fill(draft);
      await mkdir(dirname(target), { recursive: true });
      await rename(draft, target);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      // Someone else made it meanwhile: theirs stands.
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
      throw error;
    }
    await flushFolders(root, target);
    return true;
  }

  return {
    git,
    shared,
    path,
    run,
    must,
    exists,
    createFilled,
    async isBeingMade(id) {
      const drafts = await readdir(workshop).catch(() => []);
      return drafts.some((name) => name.startsWith(`${id}-`));
    },
    async create(id, { defaultBranch = 'main' } = {}) {
      await createFilled(id, defaultBranch, async () => {});
    },
    async delete(id) {
      await mkdir(trash, { recursive: true });
      const grave = join(trash, `${id}-${randomHex(8)}.git`);
      try {
        await rename(path(id), grave);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
        throw error;
      }
      // The time of burial, not of the last push, is what purgeTrash compares.
      await touch(grave);
    },
    async purgeTrash(olderThan) {
      let purged = 0;
      for (const folder of [trash, workshop]) {
        for (const name of await readdir(folder).catch(() => [])) {
          const file = join(folder, name);
          const found = await stat(file).catch(() => null);
          if (!found || found.mtimeMs >= olderThan) continue;
          await rm(file, { recursive: true, force: true });
          purged += 1;
        }
      }
      return purged;
    },
    async clearHalfMade() {
      if (shared) return 0;
      const left = await readdir(workshop).catch(() => []);
      for (const name of left) await rm(join(workshop, name), { recursive: true, force: true });
      return left.length;
    },
    async size(id) {
      if (!(await exists(id))) throw new RepositoryError('repository_missing');
      return folderSize(path(id));
    },
    async setHead(id, branch) {
      const head = parseBranchName(branch);
      if (head === null) throw new RepositoryError('invalid_branch_name', branch);
      await must(id, ['symbolic-ref', 'HEAD', `refs/heads/${head}`]);
    },
  };
}

async function touch(file: string): Promise<void> {
  // A file made now carries the file system's own time, so no clock is asked here.
  const marker = join(file, `+${randomHex(4)}`);
  await (await open(marker, 'w')).close();
  const { mtime } = await stat(marker);
  await rm(marker);
  await utimes(file, mtime, mtime);
}

/** Makes the renames on the way from `root` to `target` durable. */
async function flushFolders(root: string, target: string): Promise<void> {
  for (let folder = dirname(target); folder.length >= root.length; folder = dirname(folder)) await flushFolder(folder);
}

async function folderSize(folder: string): Promise<number> {
  let total = 0;
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const file = join(folder, entry.name);
    if (entry.isDirectory()) total += await folderSize(file);
    else total += (await stat(file).catch(() => null))?.size ?? 0;
  }
  return total;
}

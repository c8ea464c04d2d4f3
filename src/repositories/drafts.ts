// Objects that are written but not yet anyone's: a draft keeps them in a folder of its own inside the repository, like git's
// quarantine for a push, until the ref may move. A draft that is refused leaves nothing behind.
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RepositoryError } from './errors.ts';
import type { GitRunOptions } from './git.ts';
import type { ObjectId } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';

/** Who wrote or committed, and when (milliseconds since 1970). */
export interface Signature {
  readonly name: string;
  readonly email: string;
  readonly time: number;
}

export interface Draft {
  readonly repositoryId: number;
  /** A private folder for an index or contents; vanishes with the draft. */
  readonly folder: string;
  /** Runs git so that it reads the repository and writes into the draft. Throws GitFailed on a non-zero exit. */
  git(args: readonly string[], options?: GitRunOptions): Promise<Buffer>;
  /** Like `git`, with the exit code for the caller to judge. */
  tryGit(args: readonly string[], options?: GitRunOptions): ReturnType<Repositories['run']>;
  /** Writes a commit object. Throws `invalid_commit` for a NUL in the message or an empty name. */
  commit(parts: {
    tree: ObjectId;
    parents: readonly ObjectId[];
    message: string;
    author: Signature;
    committer: Signature;
  }): Promise<ObjectId>;
  /** Moves the objects into the repository. A ref may name them afterwards. */
  keep(): Promise<void>;
  /** Removes the draft; harmless after `keep` and when repeated. */
  discard(): Promise<void>;
}

/** Opens a draft in a repository. Whoever opens it calls `discard` in the end, kept or not. */
export async function openDraft(repositories: Repositories, repositoryId: number): Promise<Draft> {
  if (!(await repositories.exists(repositoryId))) throw new RepositoryError('repository_missing');
  const objects = join(repositories.path(repositoryId), 'objects');
  // The name is the one of git's own quarantines, so that one sweep finds what a crash left of either.
  const folder = await mkdtemp(join(objects, 'tmp_objdir-incoming-'));
  const store = join(folder, 'objects');
  await mkdir(store);
  const env = {
    GIT_OBJECT_DIRECTORY: store,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: objects,
    GIT_INDEX_FILE: join(folder, 'index'),
  };
  const withEnv = (options?: GitRunOptions): GitRunOptions => ({ ...options, env: { ...env, ...options?.env } });
  const git = (args: readonly string[], options?: GitRunOptions) =>
    repositories.must(repositoryId, args, withEnv(options));

  return {
    repositoryId,
    folder,
    git,
    tryGit: (args, options) => repositories.run(repositoryId, args, withEnv(options)),
    async commit({ tree, parents, message, author, committer }) {
      if (message.includes('\0')) throw new RepositoryError('invalid_commit', 'message');
      const text = [
        `tree ${tree}`,
        ...parents.map((parent) => `parent ${parent}`),
        `author ${signatureLine(author)}`,
        `committer ${signatureLine(committer)}`,
        '',
        message.toWellFormed(),
      ].join('\n');
      const output = await git(['hash-object', '-t', 'commit', '-w', '--stdin'], { input: text });
      return output.toString('utf8').trim() as ObjectId;
    },
    async keep() {
      for (const fan of await readdir(store)) {
        if (!/^[0-9a-f]{2}$/.test(fan)) continue;
        await mkdir(join(objects, fan), { recursive: true });
        for (const file of await readdir(join(store, fan))) {
          if (/^[0-9a-f]+$/.test(file)) await rename(join(store, fan, file), join(objects, fan, file));
        }
      }
    },
    discard: () => rm(folder, { recursive: true, force: true }),
  };
}

/** `Name <email> seconds +0000`, without the signs that would end a field early. Throws `invalid_commit` when nothing is left. */
export function signatureLine({ name, email, time }: Signature): string {
  const clean = (text: string) =>
    text
      .toWellFormed()
      .replace(/[\u0000-\u001f\u007f<>]/g, '')
      .replace(/^[\s.,:;"'\\]+|[\s,:;"'\\]+$/g, '');
  const who = clean(name);
  if (who === '') throw new RepositoryError('invalid_commit', 'author');
  return `${who} <${clean(email).replace(/\s/g, '')}> ${Math.floor(time / 1000)} +0000`;
}

/** Writes contents as blobs, in their order, with two processes however many there are. */
export async function writeBlobs(draft: Draft, contents: readonly Buffer[]): Promise<ObjectId[]> {
  if (contents.length === 0) return [];
  const files: string[] = [];
  for (const [index, content] of contents.entries()) {
    const file = join(draft.folder, `content-${index}`);
    await writeFile(file, content, { mode: 0o600 });
    files.push(file);
  }
  const output = await draft.git(['hash-object', '-w', '--no-filters', '--stdin-paths'], {
    input: files.map((file) => `${file}\n`).join(''),
    timeout: 120_000,
  });
  for (const file of files) await rm(file);
  return output.toString('utf8').trim().split('\n') as ObjectId[];
}

// A revision as one file: tar, tar.gz, tar.bz2 or zip. The same revision gives the same bytes every time, because every
// time stamp inside is the commit's and the compressors write none of their own (reference git-and-deploy 12.8). Git writes it;
// only where LFS objects take the place of their pointers its tar is taken apart and put together again as it streams.
import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { inBlocks } from './blocks.ts';
import { RepositoryError } from './errors.ts';
import { GitFailed } from './git.ts';
import { type ArchivedObjects, withObjects } from './lfs-archive.ts';
import { type ObjectId, parseTreePath } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';
import { readTar } from './tar-entries.ts';
import { writeTar } from './tar-writer.ts';
import { lookUpPaths } from './trees.ts';
import { writeZip } from './zip-writer.ts';

export type ArchiveFormat = 'tar' | 'tar.gz' | 'tar.bz2' | 'zip';

const FORMATS: Readonly<Record<string, ArchiveFormat>> = {
  'tar.gz': 'tar.gz',
  tgz: 'tar.gz',
  gz: 'tar.gz',
  'tar.bz2': 'tar.bz2',
  tbz: 'tar.bz2',
  tbz2: 'tar.bz2',
  tb2: 'tar.bz2',
  bz2: 'tar.bz2',
  tar: 'tar',
  zip: 'zip',
};

/** Reads the ending of an archive's address, without its dot; null for an unknown one. */
export function parseArchiveFormat(text: string): ArchiveFormat | null {
  return Object.hasOwn(FORMATS, text) ? FORMATS[text]! : null;
}

export interface ArchiveOptions {
  readonly commitId: ObjectId;
  readonly format: ArchiveFormat;
  /** The folder that everything lies in, without slashes at its ends, such as `project-main-<sha>`. */
  readonly folder: string;
  /** Only what lies below this path. */
  readonly path?: string;
  /** LFS objects that stand in for their pointers; none when left out */
  readonly objects?: ArchivedObjects;
  readonly signal?: AbortSignal;
  readonly key?: string;
}

/**
 * The archive as a stream; destroying it ends git. It fails half-way only when git does.
 * Throws before there is a stream: `path_missing`, `invalid_path` for a bad folder, `unsupported` without bzip2.
 */
export async function openArchive(repositories: Repositories, id: number, options: ArchiveOptions): Promise<Readable> {
  const folder = parseTreePath(options.folder);
  if (!folder) throw new RepositoryError('invalid_path', options.folder);
  const within = (options.path ?? '').replace(/^\/+|\/+$/g, '');
  if (within !== '') {
    const path = parseTreePath(within);
    const found = path && (await lookUpPaths(repositories, id, options.commitId, [path])).has(path);
    if (!found) throw new RepositoryError('path_missing', within);
  }
  const objects = options.objects?.size ? options.objects : null;
  const bzip2 = options.format === 'tar.bz2' ? await findProgram('bzip2') : null;
  const args = [
    `--git-dir=${repositories.path(id)}`,
    'archive',
    `--format=${options.format === 'zip' && !objects ? 'zip' : 'tar'}`,
    `--prefix=${folder}/`,
    options.commitId,
    ...(within === '' ? [] : ['--', within]),
  ];
  const child = await repositories.git.spawn(args, { signal: options.signal, key: options.key });
  child.stdin.end();
  const output = new PassThrough();
  const source = objects ? exchanged(child.stdout, folder, objects, options.format) : child.stdout;
  const move = async () => {
    if (options.format === 'tar.gz') await pipeline(inBlocks(source), createGzip({ level: 6 }), output, { end: false });
    else if (bzip2 !== null) await compressWith(bzip2, source, output);
    else await pipeline(source, output, { end: false });
    return child.done;
  };
  move().then(
    (exit) => {
      if (exit.code !== 0) output.destroy(new GitFailed('archive', exit.code, exit.stderr));
      else output.end();
    },
    (error) => {
      child.kill();
      output.destroy(error as Error);
    },
  );
  return output;
}

/** Git's tar with the objects in it, as a tar or a zip. */
function exchanged(tar: Readable, folder: string, objects: ArchivedObjects, format: ArchiveFormat): Readable {
  const entries = withObjects(readTar(tar), folder, objects);
  // Headers and small files would each go to the socket alone.
  return Readable.from(inBlocks(format === 'zip' ? writeZip(entries) : writeTar(entries)), { highWaterMark: 4 });
}

async function compressWith(program: string, input: Readable, output: PassThrough): Promise<void> {
  const child = spawn(program, ['-c'], { stdio: ['pipe', 'pipe', 'ignore'], env: {} });
  const code = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  try {
    await Promise.all([pipeline(input, child.stdin), pipeline(child.stdout, output, { end: false })]);
    if ((await code) !== 0) throw new RepositoryError('unsupported', 'bzip2 failed');
  } finally {
    child.kill('SIGKILL');
    code.catch(() => {});
  }
}

async function findProgram(name: string): Promise<string> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name);
    if (
      folder !== '' &&
      (await access(file, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      return file;
  }
  throw new RepositoryError('unsupported', `${name} is not installed on the server`);
}

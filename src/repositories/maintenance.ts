// Keeping a repository quick and small, and copying it whole. Nothing here is asked for by a client directly; tasks run it.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DAY, HOUR } from '../kernel/clock.ts';
import { RepositoryError } from './errors.ts';
import type { GitRunOptions } from './git.ts';
import { parseRefName } from './ref-names.ts';
import { defaultBranch } from './refs.ts';
import type { Repositories } from './repository-files.ts';

/** The task that a push leaves behind, one a repository at a time; its payload is `{repositoryId}`. */
export const MAINTENANCE_TASK = 'maintain_repository';
/** How long pushes are gathered before their repository is maintained, in milliseconds. */
export const MAINTENANCE_DELAY = HOUR;

const LONG: GitRunOptions = { lane: 'maintenance', timeout: DAY / 4 };

/**
 * Repacks geometrically with a bitmap, writes the commit-graph, packs refs, removes unnamed objects after two weeks and the
 * quarantines that a crash left behind after a day. Safe beside readers and pushes. `now` is milliseconds since 1970.
 */
export async function maintain(repositories: Repositories, id: number, now: number): Promise<void> {
  if (!(await repositories.exists(id))) throw new RepositoryError('repository_missing');
  await sweepQuarantines(repositories, id, now - DAY);
  await repositories.must(id, ['pack-refs', '--all', '--prune'], LONG);
  await repositories.must(
    id,
    ['repack', '--geometric=2', '-d', '--write-midx', '--write-bitmap-index', '--quiet'],
    LONG,
  );
  await repositories.must(id, ['commit-graph', 'write', '--reachable', '--changed-paths', '--no-progress'], LONG);
  await repositories.must(id, ['prune', '--expire=14.days.ago'], LONG);
}

/** Removes quarantines of pushes and drafts untouched since `olderThan`. Answers how many. */
export async function sweepQuarantines(repositories: Repositories, id: number, olderThan: number): Promise<number> {
  const objects = join(repositories.path(id), 'objects');
  let swept = 0;
  for (const name of await readdir(objects).catch(() => [])) {
    if (!/^(?:tmp_objdir-)?incoming-/.test(name)) continue;
    const folder = join(objects, name);
    const found = await stat(folder).catch(() => null);
    if (!found || found.mtimeMs >= olderThan) continue;
    await rm(folder, { recursive: true, force: true });
    swept += 1;
  }
  return swept;
}

/**
 * Copies a repository's branches and tags, objects included, into a new one that shares nothing with it. False when the target
 * exists already. The copy appears whole or not at all. Throws `repository_missing`.
 */
export async function fork(repositories: Repositories, sourceId: number, targetId: number): Promise<boolean> {
  const { git } = repositories;
  const listing = await repositories.must(sourceId, [
    'for-each-ref',
    '--format=%(objectname) %(refname)',
    'refs/heads/',
    'refs/tags/',
  ]);
  const refs = listing
    .toString('utf8')
    .split('\n')
    .flatMap((line) => {
      const [objectId = '', ref = ''] = line.split(' ');
      return parseRefName(ref) ? [{ objectId, ref }] : [];
    });
  const head = (await defaultBranch(repositories, sourceId)) ?? 'main';
  return repositories.createFilled(targetId, head, async (path) => {
    if (refs.length === 0) return;
    const source = await git.spawn(
      [`--git-dir=${repositories.path(sourceId)}`, 'pack-objects', '--revs', '--stdout', '--delta-base-offset', '-q'],
      { lane: 'stream' },
    );
    const target = await git.spawn([`--git-dir=${path}`, 'index-pack', '--stdin', '--fix-thin'], {
      lane: 'maintenance',
    });
    source.stdout.pipe(target.stdin);
    target.stdout.resume();
    source.stdin.end(refs.map(({ objectId }) => `${objectId}\n`).join(''));
    const [packed, indexed] = await Promise.all([source.done, target.done.finally(() => source.kill())]);
    if (indexed.code !== 0 || packed.code !== 0) throw new Error(`copying a repository failed: ${indexed.stderr}`);
    const input = refs.map(({ objectId, ref }) => `create ${ref}\0${objectId}\0`).join('');
    await git.must([`--git-dir=${path}`, 'update-ref', '--stdin', '-z'], { input, timeout: 120_000 });
  });
}

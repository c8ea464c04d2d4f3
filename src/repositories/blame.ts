// Who last changed each line of a file: runs of lines that share a commit.
import { type Commit, readCommits } from './commits.ts';
import { RepositoryError } from './errors.ts';
import type { ObjectId } from './ref-names.ts';
import type { Repositories } from './repository-files.ts';
import { findFile } from './trees.ts';

export interface BlameRange {
  readonly commit: Commit;
  readonly lines: readonly string[];
}

/** The file's lines by commit, from line `start` to `end` (counted from 1, both included). Throws `path_missing`, also for a range outside the file. */
export async function blame(
  repositories: Repositories,
  id: number,
  options: { commitId: ObjectId; path: string; start?: number; end?: number },
): Promise<BlameRange[]> {
  const entry = await findFile(repositories, id, options.commitId, options.path);
  const limited = options.start !== undefined || options.end !== undefined;
  const range = limited
    ? [`-L${Math.trunc(options.start ?? 1)},${options.end === undefined ? '' : Math.trunc(options.end)}`]
    : [];
  const args = ['blame', '--porcelain', ...range, options.commitId, '--', entry.path];
  const result = await repositories.run(id, args, { timeout: 60_000 });
  if (result.code !== 0) throw new RepositoryError('path_missing', 'range');
  const runs: { id: ObjectId; lines: string[] }[] = [];
  for (const line of result.stdout.toString('utf8').split('\n')) {
    const head = /^([0-9a-f]{40,64}) \d+ \d+( \d+)?$/.exec(line);
    if (head?.[2]) {
      const last = runs.at(-1);
      if (last?.id !== head[1]) runs.push({ id: head[1] as ObjectId, lines: [] });
    } else if (line.startsWith('\t')) {
      runs.at(-1)?.lines.push(line.slice(1));
    }
  }
  const commits = await readCommits(
    repositories,
    id,
    runs.map((run) => run.id),
  );
  return runs.map((run, index) => ({ commit: commits[index]!, lines: run.lines }));
}

// Reading real repositories: refs, logs, trees, diffs, blame and archives, with names and paths that an attacker would choose.
import assert from 'node:assert/strict';
import { mkdir, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { openArchive } from '../../src/repositories/archive.ts';
import { blame } from '../../src/repositories/blame.ts';
import { prepareCommit } from '../../src/repositories/commit-actions.ts';
import {
  commitStats,
  countCommits,
  listCommits,
  listContributors,
  readSignature,
} from '../../src/repositories/commits.ts';
import { compare, diffOfCommit } from '../../src/repositories/diffs.ts';
import { openDraft } from '../../src/repositories/drafts.ts';
import { GitBusy, RepositoryError } from '../../src/repositories/errors.ts';
import { createGit } from '../../src/repositories/git.ts';
import { fork, maintain, sweepQuarantines } from '../../src/repositories/maintenance.ts';
import { publish } from '../../src/repositories/prepared.ts';
import {
  type ObjectId,
  parseBranchName,
  parseTagName,
  type RefName,
  startsWithObjectId,
} from '../../src/repositories/ref-names.ts';
import {
  createBranch,
  defaultBranch,
  deleteBranch,
  isEmpty,
  listBranches,
  listTags,
  refsContaining,
  resolve,
  updateRefs,
} from '../../src/repositories/refs.ts';
import { createTag } from '../../src/repositories/tags.ts';
import { listTree, openBlob, readFile } from '../../src/repositories/trees.ts';
import { commitFiles, openRoom, WHO } from './harness.ts';

const HOSTILE = [
  '-x',
  '--upload-pack=x',
  'a\nb',
  'a\0b',
  'a..b',
  'a b',
  '@{-1}',
  'a.lock',
  '/a',
  'a//b',
  '.a',
  'a/.b',
  'a:b',
  'HEAD',
  '',
  '@',
];

test('hostile names are no branch and no tag, and resolve to nothing', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A' });
  for (const name of HOSTILE) {
    assert.equal(parseBranchName(name), null, name);
    assert.equal(parseTagName(name), null, name);
    if (name !== 'HEAD') assert.equal(await resolve(room.repositories, 1, name), null, name);
    await assert.rejects(createBranch(room.repositories, 1, name, 'main'), RepositoryError);
  }
  assert.equal(startsWithObjectId('a'.repeat(40)), true);
  assert.equal(startsWithObjectId('main'), false);
});

test('an empty repository answers every question with nothing', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1, { defaultBranch: 'trunk' });
  await room.repositories.create(1);
  assert.equal(await defaultBranch(room.repositories, 1), 'trunk');
  assert.equal(await isEmpty(room.repositories, 1), true);
  assert.deepEqual(await listBranches(room.repositories, 1), { items: [], total: 0 });
  assert.deepEqual(await listCommits(room.repositories, 1, { all: true }), []);
  assert.equal(await resolve(room.repositories, 1, 'HEAD'), null);
  await assert.rejects(listBranches(room.repositories, 2), { code: 'repository_missing' });
});

test('branches and tags are listed, searched, resolved and removed', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const first = await commitFiles(room, 1, 'main', { a: 'A' }, { message: 'one\n\nSigned-off-by: Ada' });
  await createBranch(room.repositories, 1, 'feature/x', 'main');
  await assert.rejects(createBranch(room.repositories, 1, 'main', 'main'), { code: 'branch_exists' });
  await assert.rejects(createBranch(room.repositories, 1, 'feature', 'main'), { code: 'ref_conflict' });
  await createTag(room.repositories, 1, { name: 'v1', revision: 'main', message: 'one\ntwo', tagger: WHO });
  await createTag(room.repositories, 1, { name: 'v0', revision: first, tagger: WHO });
  await assert.rejects(createTag(room.repositories, 1, { name: 'v1', revision: 'main', tagger: WHO }), {
    code: 'tag_exists',
  });
  const tags = (await listTags(room.repositories, 1)).items;
  assert.deepEqual(
    tags.map((tag) => [tag.name, tag.message, tag.commit?.id]),
    [
      ['v0', null, first],
      ['v1', 'one\ntwo', first],
    ],
  );
  const found = await listBranches(room.repositories, 1, { search: '^feat' });
  assert.deepEqual(
    found.items.map((branch) => branch.name),
    ['feature/x'],
  );
  assert.deepEqual(found.items[0]!.commit.trailers, { 'Signed-off-by': 'Ada' });
  for (const revision of ['main', 'v1', 'HEAD', first, first.slice(0, 8), 'refs/heads/main']) {
    assert.equal(await resolve(room.repositories, 1, revision), first, revision);
  }
  assert.equal((await refsContaining(room.repositories, 1, first)).length, 4);
  assert.equal(await deleteBranch(room.repositories, 1, 'feature/x'), first);
  await assert.rejects(deleteBranch(room.repositories, 1, 'feature/x'), { code: 'branch_missing' });
});

test('history, statistics, diffs, comparison and blame say what changed', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const { repositories } = room;
  const one = await commitFiles(room, 1, 'main', { a: '1\n2\n', 'd/b': 'B\n' }, { message: 'first' });
  const two = await commitFiles(room, 1, 'side', { a: null, c: 'x\n' }, { message: 'second', startBranch: 'main' });
  const log = await listCommits(repositories, 1, { from: two });
  assert.deepEqual(
    log.map((commit) => commit.title),
    ['second', 'first'],
  );
  assert.equal(await countCommits(repositories, 1, { from: two }), 2);
  assert.equal(await countCommits(repositories, 1, { from: two, author: 'ADA' }), 2);
  assert.equal(await countCommits(repositories, 1, { from: two, author: 'nobody' }), 0);
  const stats = await commitStats(repositories, 1, log);
  assert.deepEqual(stats.get(two), { additions: 1, deletions: 2, total: 3 });
  assert.deepEqual(stats.get(one), { additions: 3, deletions: 0, total: 3 });
  const diffs = await diffOfCommit(repositories, 1, two);
  assert.deepEqual(
    diffs.map((diff) => [diff.newPath, diff.deletedFile, diff.newFile, diff.aMode, diff.bMode]),
    [
      ['a', true, false, '100644', '0'],
      ['c', false, true, '0', '100644'],
    ],
  );
  assert.equal(diffs[1]!.diff, '@@ -0,0 +1 @@\n+x\n');
  assert.equal((await diffOfCommit(repositories, 1, one)).length, 2);
  const compared = await compare(repositories, 1, { from: one, to: two });
  assert.deepEqual(
    compared.commits.map((commit) => commit.id),
    [two],
  );
  assert.equal((await compare(repositories, 1, { from: one, to: one })).compareSameRef, true);
  assert.deepEqual(await listContributors(repositories, 1, two), [{ name: WHO.name, email: WHO.email, commits: 2 }]);
  assert.equal(await readSignature(repositories, 1, two), null);
  const ranges = await blame(repositories, 1, { commitId: one, path: 'a', start: 2, end: 2 });
  assert.deepEqual(
    ranges.map((range) => [range.commit.id, range.lines]),
    [[one, ['2']]],
  );
  await assert.rejects(listTree(repositories, 1, { commitId: one, path: 'none' }), { code: 'path_missing' });
  const entries = await listTree(repositories, 1, { commitId: one, path: 'd' });
  assert.deepEqual(
    entries.map((entry) => entry.path),
    ['d/b'],
  );
  const blob = await openBlob(repositories, 1, entries[0]!.id);
  assert.equal(blob.size, 2);
  assert.equal((await buffer(blob.stream)).toString(), 'B\n');
});

test('an archive has the same bytes every time, in every format', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const commitId = await commitFiles(room, 1, 'main', { a: 'A', 'd/b': 'B' });
  for (const format of ['tar', 'tar.gz', 'tar.bz2', 'zip'] as const) {
    const make = async () => buffer(await openArchive(room.repositories, 1, { commitId, format, folder: 'p-main' }));
    const first = await make();
    assert.ok(first.length > 100, format);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    assert.deepEqual(await make(), first, format);
  }
  const missing = { commitId, format: 'tar' as const, folder: 'p', path: 'none' };
  await assert.rejects(openArchive(room.repositories, 1, missing), { code: 'path_missing' });
});

test('a fork shares nothing with its source, maintenance keeps everything, deleting goes through the trash', async (context) => {
  const room = await openRoom(context);
  const { repositories } = room;
  await repositories.create(1, { defaultBranch: 'trunk' });
  const commitId = await commitFiles(room, 1, 'trunk', { a: 'A' });
  await createTag(repositories, 1, { name: 'v1', revision: 'trunk', message: 'one', tagger: WHO });
  assert.equal(await fork(repositories, 1, 2), true);
  assert.equal(await fork(repositories, 1, 2), false);
  await maintain(repositories, 1, WHO.time);
  assert.equal(await resolve(repositories, 1, 'v1'), commitId);
  const folder = repositories.path(1);
  await repositories.delete(1);
  await assert.rejects(stat(folder), { code: 'ENOENT' });
  assert.equal(await repositories.purgeTrash(0), 0);
  assert.equal(await repositories.purgeTrash(Number.MAX_SAFE_INTEGER), 1);
  assert.equal(await resolve(repositories, 2, 'v1'), commitId);
  assert.equal(await defaultBranch(repositories, 2), 'trunk');
  await repositories.must(2, ['fsck', '--strict']);
});

test('git is refused when too many wait, a key gets half, and limits end a child', async () => {
  const git = createGit({ slots: 2, queue: 4 });
  const one = await git.spawn(['cat-file', '--batch'], { cwd: process.cwd(), key: 'a' });
  const waiting = git.spawn(['--version'], { key: 'a' });
  await assert.rejects(git.spawn(['--version'], { key: 'a' }), GitBusy);
  const other = await git.spawn(['--version'], { key: 'b' });
  await other.done;
  one.kill();
  await one.done;
  assert.equal((await (await waiting).done).code, 0);
  await assert.rejects(git.run(['--version'], { maxOutput: 3 }), { code: 'too_large' });
  await assert.rejects(git.run(['-c', 'alias.nap=!sleep 20', 'nap'], { timeout: 50 }), { code: 'timed_out' });
  assert.deepEqual(git.running(), { stream: 0, short: 0, maintenance: 0 });
});

test('maintenance of an empty repository does no harm and old quarantines are swept', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await maintain(room.repositories, 1, WHO.time);
  assert.equal(await fork(room.repositories, 1, 2), true);
  assert.equal(await isEmpty(room.repositories, 2), true);
  const objects = join(room.repositories.path(1), 'objects');
  for (const [name, time] of [
    ['tmp_objdir-incoming-old', 1000],
    ['tmp_objdir-incoming-new', 3000],
  ] as const) {
    await mkdir(join(objects, name));
    await utimes(join(objects, name), time, time);
  }
  assert.equal(await sweepQuarantines(room.repositories, 1, 2_000_000), 1);
  assert.ok(await stat(join(objects, 'tmp_objdir-incoming-new')));
});

test('a symbolic link is read as its target text and never followed, and an update makes it a file', async (context) => {
  const room = await openRoom(context);
  const { repositories } = room;
  await repositories.create(1);
  const first = await commitFiles(room, 1, 'main', { target: '/etc/passwd' });
  const blob = (await listTree(repositories, 1, { commitId: first }))[0]!.id;
  const input = `120000 blob ${blob}\tlink\n`;
  const tree = (await repositories.must(1, ['mktree'], { input })).toString().trim() as ObjectId;
  const draft = await openDraft(repositories, 1);
  const newId = await draft.commit({ tree, parents: [first], message: 'link', author: WHO, committer: WHO });
  await draft.keep();
  await draft.discard();
  await updateRefs(repositories, 1, [{ ref: 'refs/heads/main' as RefName, newId, oldId: first }]);
  const link = await readFile(repositories, 1, { commitId: newId, path: 'link' });
  assert.equal(link.mode, '120000');
  assert.equal(link.content.toString(), '/etc/passwd');
  const through = { action: 'create' as const, filePath: 'link/x', content: Buffer.from('x') };
  const request = { branch: 'main', message: 'm', author: WHO, committer: WHO };
  await assert.rejects(prepareCommit(repositories, 1, { ...request, actions: [through] }), { code: 'file_exists' });
  const write = { action: 'update' as const, filePath: 'link', content: Buffer.from('mine') };
  const prepared = await prepareCommit(repositories, 1, { ...request, actions: [write] });
  await publish(repositories, prepared);
  const entries = await listTree(repositories, 1, { commitId: prepared.newId });
  assert.deepEqual(
    entries.map(({ path, mode }) => [path, mode]),
    [['link', '100644']],
  );
});

// Commits, picks and tags made over REST, on real repositories: what they build, what they refuse, and that a refused one leaves
// nothing behind.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { type CommitAction, prepareCommit } from '../../src/repositories/commit-actions.ts';
import { readCommit } from '../../src/repositories/commits.ts';
import { RepositoryError, type RepositoryErrorCode } from '../../src/repositories/errors.ts';
import { prepareCherryPick, prepareRevert } from '../../src/repositories/picks.ts';
import { discard, publish } from '../../src/repositories/prepared.ts';
import { getBranch } from '../../src/repositories/refs.ts';
import { listTree, readFile } from '../../src/repositories/trees.ts';
import { commitFiles, openRoom, type Room, WHO } from './harness.ts';

const failsWith = (code: RepositoryErrorCode) => (error: unknown) =>
  error instanceof RepositoryError && error.code === code;

function prepare(
  room: Room,
  actions: CommitAction[],
  more: { branch?: string; startBranch?: string; force?: boolean } = {},
) {
  const request = { branch: 'main', message: 'm', actions, author: WHO, committer: WHO, ...more };
  return prepareCommit(room.repositories, 1, request);
}

test('actions create, update, move, chmod and delete files in one commit', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A', b: 'B', 'd/c': 'C' });
  const prepared = await prepare(room, [
    { action: 'update', filePath: 'a', content: Buffer.from('A2') },
    { action: 'delete', filePath: 'b' },
    { action: 'move', filePath: 'e/f', previousPath: 'd/c' },
    { action: 'chmod', filePath: 'a', executeFilemode: true },
    { action: 'create', filePath: 'ü *:(top)', content: Buffer.from([0, 255]) },
  ]);
  await publish(room.repositories, prepared);
  const tree = await listTree(room.repositories, 1, { commitId: prepared.newId, recursive: true });
  assert.deepEqual(
    tree.map(({ path, mode }) => [path, mode]),
    [
      ['e', '040000'],
      ['a', '100755'],
      ['e/f', '100644'],
      ['ü *:(top)', '100644'],
    ],
  );
  const file = await readFile(room.repositories, 1, { commitId: prepared.newId, path: 'ü *:(top)' });
  assert.deepEqual(file.content, Buffer.from([0, 255]));
  assert.equal(file.lastCommitId, prepared.newId);
  assert.equal((await readCommit(room.repositories, 1, prepared.newId)).message, 'm');
});

test('impossible actions are told apart and leave nothing behind', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A', 'd/c': 'C' });
  const content = Buffer.from('x');
  const create = (filePath: string): CommitAction => ({ action: 'create', filePath, content });
  const cases: [CommitAction, RepositoryErrorCode][] = [
    [create('a'), 'file_exists'],
    [create('d'), 'file_exists'],
    [create('a/b/c'), 'file_exists'],
    [{ action: 'update', filePath: 'none', content }, 'file_missing'],
    [{ action: 'delete', filePath: 'd' }, 'file_missing'],
    [{ action: 'move', filePath: 'z', previousPath: 'none' }, 'file_missing'],
    [{ action: 'update', filePath: 'a', content, lastCommitId: '1'.repeat(40) }, 'stale_commit'],
    ...[
      '../x',
      '/x',
      '.git/config',
      'a/.GIT/x',
      'GIT~1/x',
      '.git. /x',
      '.g\u200cit/x',
      'x\\y',
      'x\0y',
      'x\ny',
      'a//b',
      '.',
      '',
    ].map((path): [CommitAction, RepositoryErrorCode] => [create(path), 'invalid_path']),
  ];
  for (const [action, code] of cases) {
    await assert.rejects(prepare(room, [action]), failsWith(code), `${action.action} ${action.filePath}`);
  }
  await assert.rejects(prepare(room, [create('x')], { branch: 'new' }), failsWith('branch_missing'));
  await assert.rejects(prepare(room, [create('x')], { branch: '-x' }), failsWith('invalid_branch_name'));
  const objects = await readdir(join(room.repositories.path(1), 'objects'));
  assert.equal(
    objects.some((name) => name.includes('incoming')),
    false,
  );
});

test('of two commits on the same branch one wins and the other is told', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A' });
  const both = await Promise.all(
    ['x', 'y'].map((filePath) => prepare(room, [{ action: 'create', filePath, content: Buffer.from('1') }])),
  );
  const results = await Promise.allSettled(both.map((prepared) => publish(room.repositories, prepared)));
  const lost = results.filter((result) => result.status === 'rejected');
  assert.equal(lost.length, 1);
  assert.ok(failsWith('stale_ref')(lost[0]!.reason));
  const winner = both[results.findIndex((result) => result.status === 'fulfilled')]!;
  assert.equal((await getBranch(room.repositories, 1, 'main')).commit.id, winner.newId);
});

test('a discarded commit is not in the repository; a forced one says so', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A' });
  await commitFiles(room, 1, 'side', { b: 'B' }, { startBranch: 'main' });
  const create: CommitAction[] = [{ action: 'create', filePath: 'z', content: Buffer.from('1') }];
  await assert.rejects(prepare(room, create, { branch: 'side', startBranch: 'main' }), failsWith('branch_exists'));
  const prepared = await prepare(room, create, { branch: 'side', startBranch: 'main', force: true });
  assert.equal(prepared.forced, true);
  await discard(prepared);
  await assert.rejects(readCommit(room.repositories, 1, prepared.newId), failsWith('commit_missing'));
});

test('a commit is picked and reverted without a work tree, and conflicts are told', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: 'A\n' });
  const pick = await commitFiles(room, 1, 'side', { b: 'B\n' }, { startBranch: 'main', message: 'add b' });
  const request = { commitId: pick, branch: 'main', committer: WHO };
  const picked = await prepareCherryPick(room.repositories, 1, request);
  await publish(room.repositories, picked);
  assert.equal((await readFile(room.repositories, 1, { commitId: picked.newId, path: 'b' })).content.toString(), 'B\n');
  await assert.rejects(prepareCherryPick(room.repositories, 1, request), failsWith('empty_commit'));
  const reverted = await prepareRevert(room.repositories, 1, { ...request, commitId: picked.newId });
  await publish(room.repositories, reverted);
  const commit = await readCommit(room.repositories, 1, reverted.newId);
  assert.equal(commit.message, `Revert "add b"\n\nThis reverts commit ${picked.newId}.`);
  await commitFiles(room, 1, 'main', { b: 'other\n' });
  await assert.rejects(prepareCherryPick(room.repositories, 1, request), failsWith('merge_conflict'));
});

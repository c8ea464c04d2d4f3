// What is kept of git's answers about refs: the same bytes as git's own while nothing changes, and never those of before a change.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Git } from '../../src/repositories/git.ts';
import { gitEnvironment } from '../../src/repositories/git-environment.ts';
import { createRepositories } from '../../src/repositories/repository-files.ts';
import { advertise } from '../../src/repositories/serve.ts';
import { commitFiles, openRoom, openWire, type Room, type Wire } from './harness.ts';

/** A little longer than the times of files need to be told apart. */
const SETTLE = 2200;

/** A room that counts how often git was started to serve somebody. */
async function countingRoom(context: TestContext, shared = false): Promise<{ room: Room; asked: () => number }> {
  const room = await openRoom(context);
  let count = 0;
  const git: Git = {
    ...room.git,
    spawn: (args, options) => {
      count += 1;
      return room.git.spawn(args, options);
    },
  };
  const repositories = createRepositories({ root: join(room.folder, 'repositories'), git, shared });
  return { room: { ...room, repositories }, asked: () => count };
}

const told = async (room: Room, id: number, options: { protocol?: string; signal?: AbortSignal } = {}) =>
  (await buffer(await advertise(room.repositories, id, 'upload-pack', options))).toString('latin1');

/** What git itself says right now. */
async function truth(room: Room, id: number): Promise<string> {
  const args = ['upload-pack', '--stateless-rpc', '--advertise-refs', room.repositories.path(id)];
  const { stdout } = await promisify(execFile)('git', args, {
    env: gitEnvironment(),
    encoding: 'latin1',
    maxBuffer: 2 ** 24,
  });
  return `001e# service=git-upload-pack\n0000${stdout}`;
}

async function twoBranches(room: Room, id: number): Promise<void> {
  await room.repositories.create(id);
  const first = await commitFiles(room, id, 'main', { a: '1' });
  await room.repositories.must(id, ['update-ref', 'refs/heads/other', first]);
  await commitFiles(room, id, 'main', { b: '2' });
}

test('git is asked once while nothing changes, and its own bytes are given', async (context) => {
  const { room, asked } = await countingRoom(context);
  await twoBranches(room, 1);
  await sleep(SETTLE);
  const before = asked();
  const answers = [await told(room, 1), await told(room, 1), await told(room, 1, { protocol: 'version=0' })];
  assert.equal(asked() - before, 1);
  for (const answer of answers) assert.equal(answer, await truth(room, 1));
  const newer = await told(room, 1, { protocol: 'version=1' });
  assert.match(newer, /^001e# service=git-upload-pack\n0000000eversion 1\n/);
  assert.equal(asked() - before, 2);
});

const changes: Record<string, (room: Room, id: number, wire: Wire) => Promise<unknown>> = {
  'a commit over REST': (room, id) => commitFiles(room, id, 'main', { c: '3' }),
  'a push in one conversation, as over SSH': async (room, id, { client }) => {
    await client(room.folder, 'clone', room.repositories.path(id), 'direct');
    const pushed = await client(join(room.folder, 'direct'), 'push', 'origin', 'HEAD~1:refs/heads/older');
    assert.equal(pushed.code, 0, pushed.text);
  },
  'a push over HTTP': async (room, id, wire) => {
    await wire.client(room.folder, 'clone', wire.url(id), 'work');
    const work = join(room.folder, 'work');
    await wire.client(work, 'commit', '--allow-empty', '-m', 'mine');
    await wire.client(work, 'tag', '-a', 'v1', '-m', 'one');
    const pushed = await wire.client(work, 'push', 'origin', 'main', 'v1');
    assert.equal(pushed.code, 0, pushed.text);
  },
  'a branch made': (room, id) => room.repositories.must(id, ['branch', 'feature/new', 'main']),
  'a branch deleted': (room, id) => room.repositories.must(id, ['branch', '-D', 'other']),
  'another HEAD': (room, id) => room.repositories.setHead(id, 'other'),
  'a ref moved by git in the folder': (room, id) =>
    room.repositories.must(id, ['update-ref', 'refs/heads/other', 'refs/heads/main']),
  'a symbolic ref': (room, id) => room.repositories.must(id, ['symbolic-ref', 'refs/heads/also', 'refs/heads/main']),
  'a ref written by hand': async (room, id) => {
    const refs = join(room.repositories.path(id), 'refs/heads');
    await writeFile(join(refs, 'other'), await readFile(join(refs, 'main')));
  },
  'a setting': (room, id) => room.repositories.must(id, ['config', 'uploadpack.hideRefs', 'refs/heads/other']),
  'refs packed and one of them moved': async (room, id) => {
    await room.repositories.must(id, ['pack-refs', '--all', '--prune']);
    assert.equal(await told(room, id), await truth(room, id));
    await room.repositories.must(id, ['update-ref', 'refs/heads/other', 'refs/heads/main']);
  },
  'a collection of garbage and a packed ref deleted': async (room, id) => {
    await room.repositories.must(id, ['gc', '--quiet', '--prune=now']);
    assert.equal(await told(room, id), await truth(room, id));
    await room.repositories.must(id, ['update-ref', '-d', 'refs/heads/other']);
  },
};

test('the very next answer tells of every change', async (context) => {
  const { room, asked } = await countingRoom(context);
  const wire = await openWire(context, room);
  const all = Object.entries(changes).map(([name, change], index) => ({ name, change, id: index + 1 }));
  for (const { id } of all) await twoBranches(room, id);
  await sleep(SETTLE);
  const before = new Map<number, string>();
  for (const { id } of all) before.set(id, await told(room, id));
  const kept = asked();
  for (const { id } of all) assert.equal(await told(room, id), before.get(id));
  assert.equal(asked(), kept, 'all of it is remembered');
  for (const { id, name, change } of all) {
    await change(room, id, wire);
    const now = await told(room, id);
    assert.equal(now, await truth(room, id), name);
    assert.notEqual(now, before.get(id), name);
  }
});

test('changes that follow each other within a moment are all told', async (context) => {
  const { room } = await countingRoom(context);
  await twoBranches(room, 1);
  const ids = (await room.repositories.must(1, ['rev-list', 'main'])).toString().trim().split('\n');
  await sleep(SETTLE);
  for (let turn = 0; turn < 30; turn += 1) {
    // The same file with the same length each time: only its times and its number differ.
    await room.repositories.must(1, ['update-ref', 'refs/heads/other', ids[turn % 2]!]);
    assert.match(await told(room, 1), new RegExp(`${ids[turn % 2]} refs/heads/other`));
  }
});

test('requests at once wait for one git, and one that leaves does not take the others with it', async (context) => {
  const { room, asked } = await countingRoom(context);
  await twoBranches(room, 1);
  await sleep(SETTLE);
  const before = asked();
  const answers = await Promise.all(Array.from({ length: 8 }, () => told(room, 1)));
  assert.deepEqual([...new Set(answers)], [await truth(room, 1)]);
  assert.equal(asked() - before, 1);

  await room.repositories.must(1, ['update-ref', 'refs/heads/other', 'refs/heads/main']);
  await sleep(SETTLE);
  const leaving = new AbortController();
  const first = told(room, 1, { signal: leaving.signal });
  const others = [told(room, 1), told(room, 1)];
  setImmediate(() => leaving.abort(new Error('the client left')));
  await assert.rejects(first, /the client left/);
  for (const other of others) assert.equal(await other, await truth(room, 1));
});

test('a repository that is deleted is missed at once', async (context) => {
  const { room } = await countingRoom(context);
  await twoBranches(room, 1);
  await sleep(SETTLE);
  await told(room, 1);
  await told(room, 1);
  await room.repositories.delete(1);
  await assert.rejects(told(room, 1), { code: 'repository_missing' });
});

test('nothing is kept of a very long answer, nor where other machines write too', async (context) => {
  const { room, asked } = await countingRoom(context);
  await twoBranches(room, 1);
  const head = (await room.repositories.must(1, ['rev-parse', 'main'])).toString().trim();
  const names = Array.from({ length: 20_000 }, (_, count) => `refs/tags/a-tag-with-a-name-${count}`).sort();
  const packed = ['# pack-refs with: sorted', ...names.map((name) => `${head} ${name}`), ''].join('\n');
  await writeFile(join(room.repositories.path(1), 'packed-refs'), packed);
  const many = await countingRoom(context, true);
  await twoBranches(many.room, 1);
  await sleep(SETTLE);
  const before = asked();
  const answers = await Promise.all([told(room, 1), told(room, 1), told(room, 1)]);
  assert.deepEqual([...new Set(answers)], [await truth(room, 1)]);
  assert.ok(answers[0]!.length > 1024 * 1024);
  assert.equal(asked() - before, 3);

  const then = many.asked();
  assert.equal(await told(many.room, 1), await told(many.room, 1));
  assert.equal(many.asked() - then, 2);
});

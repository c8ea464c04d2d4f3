// The smart protocol as streams with a real git on the other end: clones, pushes, clients that leave, packs that are cut off.
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { isForced } from '../../src/repositories/ancestry.ts';
import type { ObjectId } from '../../src/repositories/ref-names.ts';
import { getBranch, listBranches } from '../../src/repositories/refs.ts';
import { parseGitProtocol, receivePack, uploadPack } from '../../src/repositories/serve.ts';
import { commitFiles, openRoom, openWire } from './harness.ts';

test('a real git clones an empty repository, pushes to it with options and clones what it pushed', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const wire = await openWire(context, room);
  assert.equal((await wire.client(room.folder, 'clone', wire.url(1), 'one')).code, 0);
  const work = join(room.folder, 'one');
  await writeFile(join(work, 'a.txt'), 'hello\n');
  await wire.client(work, 'checkout', '-b', 'main');
  await wire.client(work, 'add', '.');
  await wire.client(work, 'commit', '-m', 'first');
  const pushed = await wire.client(work, 'push', '-o', 'ci.skip', 'origin', 'main');
  assert.equal(pushed.code, 0, pushed.text);
  const question = wire.questions[0]!;
  assert.equal(question.nonce, 'nonce-1');
  assert.deepEqual(question.options, ['ci.skip']);
  assert.match(question.lines[0]!, /^0{40} [0-9a-f]{40} refs\/heads\/main$/);
  assert.match(question.quarantine.objectDirectory, /incoming-/);
  assert.equal((await getBranch(room.repositories, 1, 'main')).commit.title, 'first');
  for (const extra of [[], ['--depth=1'], ['--filter=blob:none', '--no-checkout'], ['-c', 'protocol.version=0']]) {
    const cloned = await wire.client(room.folder, 'clone', ...extra, wire.url(1), `copy${extra.join('')}`);
    assert.equal(cloned.code, 0, cloned.text);
  }
});

test('a push that the hook refuses shows its messages and keeps nothing', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: '1' });
  const wire = await openWire(context, room);
  wire.answer = async () => ({ allowed: false, messages: ['GitLab: You are not allowed.'] });
  await wire.client(room.folder, 'clone', wire.url(1), 'one');
  const work = join(room.folder, 'one');
  await wire.client(work, 'commit', '--allow-empty', '-m', 'mine');
  const pushed = await wire.client(work, 'push', 'origin', 'main', 'main:refs/heads/other');
  assert.equal(pushed.code, 1);
  assert.match(pushed.text, /remote: GitLab: You are not allowed\./);
  assert.match(pushed.text, /remote rejected\] main -> main \(pre-receive hook declined\)/);
  assert.deepEqual((await listBranches(room.repositories, 1)).total, 1);
  assert.equal(
    (await readdir(join(room.repositories.path(1), 'objects'))).some((name) => name.includes('incoming')),
    false,
  );
});

test('a push whose hook finds no server, or an answer that is not true, is refused', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const wire = await openWire(context, room);
  await wire.client(room.folder, 'init', 'one', '-b', 'main');
  const work = join(room.folder, 'one');
  await wire.client(work, 'commit', '--allow-empty', '-m', 'mine');
  wire.answer = async () => ({ allowed: 'yes' as unknown as boolean, messages: [] });
  assert.equal((await wire.client(work, 'push', wire.url(1), 'main')).code, 1);
  wire.answer = async () => null as never;
  assert.equal((await wire.client(work, 'push', wire.url(1), 'main')).code, 1);
  assert.equal((await listBranches(room.repositories, 1)).total, 0);
});

test('a push into a hidden ref is refused by git itself', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const wire = await openWire(context, room);
  await wire.client(room.folder, 'init', 'one', '-b', 'main');
  const work = join(room.folder, 'one');
  await wire.client(work, 'commit', '--allow-empty', '-m', 'mine');
  for (const ref of ['refs/merge-requests/1/head', 'refs/keep-around/x', 'refs/pipelines/1', 'refs/environments/p']) {
    const pushed = await wire.client(work, 'push', wire.url(1), `main:${ref}`);
    assert.match(pushed.text, /deny updating a hidden ref/, ref);
  }
});

test('a forced push is recognised inside its quarantine, and a quarantine elsewhere is refused', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  await commitFiles(room, 1, 'main', { a: '1' });
  const wire = await openWire(context, room);
  const forced: boolean[] = [];
  wire.answer = async ({ lines, quarantine }) => {
    const [before, after] = lines[0]!.split(' ') as [ObjectId, ObjectId];
    forced.push(await isForced(room.repositories, 1, before, after, quarantine));
    const elsewhere = { ...quarantine, objectDirectory: room.folder };
    await assert.rejects(isForced(room.repositories, 1, before, after, elsewhere), RangeError);
    return { allowed: true, messages: [] };
  };
  await wire.client(room.folder, 'clone', wire.url(1), 'one');
  const work = join(room.folder, 'one');
  await wire.client(work, 'commit', '--allow-empty', '-m', 'on top');
  assert.equal((await wire.client(work, 'push', 'origin', 'main')).code, 0);
  await wire.client(work, 'commit', '--amend', '--allow-empty', '-m', 'instead');
  assert.equal((await wire.client(work, 'push', '-f', 'origin', 'main')).code, 0);
  assert.deepEqual(forced, [false, true]);
});

test('a truncated pack and an aborted upload leave no object, no quarantine and no child', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const push = async (bytes: string, abort: boolean | 'close') => {
    const input = new PassThrough();
    const controller = new AbortController();
    const running = receivePack(room.repositories, 1, {
      input,
      output: new PassThrough().resume(),
      stateless: true,
      hookSocket: join(room.folder, 'nobody.sock'),
      pushNonce: 'x',
      signal: controller.signal,
    });
    input.write(bytes);
    if (!abort) input.end();
    else if (abort === 'close') setTimeout(() => input.destroy(), 150);
    else setTimeout(() => controller.abort(new Error('left')), 150);
    return running;
  };
  const command = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/main\0 report-status`;
  const line = `${(command.length + 4).toString(16).padStart(4, '0')}${command}0000PACK\0\0\0\x02\0\0\0\x05`;
  await push(line, false);
  await assert.rejects(push(line, true), /left/);
  await assert.rejects(push(line, 'close'), /the client left/);
  assert.equal(room.git.running().stream, 0);
  assert.deepEqual((await readdir(join(room.repositories.path(1), 'objects'))).sort(), ['info', 'pack']);
  assert.deepEqual(await readdir(join(room.repositories.path(1), 'objects', 'pack')), []);
});

test('a clone ends at once when its signal aborts', async (context) => {
  const room = await openRoom(context);
  await room.repositories.create(1);
  const controller = new AbortController();
  const running = uploadPack(room.repositories, 1, {
    input: new PassThrough(),
    output: new PassThrough(),
    stateless: false,
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(new Error('key ended')), 50);
  await assert.rejects(running, /key ended/);
  assert.equal(room.git.running().stream, 0);
});

test('only known Git-Protocol values reach git', () => {
  assert.equal(parseGitProtocol('version=2'), 'version=2');
  for (const bad of [
    undefined,
    '',
    'version=3',
    'version=2:x=y',
    'version=2\n',
    '--upload-pack=x',
    'version=2:'.repeat(9),
  ]) {
    assert.equal(parseGitProtocol(bad), undefined, String(bad));
  }
});

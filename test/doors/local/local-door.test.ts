// The private socket: one living server a folder, dead ones replaced, messages answered or refused.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { AlreadyServing, askLocalDoor, openLocalDoor } from '../../../src/doors/local/local-door.ts';

const log = { warn: () => {} };

async function folder(context: TestContext, deep = ''): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'keyward-local-'));
  context.after(() => rm(made, { recursive: true, force: true }));
  if (deep !== '') await mkdir(join(made, deep), { recursive: true });
  return join(made, deep);
}

describe('the local door', () => {
  it('answers by type, in order, and says so when it cannot', async (context) => {
    const dataFolder = await folder(context);
    const door = await openLocalDoor({ dataFolder, log });
    door.answer('cli', async ({ args }) => ({ echo: args }));
    door.answer('crash', async () => {
      throw new Error('with a secret');
    });
    assert.deepEqual(await askLocalDoor(dataFolder, { type: 'cli', args: ['a'] }), { echo: ['a'] });
    assert.deepEqual(await askLocalDoor(dataFolder, { type: 'crash' }), { error: 'the server could not answer' });
    assert.deepEqual(await askLocalDoor(dataFolder, { type: 'other' }), { error: 'unknown type of message' });
    const socket = connect(door.path);
    socket.write('not json\n[1]\n');
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    while (text.split('\n').length < 3) await once(socket, 'data');
    assert.deepEqual(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
      [{ error: 'the server could not answer' }, { error: 'not an object' }],
    );
    socket.destroy();
    assert.equal((await stat(door.path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(dataFolder, 'run'))).mode & 0o777, 0o700);
    await door.close();
  });

  it('keeps a second server off the folder, also when many start at once', async (context) => {
    const dataFolder = await folder(context);
    const started = await Promise.allSettled(Array.from({ length: 6 }, () => openLocalDoor({ dataFolder, log })));
    const winners = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(winners.length, 1);
    for (const each of started) if (each.status === 'rejected') assert.ok(each.reason instanceof AlreadyServing);
    await winners[0]!.close();
    const next = await openLocalDoor({ dataFolder, log });
    await next.close();
  });

  it('takes the place of a server that died without a word', async (context) => {
    const dataFolder = await folder(context);
    const path = join(dataFolder, 'run', 'keyward.sock');
    await mkdir(join(dataFolder, 'run'));
    // A socket that nobody listens on any more: its listener is gone, its name was left behind.
    const { execFile } = await import('node:child_process');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    await new Promise<void>((done) => execFile(process.execPath, ['-e', script], () => done()));
    assert.ok((await stat(path)).isSocket());
    const started = await Promise.allSettled(Array.from({ length: 4 }, () => openLocalDoor({ dataFolder, log })));
    const winners = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    assert.equal(winners.length, 1);
    winners[0]!.answer('cli', async () => 'alive');
    assert.equal(await askLocalDoor(dataFolder, { type: 'cli' }), 'alive');
    await winners[0]!.close();
  });

  it('finds its socket elsewhere when the folder lies too deep for one', async (context) => {
    const dataFolder = await folder(context, `${'d'.repeat(60)}/${'e'.repeat(60)}`);
    const door = await openLocalDoor({ dataFolder, log });
    assert.ok(door.path.length < 100);
    door.answer('cli', async () => 'here');
    assert.equal(await askLocalDoor(dataFolder, { type: 'cli' }), 'here');
    await assert.rejects(openLocalDoor({ dataFolder, log }), AlreadyServing);
    await door.close();
    const again = await openLocalDoor({ dataFolder, log });
    await again.close();
  });

  it('rejects a question when nobody serves', async (context) => {
    await assert.rejects(askLocalDoor(await folder(context), { type: 'cli' }));
  });
});

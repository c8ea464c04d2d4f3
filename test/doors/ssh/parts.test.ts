// The parts of the SSH door that need no server: command lines, frames on the local socket, the crowd at the door, host keys.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { readCommand, splitWords } from '../../../src/doors/ssh/command-line.ts';
import { Crowd, type Guest } from '../../../src/doors/ssh/crowd.ts';
import { FRAME, FrameReader, type FrameType, writeFrame } from '../../../src/doors/ssh/frames.ts';
import { loadHostKeys } from '../../../src/doors/ssh/host-keys.ts';
import { StrangerCount } from '../../../src/doors/ssh/strangers.ts';

describe('a command line', () => {
  it('is split as a shell quotes, for every word that a client can quote', () => {
    const word = fc.stringMatching(/^[\x20-\x7e]{0,40}$/);
    fc.assert(
      fc.property(fc.array(word, { maxLength: 5 }), (words) => {
        const line = words.map((text) => `'${text.replaceAll("'", `'\\''`)}'`).join(' ');
        assert.deepEqual(splitWords(line), { ok: true, value: words });
      }),
    );
  });

  it('never makes a command out of what a shell would act on', () => {
    for (const sign of [';', '&', '|', '<', '>', '(', ')', '$', '`', '\n', '\r', '\0', '"$', '"`', "'", '"', '\u007f'])
      assert.equal(readCommand(`git-upload-pack a${sign}`).type, 'unparsable', JSON.stringify(sign));
    assert.equal(readCommand('git-upload-pack a\\').type, 'unparsable');
    assert.equal(readCommand(`git-upload-pack '${'a'.repeat(20_000)}'`).type, 'unparsable');
  });

  it('is found on the closed list, with a path however clients write it', () => {
    for (const path of ['a/b', '/a/b', 'a/b.git', '/a/b.git', 'a/b/', '/a/b.git/'])
      assert.deepEqual(readCommand(`git-upload-pack '${path}'`), { type: 'git', service: 'upload-pack', path: 'a/b' });
    assert.deepEqual(readCommand("git receive-pack 'a/b'"), { type: 'git', service: 'receive-pack', path: 'a/b' });
    assert.deepEqual(readCommand('git-lfs-authenticate a/b.git upload'), {
      type: 'lfs_authenticate',
      path: 'a/b',
      operation: 'upload',
    });
    for (const line of ['', '  ', null]) assert.equal(readCommand(line).type, 'greeting');
    for (const line of [
      'git-upload-pack',
      'git-upload-pack a b',
      'git-upload-pack -x',
      'git-lfs-authenticate a/b fetch',
    ])
      assert.equal(readCommand(line).type, 'wrong_arguments', line);
    for (const line of ['git', 'git fetch', 'sh', 'git-lfs-transfer a/b upload', 'GIT-UPLOAD-PACK a/b', 'toString'])
      assert.equal(readCommand(line).type, 'unknown', line);
    assert.equal(readCommand("git-upload-pack '~root/x'").type, 'git');
  });
});

describe('frames', () => {
  const caught = async (frames: readonly (readonly [FrameType, Buffer])[]): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    const server = createServer((socket: Socket) => socket.on('data', (chunk: Buffer) => chunks.push(chunk)));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const socket = connect((server.address() as { port: number }).port, '127.0.0.1');
    for (const [type, data] of frames) writeFrame(socket, type, data);
    await new Promise<void>((done) => socket.end(done));
    await new Promise((done) => server.close(done));
    return Buffer.concat(chunks);
  };

  it('arrive as they were sent, however the bytes are cut', async () => {
    const open = Buffer.from('{"ask":"key"}');
    const bytes = await caught([
      [FRAME.OPEN, open],
      [FRAME.STDIN, Buffer.from('hello')],
      [FRAME.STDIN, Buffer.alloc(0)],
      [FRAME.EOF, Buffer.alloc(0)],
      [FRAME.STDERR, Buffer.from('x')],
    ]);
    for (const size of [1, 3, 7, bytes.length]) {
      const reader = new FrameReader();
      const seen = new Map<number, string>();
      for (let at = 0; at < bytes.length; at += size)
        for (const { type, data } of reader.read(bytes.subarray(at, at + size)))
          seen.set(type, (seen.get(type) ?? '') + data.toString());
      assert.deepEqual(
        [...seen],
        [
          [FRAME.OPEN, open.toString()],
          [FRAME.STDIN, 'hello'],
          [FRAME.EOF, ''],
          [FRAME.STDERR, 'x'],
        ],
      );
    }
  });

  it('that are none, or promise more than a control frame may hold, are refused', () => {
    for (const bytes of [
      [9, 0, 0, 0, 0],
      [0, 0, 0, 0, 0],
      [FRAME.OPEN, 255, 255, 255, 255],
    ])
      assert.throws(() => [...new FrameReader().read(Buffer.from(bytes))]);
  });
});

describe('the crowd at the door', () => {
  it('drops whoever has come least far, of the address that has too many', () => {
    const crowd = new Crowd({ total: 5, perAddress: 3 });
    const dropped: string[] = [];
    const come = (address: string, name: string): Guest => {
      const guest = { address, greeted: false, drop: () => void dropped.push(name) };
      crowd.enter(guest);
      return guest;
    };
    come('a', 'a1').greeted = true;
    come('a', 'a2');
    come('a', 'a3');
    come('a', 'a4');
    assert.deepEqual(dropped, ['a2']);
    const b = come('b', 'b1');
    come('b', 'b2');
    come('c', 'c1');
    assert.deepEqual(dropped, ['a2', 'a3'], 'the fullest address makes room for others');
    crowd.leave(b);
    crowd.leave(b);
    assert.equal(crowd.size, 4);
  });
});

describe('the count of strangers', () => {
  it('adds up by address and fate, forgets what it told, and lumps a crowd of addresses together', () => {
    const count = new StrangerCount();
    for (const code of ['late', 'late', 'crowded'] as const) count.note('10.0.0.1', code);
    assert.deepEqual(count.take(), [
      { ip: '10.0.0.1', code: 'late', count: 2 },
      { ip: '10.0.0.1', code: 'crowded', count: 1 },
    ]);
    assert.deepEqual(count.take(), []);
    for (let index = 0; index < 5000; index += 1) count.note(`10.0.${index >> 8}.${index & 255}`, 'crowded');
    const taken = count.take();
    assert.equal(taken.length, 1001);
    assert.deepEqual(taken.at(-1), { ip: '*', code: 'crowded', count: 4000 });
  });
});

describe('host keys', () => {
  it('are made once, for the owner alone, and OpenSSH reads them', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-host-keys-'));
    try {
      const [one, other] = await Promise.all([loadHostKeys(folder), loadHostKeys(folder)]);
      assert.deepEqual(one, other, 'two processes that start together agree');
      assert.deepEqual(await loadHostKeys(folder), one);
      const types = one.map(({ publicKey }) => publicKey.split(' ')[0]);
      assert.deepEqual(types, ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa']);
      for (const { path, publicKey } of one) {
        assert.equal((await stat(path)).mode & 0o777, 0o600);
        const { stdout } = await promisify(execFile)('ssh-keygen', ['-y', '-f', path]);
        assert.equal(stdout.trim().split(' ').slice(0, 2).join(' '), publicKey);
        assert.ok((await readFile(`${path}.pub`, 'utf8')).startsWith(publicKey));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});

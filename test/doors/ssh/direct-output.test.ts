// What git sends over SSH goes to the transport without passing the server: how the two connections find each other, who is
// refused, and that nothing is lost when the client reads late.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, describe, it, mock } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { DirectOutputs } from '../../../src/doors/ssh/direct-output.ts';
import { FRAME, FrameReader, type Opening, STREAM_MARK, writeFrame } from '../../../src/doors/ssh/frames.ts';
import { relaySession } from '../../../src/doors/ssh/relay.ts';
import { openSshForge, type SshForge, type TestKey } from '../../support/ssh.ts';

describe('standard output on a connection of its own', () => {
  let forge: SshForge;
  let alice: { key: TestKey; token: string };
  let tree: string;
  before(async () => {
    forge = await openSshForge('ssh2');
    alice = await forge.person('alice');
    tree = await forge.workTree();
    await forge.commit(tree, 'noise.bin', randomBytes(9_000_000));
    const pushed = await forge.git(alice.key, tree, 'push', '-q', forge.url('alice/p'), 'main');
    assert.equal(pushed.code, 0, pushed.out);
  });
  after(async () => {
    await forge?.close();
  });

  const fingerprint = () => {
    const blob = Buffer.from(alice.key.line.split(' ')[1]!, 'base64');
    return createHash('sha256').update(blob).digest('base64').replace(/=+$/, '');
  };
  const dial = (opening: Opening): Socket => {
    const socket = connect(join(forge.server.data, 'run', 'keyward.sock'));
    socket.on('error', () => {});
    socket.write(Buffer.of(STREAM_MARK));
    writeFrame(socket, FRAME.OPEN, JSON.stringify(opening));
    return socket;
  };
  const session = (): Opening => ({
    ...{ ask: 'session', fingerprint: fingerprint(), ip: '127.0.0.1', command: "git-upload-pack 'alice/p'" },
    ...{ protocol: null, transport: 'ssh2' },
  });

  it('comes there as it is, for whoever has the ticket, once; the exit code comes on the first', async () => {
    const first = dial(session());
    const reader = new FrameReader();
    let ticket = '';
    let framed = '';
    let exit: unknown = null;
    const asked = new Promise<void>((resolve) =>
      first.on('data', (chunk: Buffer) => {
        for (const { type, data } of reader.read(chunk)) {
          if (type === FRAME.DIRECT) ticket = JSON.parse(data.toString()).ticket;
          else if (type === FRAME.EXIT) exit = JSON.parse(data.toString());
          else framed += data.toString('latin1');
        }
        resolve();
      }),
    );
    await asked;
    assert.match(ticket, /^[0-9a-f]{32}$/);
    const second = dial({ ask: 'output', ticket });
    const [refs] = (await once(second, 'data')) as [Buffer];
    assert.match(refs.toString('latin1'), /^[0-9a-f]{4}[0-9a-f]{40} HEAD\0/);
    const thief = dial({ ask: 'output', ticket });
    thief.resume();
    await once(thief, 'close');
    const ends = Promise.all([once(first, 'close'), once(second, 'close')]);
    second.resume();
    writeFrame(first, FRAME.STDIN, '0000');
    writeFrame(first, FRAME.EOF);
    await ends;
    assert.deepEqual(exit, { code: 0 });
    assert.equal(framed, '', 'nothing of it went through the server');
  });

  it('is closed at once for a ticket that was never given', async () => {
    const socket = dial({ ask: 'output', ticket: '0'.repeat(32) });
    socket.resume();
    await once(socket, 'close');
  });

  it('loses nothing when the client reads late', async () => {
    const { stdout: whole } = await promisify(execFile)('git', ['archive', 'main'], {
      cwd: tree,
      encoding: 'buffer',
      maxBuffer: 1e8,
    });
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const command = `git archive --remote='${forge.url('alice/p')}' main | (sleep 2; sha256sum)`;
    const late = await forge.git(alice.key, tree, '-c', `alias.late=!${command}`, 'late');
    assert.equal(late.out.trim().split(' ')[0], digest(whole), late.out);
  });

  it('ends its git when the client leaves without having read', async () => {
    const ssh = forge.hold(alice.key, "git-upload-archive 'alice/p'");
    ssh.stdout!.pause();
    const line = (text: string) => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
    ssh.stdin!.write(`${line('argument main\n')}0000`);
    const running = () => forge.server.services.git.running().stream;
    for (let tries = 0; running() === 0; tries += 1) {
      assert.ok(tries < 200, 'git does not run');
      await pause(25);
    }
    ssh.kill('SIGKILL');
    for (let tries = 0; running() > 0; tries += 1) {
      assert.ok(tries < 200, 'git still runs');
      await pause(25);
    }
    assert.equal(forge.server.services.liveUses.size, 0);
  });
});

describe('the transport', () => {
  it('tells the server that its client still takes something, and leaves a client that takes nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-relay-'));
    const path = join(folder, 'socket');
    const outputs: Socket[] = [];
    const said: string[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => {});
      const reader = new FrameReader();
      let marked = false;
      socket.on('data', (chunk: Buffer) => {
        if (marked && chunk.equals(Buffer.of(FRAME.STDIN, 0, 0, 0, 0))) return void said.push('alive');
        const opening = [...reader.read(marked ? chunk : chunk.subarray(1))].find(({ type }) => type === FRAME.OPEN);
        marked = true;
        if (!opening) return;
        if (JSON.parse(opening.data.toString()).ask === 'output') return void outputs.push(socket);
        writeFrame(socket, FRAME.DIRECT, JSON.stringify({ ticket: 'any' }));
      });
    });
    await new Promise<void>((done) => server.listen(path, done));
    const until = async (there: () => boolean) => {
      for (let tries = 0; !there(); tries += 1) {
        assert.ok(tries < 400, 'it does not happen');
        await pause(10);
      }
    };
    mock.timers.enable({ apis: ['setInterval'] });
    const left = new AbortController();
    try {
      let taken = 0;
      const opening = { ask: 'session', fingerprint: 'x', ip: null, command: null, protocol: null } as const;
      const ended = relaySession(
        path,
        { ...opening, transport: 'ssh2' },
        {
          stdin: new PassThrough(),
          left: left.signal,
          stdout(data) {
            taken += data.length;
            return null;
          },
          stderr: () => null,
        },
      );
      await until(() => outputs.length === 1);
      outputs[0]!.write('some bytes');
      await until(() => taken === 10);
      mock.timers.tick(60_000);
      await until(() => said.length === 1);
      const closed = once(outputs[0]!, 'close');
      outputs[0]!.resume();
      mock.timers.tick(600_000);
      await closed;
      assert.deepEqual(said, ['alive'], 'what does not move is not told of');
      left.abort();
      assert.equal(await ended, null);
    } finally {
      mock.timers.reset();
      left.abort();
      server.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe('a ticket', () => {
  it('is worth nothing when nobody came in time, or the session is over', async () => {
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const outputs = new DirectOutputs();
      const waiting = outputs.expect(new AbortController().signal);
      mock.timers.tick(10_000);
      assert.equal(await waiting.arrived, null);
      const left = new AbortController();
      const given = outputs.expect(left.signal);
      left.abort();
      assert.equal(await given.arrived, null);
      for (const { ticket } of [waiting, given]) {
        const socket = new Socket();
        outputs.arrive(ticket, socket);
        assert.ok(socket.destroyed);
      }
    } finally {
      mock.timers.reset();
    }
  });
});

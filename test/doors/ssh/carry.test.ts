// A session between a real SSH channel and what the server sends: clients that read late, and clients that never read.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import ssh2, { type ClientChannel } from 'ssh2';
import { carry, type Relay } from '../../../src/doors/ssh/carry.ts';

describe('a session that is carried', () => {
  let server: ssh2.Server;
  let relay: Relay = async () => 0;
  let stalled = 60_000;
  let carried: Promise<void> = Promise.resolve();
  const clients: ssh2.Client[] = [];

  before(async () => {
    const pair = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
    server = new ssh2.Server({ hostKeys: [pair.private] }, (connection) => {
      connection.on('error', () => {});
      connection.on('authentication', (context) => context.accept());
      const { _sock: socket } = connection as unknown as { _sock: Socket };
      connection.on('session', (accept) => {
        const session = accept();
        session.on('exec', (take) => {
          carried = carry({ channel: take(), session, socket }, relay, stalled);
        });
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  });
  after(async () => {
    for (const client of clients) client.end();
    await new Promise<void>((done) => server.close(() => done()));
  });

  const open = async (): Promise<ClientChannel> => {
    const client = new ssh2.Client();
    clients.push(client);
    client.on('error', () => {});
    const { port } = server.address() as AddressInfo;
    client.connect({ host: '127.0.0.1', port, username: 'git' });
    await once(client, 'ready');
    return new Promise((resolve, reject) =>
      client.exec('any', (error, channel) => (error ? reject(error) : resolve(channel))),
    );
  };

  it('loses and doubles nothing of two streams that want the same window, and reuses its buffer', async () => {
    const [out, err] = [randomBytes(6_000_000), randomBytes(900_000)];
    relay = async ({ stdout, stderr }) => {
      const send = async (take: typeof stdout, bytes: Buffer, size: number) => {
        const block = Buffer.alloc(size);
        for (let at = 0; at < bytes.length; at += size) {
          const length = bytes.copy(block, 0, at, at + size);
          await take(block.subarray(0, length));
          block.fill(0);
        }
      };
      await Promise.all([send(stdout, out, 128 * 1024), send(stderr, err, 20_000)]);
      return 7;
    };
    const channel = await open();
    let code: unknown;
    channel.on('exit', (given) => (code = given));
    const got = { out: [] as Buffer[], err: [] as Buffer[] };
    await pause(300);
    channel.on('data', (chunk: Buffer) => got.out.push(chunk));
    channel.stderr.on('data', (chunk: Buffer) => got.err.push(chunk));
    await once(channel, 'close');
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    assert.equal(digest(Buffer.concat(got.out)), digest(out));
    assert.equal(digest(Buffer.concat(got.err)), digest(err));
    assert.equal(code, 7);
  });

  it('is over when the client takes nothing for too long', async () => {
    stalled = 300;
    let told = false;
    relay = async ({ stdout, left }) => {
      left.addEventListener('abort', () => (told = true), { once: true });
      const block = Buffer.alloc(128 * 1024);
      while (!left.aborted) await stdout(block);
      return null;
    };
    const channel = await open();
    channel.pause();
    const closed = once(channel, 'close');
    await pause(50);
    await carried;
    assert.ok(told, 'the server hears of it');
    channel.resume();
    await closed;
  });
});

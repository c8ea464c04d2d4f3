// The SSH child process: listens, signs clients in, and carries their sessions to the server over its local socket. It runs no
// git, holds no database, and ends when the server does. Cryptography is done here, off the server's own thread.
import { createHash } from 'node:crypto';
import { createServer, type Socket } from 'node:net';
import ssh2, { type Connection, type ServerConfig } from 'ssh2';
import type { ChildWord, Order, StartOrder } from './child-messages.ts';
import { Crowd, type Guest } from './crowd.ts';
import { loadHostKeys } from './host-keys.ts';
import { plainAddress, serveConnection } from './ssh2-connection.ts';
import { type StrangerCode, StrangerCount } from './strangers.ts';

/** Modern ones alone (reference git-and-deploy 10.1), those first that this process does fastest. */
const ALGORITHMS: ServerConfig['algorithms'] = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group14-sha256',
  ],
  serverHostKey: ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
};

/** How often the server hears of connections that did not sign in. */
const TELL_EVERY = 1000;

const say = (word: ChildWord) => void process.send?.(word);

let sessions = 0;
let draining = false;
let serving = false;
const held: Socket[] = [];
let begin: (socket: Socket) => void = () => {};
let close: () => void = () => {};

async function start({ host, port, keys, socket: socketPath, limits }: StartOrder): Promise<void> {
  const hostKeys = await loadHostKeys(keys);
  const fingerprints = hostKeys.map(({ publicKey }) => fingerprintOf(publicKey));
  const crowd = new Crowd({ total: limits.waiting, perAddress: limits.waitingPerAddress });
  const perKey = new Map<string, number>();
  const strangers = new StrangerCount();
  /** `fate`: as what it is counted when it closes now; null once it has signed in */
  const sockets = new Map<string, { readonly socket: Socket; readonly guest: Guest; fate: StrangerCode | null }>();
  const nameOf = (address: string | undefined, number: number | undefined) => `${address} ${number}`;

  const ssh = new ssh2.Server(
    {
      hostKeys: hostKeys.map(({ privateKey }) => privateKey),
      ident: 'Keyward',
      algorithms: ALGORITHMS,
      keepaliveInterval: 15_000,
      keepaliveCountMax: 3,
    },
    (client: Connection, info) => {
      const found = sockets.get(nameOf(info.ip, info.port));
      if (!found) return void client.end();
      const { socket, guest } = found;
      client.on('handshake', () => {
        guest.greeted = true;
        found.fate = 'not_signed_in';
      });
      serveConnection(client, socket, {
        socketPath,
        limits,
        log: (level, text, fields) => say({ type: 'log', level, text, fields }),
        signedIn(fingerprint) {
          found.fate = null;
          crowd.leave(guest);
          const count = (perKey.get(fingerprint) ?? 0) + 1;
          if (count > limits.connectionsPerKey) return false;
          perKey.set(fingerprint, count);
          socket.once('close', () => {
            const left = (perKey.get(fingerprint) ?? 1) - 1;
            if (left === 0) perKey.delete(fingerprint);
            else perKey.set(fingerprint, left);
          });
          return true;
        },
        draining: () => draining,
        sessionBegins() {
          sessions += 1;
          return () => {
            sessions -= 1;
            leaveWhenDone();
          };
        },
      });
    },
  );

  begin = (socket) => {
    const name = nameOf(socket.remoteAddress, socket.remotePort);
    const address = plainAddress(socket.remoteAddress);
    const drop = (fate: StrangerCode) => {
      here.fate = fate;
      socket.destroy();
    };
    const guest: Guest = { address, greeted: false, drop: () => drop('crowded') };
    const here: { socket: Socket; guest: Guest; fate: StrangerCode | null } = {
      socket,
      guest,
      fate: 'no_key_exchange',
    };
    socket.on('error', () => {});
    if (socket.destroyed) return;
    if (sockets.size >= limits.connections) {
      strangers.note(address, 'crowded');
      return void socket.destroy();
    }
    sockets.set(name, here);
    const late = setTimeout(() => {
      if (crowd.has(guest)) drop('late');
    }, limits.grace);
    socket.once('close', () => {
      clearTimeout(late);
      sockets.delete(name);
      crowd.leave(guest);
      if (here.fate !== null) strangers.note(address, here.fate);
    });
    crowd.enter(guest);
    socket.setNoDelay(true);
    if (!socket.destroyed) ssh.injectSocket(socket as never);
  };

  setInterval(() => {
    const counts = strangers.take();
    if (counts.length > 0) say({ type: 'strangers', counts });
  }, TELL_EVERY).unref();

  const server = createServer((socket) => {
    socket.on('error', () => {});
    if (serving) begin(socket);
    else if (held.length < limits.waiting) held.push(socket);
    else socket.destroy();
  });
  close = () => {
    server.close();
    if (sessions === 0) for (const { socket } of sockets.values()) socket.destroy();
  };
  server.on('error', (error: NodeJS.ErrnoException) => {
    say({ type: 'failed', why: error.code === 'EADDRINUSE' ? 'another program listens there' : (error.code ?? '') });
    process.exit(1);
  });
  server.listen({ host, port }, () => {
    const address = server.address();
    say({ type: 'listening', port: typeof address === 'object' && address ? address.port : port, fingerprints });
  });
}

function fingerprintOf(publicKey: string): string {
  const [type = '', blob = ''] = publicKey.split(' ');
  const digest = createHash('sha256').update(Buffer.from(blob, 'base64')).digest('base64').replace(/=+$/, '');
  return `${type} SHA256:${digest}`;
}

function leaveWhenDone(): void {
  // The last packets of the last session still have to leave.
  if (draining && sessions === 0) setTimeout(() => process.exit(0), 200);
}

process.on('message', (order: Order) => {
  if (order.type === 'start')
    start(order).catch((error: unknown) => {
      say({ type: 'failed', why: error instanceof Error ? error.message : String(error) });
      process.exit(1);
    });
  else if (order.type === 'serve') {
    serving = true;
    for (const socket of held.splice(0)) begin(socket);
  } else {
    draining = true;
    close();
    leaveWhenDone();
  }
});
// The server alone says when to end: a signal to the whole group must not cut its drain short.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(0));

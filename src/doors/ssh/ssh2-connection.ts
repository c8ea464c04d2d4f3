// One SSH connection in the child: who may sign in (login `git`, a public key that the server knows, a signature that verifies,
// nothing else), and its session channels, each relayed to the server. It decides nothing about what a session may do.
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import type { SshLimits } from './child-messages.ts';
import { COMMAND_LIMIT } from './frames.ts';
import { NOT_AVAILABLE, refusalFrame } from './messages.ts';
import { askKey, relaySession } from './relay.ts';

/** What the child gives each connection. */
export interface ConnectionHost {
  readonly socketPath: string;
  readonly limits: SshLimits;
  log(level: 'info' | 'warn', text: string, fields: Readonly<Record<string, unknown>>): void;
  /** The connection has signed in; false: this key has too many. */
  signedIn(fingerprint: string): boolean;
  /** no new sessions: the server is about to stop */
  draining(): boolean;
  /** Counts running sessions; call the answer when the session has ended. */
  sessionBegins(): () => void;
}

/** A client that tries more keys than this does not know its own. */
const MOST_TRIES = 20;
const KEY_TYPES: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
]);
/** Bytes that may wait for a client that reads slowly, whatever window it announced. */
const MOST_UNSENT = 1024 * 1024;
/** Bytes that a client may have sent beyond what git has read: twice the window that it was given. */
const MOST_UNREAD = 4 * 1024 * 1024;

/** Serves a connection until it closes. */
export function serveConnection(client: Connection, socket: Socket, host: ConnectionHost): void {
  const ip = plainAddress(socket.remoteAddress);
  const known = new Map<string, Promise<boolean>>();
  const channels = new Set<ServerChannel>();
  let tries = 0;
  let fingerprint: string | null = null;
  let sessions = 0;

  // Each session listens to the connection's end and to its room.
  socket.setMaxListeners(10 + 3 * host.limits.sessionsPerConnection);
  client.on('error', () => {});
  client.on('authentication', (context) => {
    tries += 1;
    if (tries > MOST_TRIES) return void client.end();
    judge(context).then(
      (good) => (good ? context.accept() : context.reject(['publickey'])),
      (error: unknown) => {
        host.log('warn', 'a key could not be looked up', { ip, why: String(error) });
        client.end();
      },
    );
  });

  async function judge(context: AuthContext): Promise<boolean> {
    if (context.method !== 'publickey' || context.username !== 'git') return false;
    const key = ssh2.utils.parseKey(context.key.data);
    if (key instanceof Error || Array.isArray(key)) return false;
    // The algorithm is the client's word; the type of the key is in its blob. SHA-1 signatures are none.
    if (key.type !== context.key.algo || !KEY_TYPES.has(key.type)) return false;
    if (key.type === 'ssh-rsa' && context.hashAlgo === undefined) return false;
    const print = createHash('sha256').update(context.key.data).digest('base64').replace(/=+$/, '');
    if (context.signature && context.blob) {
      if (key.verify(context.blob, context.signature, context.hashAlgo) !== true) return false;
    }
    let answer = known.get(print);
    if (!answer) {
      answer = askKey(host.socketPath, { ask: 'key', fingerprint: print, ip }).then((found) => found.known);
      known.set(print, answer);
    }
    if (!(await answer)) return false;
    if (context.signature) fingerprint = print;
    return true;
  }

  client.on('ready', () => {
    if (fingerprint === null || !host.signedIn(fingerprint)) client.end();
  });

  client.on('session', (accept, reject) => {
    if (host.draining() || fingerprint === null) return void reject();
    if (sessions >= host.limits.sessionsPerConnection) return void reject();
    const session = accept();
    if (!isSound(session)) return void client.end();
    sessions += 1;
    let ended = false;
    session.on('close', () => {
      if (ended) return;
      ended = true;
      sessions -= 1;
    });
    serve(session, fingerprint);
  });

  // What one piece of the client's bytes sets free, such as the packets that waited for a window, leaves together.
  socket.prependListener('data', () => {
    socket.cork();
    process.nextTick(() => socket.uncork());
  });
  socket.on('data', () => {
    for (const channel of channels) if (channel.readableLength > MOST_UNREAD) socket.destroy();
  });

  function serve(session: Session, signer: string): void {
    let protocol: string | null = null;
    session.on('env', (accept: (() => void) | undefined, reject: (() => void) | undefined, { key, val }) => {
      if (key !== 'GIT_PROTOCOL' || !/^[a-z0-9=:]{1,64}$/.test(val)) return void reject?.();
      protocol = val;
      accept?.();
    });
    const begin = (channel: ServerChannel, command: string | null) => {
      const done = host.sessionBegins();
      channels.add(channel);
      const cut = command === null ? null : command.slice(0, COMMAND_LIMIT + 1);
      const opening = {
        ask: 'session' as const,
        fingerprint: signer,
        ip,
        command: cut,
        protocol,
        transport: 'ssh2' as const,
      };
      carry({ channel, session, socket }, (end) => relaySession(host.socketPath, opening, end)).finally(() => {
        channels.delete(channel);
        done();
      });
    };
    session.on('shell', (accept) => begin(accept(), null));
    session.on('exec', (accept, _reject, { command }) => begin(accept(), command));
  }
}

/** A client that takes packets of no bytes would be sent empty ones for ever. */
function isSound(session: Session): boolean {
  const { _chanInfo: info } = session as unknown as { _chanInfo?: { outgoing?: { packetSize?: number } } };
  return (info?.outgoing?.packetSize ?? 0) >= 1024;
}

type Relay = (end: Parameters<typeof relaySession>[2]) => Promise<number | null>;

interface Ends {
  readonly channel: ServerChannel;
  readonly session: Session;
  readonly socket: Socket;
}

async function carry({ channel, session, socket }: Ends, relay: Relay): Promise<void> {
  const left = new AbortController();
  let release: (() => void) | null = null;
  const leave = () => {
    left.abort();
    release?.();
  };
  channel.on('error', () => {});
  channel.stderr.on('error', () => {});
  // The channel itself says so only when everything that it received was read.
  session.once('close', leave);
  socket.once('close', leave);
  const wait = (start: (done: () => void) => void) =>
    new Promise<void>((resolve) => {
      if (left.signal.aborted) return resolve();
      release = () => {
        release = null;
        resolve();
      };
      start(() => release?.());
    });
  const put = (stream: Writable, data: Buffer): Promise<void> | null => {
    if (left.signal.aborted) return null;
    let written = () => {};
    // The packets of one piece leave together: ssh2 writes each in three parts.
    socket.cork();
    stream.write(data, () => written());
    socket.uncork();
    const wantsWindow = stream.writableLength > 0;
    if (!wantsWindow && socket.writableLength <= MOST_UNSENT) return null;
    return (async () => {
      if (wantsWindow) await wait((done) => (written = done));
      if (socket.writableLength > MOST_UNSENT) await wait((done) => socket.once('drain', done));
    })();
  };
  // One write at a time: ssh2 mixes up what waits when both streams want the window.
  let turn: Promise<void> | null = null;
  const inTurn = (write: () => Promise<void> | null): Promise<void> | null => {
    if (turn !== null) return turn.then(() => inTurn(write) ?? undefined);
    const waits = write();
    if (waits === null) return null;
    turn = waits.finally(() => {
      turn = null;
    });
    return turn;
  };
  const code = await relay({
    stdin: channel,
    left: left.signal,
    stdout: (data) => inTurn(() => put(channel, data)),
    stderr: (data) =>
      inTurn(() => {
        forgetStdout(channel);
        return put(channel.stderr, data);
      }),
  });
  socket.off('close', leave);
  if (left.signal.aborted) return;
  if (code === null) channel.stderr.write(refusalFrame(NOT_AVAILABLE, 'ssh2'));
  channel.exit(code ?? 1);
  channel.end();
}

/**
 * ssh2 keeps the last bytes of standard output that had to wait for the client's window, and would send them once more when
 * standard error has to wait too. They were sent when we come here, for only one write is under way at a time.
 */
function forgetStdout(channel: ServerChannel): void {
  Object.assign(channel, { _chunk: undefined, _chunkcb: undefined });
}

/** `::ffff:10.0.0.1` is 10.0.0.1. */
export function plainAddress(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '');
}

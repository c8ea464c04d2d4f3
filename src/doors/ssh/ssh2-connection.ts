// One SSH connection in the child: who may sign in (login `git`, a public key that the server knows, a signature that verifies,
// nothing else), and its session channels, each relayed to the server. It decides nothing about what a session may do.
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import { carry } from './carry.ts';
import type { SshLimits } from './child-messages.ts';
import { COMMAND_LIMIT } from './frames.ts';
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

/** `::ffff:10.0.0.1` is 10.0.0.1. */
export function plainAddress(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '');
}

// One session between its SSH channel and the relay: bytes in turn and with back-pressure, packets that leave together, a client
// that has left or takes nothing, the exit code at the end. It works around what ssh2 does with two streams of one channel.
import type { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import type { ServerChannel, Session } from 'ssh2';
import { NOT_AVAILABLE, refusalFrame } from './messages.ts';
import type { relaySession } from './relay.ts';

/** Bytes that may wait for a client that reads slowly, whatever window it announced. */
const MOST_UNSENT = 256 * 1024;
/** Milliseconds in which a client must take something of what waits for it. */
const STALLED = 10 * 60_000;

export type Relay = (end: Parameters<typeof relaySession>[2]) => Promise<number | null>;

export interface Ends {
  readonly channel: ServerChannel;
  readonly session: Session;
  readonly socket: Socket;
}

/**
 * Carries a session between an SSH channel and the server until it has ended, and gives the client its exit code. A client that
 * takes nothing for `stalled` milliseconds is left.
 */
export async function carry({ channel, session, socket }: Ends, relay: Relay, stalled = STALLED): Promise<void> {
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
    const late = setTimeout(() => {
      leave();
      channel.close();
    }, stalled);
    return (async () => {
      if (wantsWindow) await wait((done) => (written = done));
      if (socket.writableLength > MOST_UNSENT) await wait((done) => socket.once('drain', done));
    })().finally(() => clearTimeout(late));
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

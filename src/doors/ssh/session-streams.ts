// The server's end of a session: one connection of the local socket as three streams, the moment the client leaves, and an exit
// code. Back-pressure goes through: a client that reads slowly slows git, a git that reads slowly slows the client.
import type { Socket } from 'node:net';
import { Readable, Writable } from 'node:stream';
import { MINUTE, SECOND } from '../../kernel/clock.ts';
import type { DirectOutputs } from './direct-output.ts';
import { FRAME, FrameReader, type FrameType, type Opening, readOpening, writeFrame } from './frames.ts';

/** A session in which nothing moves in either direction for this long is over. */
const IDLE = 10 * MINUTE;
const OPENING = 10 * SECOND;
/** Bytes that may be on their way to the transport: with less, git and the transport wait for each other's turn on a busy machine. */
const AHEAD = 1024 * 1024;

export interface SessionStreams {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** aborted when the client is gone or has been idle too long */
  readonly left: AbortSignal;
  /** Ends the session. What was written before arrives before. */
  exit(code: number): void;
  /** Ends the conversation with a JSON answer instead. */
  answer(value: unknown): void;
  /**
   * A connection to the transport that git may have as its standard output; null when none comes. Whoever asks writes nothing to
   * `stdout`, and closes it. The transport says `exit` to the client when both have ended.
   */
  direct(outputs: DirectOutputs): Promise<Socket | null>;
  /** Gives the connection away: nothing is read, written or timed here any more. */
  release(): Socket;
}

/**
 * Speaks frames on `socket`, whose first bytes were read already, and hands over the session once it was opened. Whatever is no
 * frame ends the connection.
 */
export function openStreams(
  socket: Socket,
  first: Buffer,
  opened: (opening: Opening, streams: SessionStreams) => void,
): void {
  const left = new AbortController();
  const reader = new FrameReader();
  const stdin = new Readable({ read: () => void socket.resume() });
  stdin.on('error', () => {});
  let answered = false;
  const streams: SessionStreams = {
    stdin,
    stdout: outgoing(socket, FRAME.STDOUT),
    stderr: outgoing(socket, FRAME.STDERR),
    left: left.signal,
    exit: (code) => streams.answer({ code }),
    answer(value) {
      if (socket.destroyed || answered) return;
      answered = true;
      // What still waits for its turn goes first: the other end takes nothing after the last frame.
      let open = 2;
      const closed = () => {
        open -= 1;
        if (open > 0 || socket.destroyed) return;
        writeFrame(socket, FRAME.EXIT, JSON.stringify(value));
        socket.end();
      };
      for (const stream of [streams.stdout, streams.stderr]) stream.end(closed);
      // The rest of what the client sends is nobody's any more.
      socket.resume();
    },
    async direct(outputs) {
      const { ticket, arrived } = outputs.expect(left.signal);
      if (!socket.destroyed) writeFrame(socket, FRAME.DIRECT, JSON.stringify({ ticket }));
      return arrived;
    },
    release() {
      socket.off('data', take);
      socket.pause();
      socket.setTimeout(0);
      return socket;
    },
  };
  let begun = false;
  socket.setTimeout(OPENING, () => socket.destroy(new Error('nothing moves')));
  const take = (chunk: Buffer) => {
    try {
      for (const { type, data } of reader.read(chunk)) {
        if (type === FRAME.OPEN && !begun) {
          begun = true;
          socket.setTimeout(IDLE);
          opened(readOpening(data), streams);
        } else if (type === FRAME.STDIN && begun) {
          if (!stdin.destroyed && !stdin.push(data)) socket.pause();
        } else if (type === FRAME.EOF && begun) stdin.push(null);
        else throw new Error('this frame has no place here');
      }
    } catch (error) {
      socket.destroy(error as Error);
    }
  };
  socket.on('error', () => {});
  socket.on('data', take);
  socket.on('close', () => {
    left.abort(new Error('the client left'));
    stdin.destroy();
  });
  take(first);
}

function outgoing(socket: Socket, type: FrameType): Writable {
  let waiting: ((error?: Error) => void) | null = null;
  const go = (error?: Error) => {
    const done = waiting;
    waiting = null;
    done?.(error);
  };
  socket.on('drain', () => go());
  socket.on('close', () => go(new Error('the client left')));
  const stream = new Writable({
    highWaterMark: AHEAD / 2,
    write(chunk: Buffer, _encoding, done) {
      if (socket.destroyed) return done(new Error('the client left'));
      waiting = done;
      if (writeFrame(socket, type, chunk) || socket.writableLength < AHEAD / 2) go();
    },
  });
  stream.on('error', () => {});
  return stream;
}

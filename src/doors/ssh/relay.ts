// The transport's end of a session: opens a connection to the server's private socket, says who signed and what was asked, and
// moves bytes both ways with back-pressure until the server gives an exit code. It understands nothing of what it carries.
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import {
  FRAME,
  FrameReader,
  type KeyAnswer,
  type KeyQuestion,
  type Opening,
  type OutputOpening,
  type SessionOpening,
  STREAM_MARK,
  writeFrame,
} from './frames.ts';

export interface ClientEnd {
  readonly stdin: Readable;
  /** Null: the client has taken the bytes. Else a promise that resolves when it has, or is gone; the bytes must stay until then. */
  stdout(data: Buffer): Promise<void> | null;
  stderr(data: Buffer): Promise<void> | null;
  /** aborted when the client has left */
  readonly left: AbortSignal;
}

/** Bytes that are read at once from a direct output: a few packets of SSH, which then leave together. */
const BLOCK = 128 * 1024;
/** How often the server is told that a direct output moves, in milliseconds; it ends a session in which nothing does. */
const ALIVE = 60_000;
/** A client that takes nothing for so many of these is not waited for. */
const MOST_QUIET = 10;

/** Carries one session. Gives its exit code; null when the server could not be reached or left in the middle. */
export async function relaySession(
  socketPath: string,
  opening: SessionOpening,
  client: ClientEnd,
): Promise<number | null> {
  const local = open(socketPath, opening);
  let direct: DirectOutput | null = null;
  const leave = () => {
    local.destroy();
    direct?.end();
  };
  client.left.addEventListener('abort', leave, { once: true });
  if (client.left.aborted) leave();
  const send = (data: Buffer) => {
    if (local.destroyed || writeFrame(local, FRAME.STDIN, data)) return;
    client.stdin.pause();
    local.once('drain', () => client.stdin.resume());
  };
  const end = () => {
    if (!local.destroyed) writeFrame(local, FRAME.EOF);
  };
  const alive = () => {
    if (!local.destroyed) writeFrame(local, FRAME.STDIN);
  };
  client.stdin.on('data', send);
  client.stdin.once('end', end);
  const reader = new FrameReader();
  let code: number | null = null;
  try {
    for await (const chunk of local)
      for (const { type, data } of reader.read(chunk as Buffer)) {
        if (type === FRAME.STDOUT) await client.stdout(data);
        else if (type === FRAME.STDERR) await client.stderr(data);
        else if (type === FRAME.DIRECT) direct = openDirect(socketPath, data, client, alive);
        else if (type === FRAME.EXIT) code = Number((JSON.parse(data.toString()) as { code: unknown }).code);
      }
  } catch {
    // A server that is gone shows in the code.
  }
  // git may have ended while the client still has to take what it wrote.
  if (code === null) direct?.end();
  await direct?.done;
  client.left.removeEventListener('abort', leave);
  client.stdin.off('data', send);
  client.stdin.off('end', end);
  // Whoever still sends is not read any more, and must not wait for it.
  client.stdin.resume();
  local.destroy();
  return code;
}

interface DirectOutput {
  /** resolves when the client has taken everything, or nothing more is to come */
  readonly done: Promise<void>;
  end(): void;
}

/** Fetches what git writes on a connection of its own. One buffer serves for all of it: the client has it or its copy. */
function openDirect(socketPath: string, frame: Buffer, client: ClientEnd, alive: () => void): DirectOutput {
  const { ticket } = JSON.parse(frame.toString()) as { ticket: string };
  let moved = false;
  let quiet = 0;
  const socket = open(socketPath, { ask: 'output', ticket } satisfies OutputOpening, {
    buffer: Buffer.allocUnsafeSlow(BLOCK),
    callback(length, buffer) {
      moved = true;
      const taken = client.stdout(Buffer.from(buffer.buffer, buffer.byteOffset, length));
      if (taken === null) return true;
      void taken.then(() => socket.resume());
      return false;
    },
  });
  const watch = setInterval(() => {
    quiet = moved ? 0 : quiet + 1;
    if (moved) alive();
    if (quiet >= MOST_QUIET) socket.destroy();
    moved = false;
  }, ALIVE);
  const done = new Promise<void>((resolve) =>
    socket.once('close', () => {
      clearInterval(watch);
      resolve();
    }),
  );
  return { done, end: () => void socket.destroy() };
}

/** Asks whether a key may sign in. Rejects when the server does not answer. */
export async function askKey(socketPath: string, question: KeyQuestion): Promise<KeyAnswer> {
  const local = open(socketPath, question);
  const reader = new FrameReader();
  try {
    for await (const chunk of local)
      for (const { type, data } of reader.read(chunk as Buffer))
        if (type === FRAME.EXIT) return JSON.parse(data.toString()) as KeyAnswer;
  } finally {
    local.destroy();
  }
  throw new Error('the server left without an answer');
}

interface IntoBuffer {
  readonly buffer: Buffer;
  /** False: read no more until `resume`. */
  callback(length: number, buffer: Uint8Array): boolean;
}

function open(path: string, opening: Opening, onread?: IntoBuffer): Socket {
  const local = connect({ path, ...(onread && { onread }) });
  local.on('error', () => {});
  local.write(Buffer.of(STREAM_MARK));
  writeFrame(local, FRAME.OPEN, JSON.stringify(opening));
  return local;
}

// The transport's end of a session: opens one connection to the server's private socket, says who signed and what was asked, and
// moves bytes both ways with back-pressure until the server gives an exit code. It understands nothing of what it carries.
import { connect, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import {
  FRAME,
  FrameReader,
  type KeyAnswer,
  type KeyQuestion,
  type SessionOpening,
  STREAM_MARK,
  writeFrame,
} from './frames.ts';

export interface ClientEnd {
  readonly stdin: Readable;
  /** Resolves when the client takes more, or is gone. */
  stdout(data: Buffer): Promise<void>;
  stderr(data: Buffer): Promise<void>;
  /** aborted when the client has left */
  readonly left: AbortSignal;
}

/** Carries one session. Gives its exit code; null when the server could not be reached or left in the middle. */
export async function relaySession(
  socketPath: string,
  opening: SessionOpening,
  client: ClientEnd,
): Promise<number | null> {
  const local = open(socketPath, opening);
  const leave = () => local.destroy();
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
  client.stdin.on('data', send);
  client.stdin.once('end', end);
  const reader = new FrameReader();
  let code: number | null = null;
  try {
    for await (const chunk of local)
      for (const { type, data } of reader.read(chunk as Buffer)) {
        if (type === FRAME.STDOUT) await client.stdout(data);
        else if (type === FRAME.STDERR) await client.stderr(data);
        else if (type === FRAME.EXIT) code = Number((JSON.parse(data.toString()) as { code: unknown }).code);
      }
  } catch {
    // A server that is gone shows in the code.
  } finally {
    client.left.removeEventListener('abort', leave);
    client.stdin.off('data', send);
    client.stdin.off('end', end);
    // Whoever still sends is not read any more, and must not wait for it.
    client.stdin.resume();
    local.destroy();
  }
  return code;
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

function open(socketPath: string, opening: SessionOpening | KeyQuestion): Socket {
  const local = connect(socketPath);
  local.on('error', () => {});
  local.write(Buffer.of(STREAM_MARK));
  writeFrame(local, FRAME.OPEN, JSON.stringify(opening));
  return local;
}

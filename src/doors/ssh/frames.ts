// How one SSH session looks on the private local socket: frames of a type, a length and bytes. Both transports write them and
// the server reads them, and the other way round; what a session does is not known here.
import type { Socket } from 'node:net';

/** The first byte of a connection that speaks frames; a JSON line, the socket's other language, begins with `{`. */
export const STREAM_MARK = 0x3e;

/**
 * OPEN, DIRECT and EXIT carry JSON, EOF nothing, the others bytes of their stream. DIRECT asks the transport for a second
 * connection (an OutputOpening with its ticket), on which standard output then comes as it is, without frames.
 */
export const FRAME = { OPEN: 1, STDIN: 2, EOF: 3, STDOUT: 4, STDERR: 5, EXIT: 6, DIRECT: 7 } as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export interface Piece {
  readonly type: FrameType;
  readonly data: Buffer;
}

const HEADER = 5;
/** A command line of SSH is far below it, even with every byte escaped. */
const CONTROL_LIMIT = 512 * 1024;
const CONTROL: ReadonlySet<number> = new Set([FRAME.OPEN, FRAME.EOF, FRAME.EXIT, FRAME.DIRECT]);
const KNOWN: ReadonlySet<number> = new Set(Object.values(FRAME));

/** Writes one frame. False: the other side reads slowly, wait for `drain`. */
export function writeFrame(socket: Socket, type: FrameType, data: Buffer | string = ''): boolean {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  const header = Buffer.allocUnsafe(HEADER);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(bytes.length, 1);
  socket.cork();
  const ready = socket.write(header);
  const taken = bytes.length === 0 ? ready : socket.write(bytes);
  socket.uncork();
  return taken;
}

/** Takes frames apart. Bytes of streams are given on as they come; a control frame is given whole. Throws on what is no frame. */
export class FrameReader {
  #head = Buffer.alloc(0);
  #type: FrameType | null = null;
  #left = 0;
  #control: Buffer[] = [];

  *read(chunk: Buffer): Generator<Piece> {
    let rest = chunk;
    while (rest.length > 0 || (this.#type !== null && this.#left === 0)) {
      if (this.#type === null) {
        const take = Math.min(HEADER - this.#head.length, rest.length);
        this.#head = Buffer.concat([this.#head, rest.subarray(0, take)]);
        rest = rest.subarray(take);
        if (this.#head.length < HEADER) return;
        this.#begin();
        continue;
      }
      const data = rest.subarray(0, this.#left);
      rest = rest.subarray(data.length);
      this.#left -= data.length;
      if (CONTROL.has(this.#type)) {
        this.#control.push(data);
        if (this.#left === 0) yield { type: this.#type, data: Buffer.concat(this.#control) };
      } else if (data.length > 0) yield { type: this.#type, data };
      if (this.#left === 0) this.#type = null;
    }
  }

  #begin(): void {
    const type = this.#head.readUInt8(0);
    this.#left = this.#head.readUInt32BE(1);
    if (!KNOWN.has(type) || (CONTROL.has(type) && this.#left > CONTROL_LIMIT)) throw new Error('this is no frame');
    this.#type = type as FrameType;
    this.#control = [];
    this.#head = Buffer.alloc(0);
  }
}

/** What a transport says first. Whoever can write to the socket is believed: it is for the owner of the data folder alone. */
export interface SessionOpening {
  readonly ask: 'session';
  /** SHA-256 of the key whose signature was verified */
  readonly fingerprint: string;
  /** the client's address */
  readonly ip: string | null;
  /** as the client sent it; null when it asked for a shell */
  readonly command: string | null;
  /** the client's GIT_PROTOCOL, unchecked */
  readonly protocol: string | null;
  /** the two say no in slightly different words (reference git-and-deploy 10.3) */
  readonly transport: 'ssh2' | 'openssh';
}

/** The other question: whether a key may sign in. Answered by an EXIT frame with a KeyAnswer. */
export interface KeyQuestion {
  readonly ask: 'key';
  readonly fingerprint: string;
  readonly ip: string | null;
}

export interface KeyAnswer {
  readonly known: boolean;
  /** type and blob as they stand in `authorized_keys`, for a key that is known */
  readonly key: string | null;
}

/** What the second connection says: whose standard output it waits for. Nothing but those bytes is written to it. */
export interface OutputOpening {
  readonly ask: 'output';
  readonly ticket: string;
}

export type Opening = SessionOpening | KeyQuestion | OutputOpening;

/** Longer commands are cut by the transport and then refused by the server. */
export const COMMAND_LIMIT = 16 * 1024;

/** Reads an OPEN frame. Throws when it is none. */
export function readOpening(data: Buffer): Opening {
  const said = JSON.parse(data.toString('utf8')) as Record<string, unknown>;
  const { ask, fingerprint, ip, command, protocol, transport, ticket } = said;
  if (ask === 'output' && typeof ticket === 'string') return { ask, ticket };
  if (typeof fingerprint !== 'string') throw new Error('this opens nothing');
  const text = (value: unknown) => (typeof value === 'string' ? value : null);
  if (ask === 'key') return { ask, fingerprint, ip: text(ip) };
  if (ask !== 'session' || (transport !== 'ssh2' && transport !== 'openssh')) throw new Error('this opens nothing');
  return { ask, fingerprint, ip: text(ip), command: text(command), protocol: text(protocol), transport };
}

// The one private socket of a running server, in its data folder, mode 0600: hooks ask here whether a push may happen, and the
// command line talks to the server. It is also the lock that keeps a second server off the same folder. One JSON object a
// line in, one a line out; what a message means the answerers know. SSH sessions bring a language of their own.
import { chmod, link, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import type { Logger } from 'pino';
import { randomHex } from '../../kernel/random.ts';
import { localSocketPath, pointedAt } from './socket-path.ts';

export type LocalMessage = Readonly<Record<string, unknown>>;
/** Answers one message; `signal` is aborted when the asker leaves. What it throws is told as `{error}` without details. */
export type LocalAnswerer = (message: LocalMessage, signal: AbortSignal) => Promise<unknown>;

/** Takes a connection over, in a language of its own. */
export type StreamTaker = (socket: Socket, first: Buffer) => void;

export interface LocalDoor {
  readonly path: string;
  /** Says who answers messages of this `type`. */
  answer(type: string, answerer: LocalAnswerer): void;
  /** Says who takes connections that begin with the byte `>` instead of JSON; `first` is what came behind that byte. */
  stream(taker: StreamTaker): void;
  /** Closes the socket and removes it; another server may start then. */
  close(): Promise<void>;
}

/** Somebody lives in this data folder already. */
export class AlreadyServing extends Error {
  constructor(folder: string) {
    super(`a Keyward server is already running on ${folder}`);
    this.name = 'AlreadyServing';
  }
}

const STREAM_MARK = 0x3e;
const LINE_LIMIT = 8 * 1024 * 1024;
/** Linux takes 107 bytes, macOS 103. */
const PATH_LIMIT = 100;

/** Opens the socket of `dataFolder`. Throws AlreadyServing when a living server holds it; a dead server's is replaced. */
export async function openLocalDoor(options: {
  readonly dataFolder: string;
  readonly log: Pick<Logger, 'warn'>;
}): Promise<LocalDoor> {
  const folder = join(resolve(options.dataFolder), 'run');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const lock = join(folder, 'keyward.sock');
  if (await lives(await pointedAt(lock))) throw new AlreadyServing(options.dataFolder);

  const answerers = new Map<string, LocalAnswerer>();
  const sockets = new Set<Socket>();
  let taker: StreamTaker | null = null;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    socket.once('data', (first: Buffer) => {
      if (first[0] !== STREAM_MARK) serve(socket, first, answerers, options.log);
      else if (taker) taker(socket, first.subarray(1));
      else socket.destroy();
    });
  });
  const path = await bind(server, lock, options.dataFolder);
  return {
    path,
    answer: (type, answerer) => void answerers.set(type, answerer),
    stream(given) {
      taker = given;
    },
    async close() {
      await rm(lock, { force: true });
      if (path !== lock) await rm(dirname(path), { recursive: true, force: true });
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((done) => server.close(() => done()));
    },
  };
}

/**
 * Listens under a name of its own and links it to the lock's name, which only one of two starting servers can do. A dead
 * server's lock is moved aside, looked at once more, and removed.
 */
async function bind(server: Server, lock: string, dataFolder: string): Promise<string> {
  const short = Buffer.byteLength(lock) + 20 <= PATH_LIMIT;
  const own = short ? `${lock}.${randomHex(4)}` : join(await mkdtemp(join(tmpdir(), 'keyward-')), 'keyward.sock');
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(own, () => done());
  });
  await chmod(own, 0o600);
  // A link to a socket is that socket; where the socket lies elsewhere, the lock is a file that names it.
  const claim = short ? own : `${lock}.${randomHex(4)}`;
  if (!short) await writeFile(claim, own, { mode: 0o600, flag: 'wx' });
  try {
    for (let attempt = 0; ; attempt += 1) {
      const clash = await link(claim, lock).then(
        () => null,
        (error: NodeJS.ErrnoException) => error,
      );
      if (clash === null) return short ? lock : own;
      if (clash.code !== 'EEXIST') throw clash;
      if (attempt > 5 || (await lives(await pointedAt(lock)))) throw new AlreadyServing(dataFolder);
      const aside = `${lock}.${randomHex(4)}.old`;
      await rename(lock, aside).catch(() => {});
      if (await lives(await pointedAt(aside))) {
        await link(aside, lock).catch(() => {});
        await rm(aside, { force: true });
        throw new AlreadyServing(dataFolder);
      }
      await rm(aside, { force: true });
    }
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(claim, { force: true });
  }
}

function lives(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect(path);
    const end = (alive: boolean) => {
      socket.destroy();
      answer(alive);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

function serve(
  socket: Socket,
  first: Buffer,
  answerers: ReadonlyMap<string, LocalAnswerer>,
  log: Pick<Logger, 'warn'>,
): void {
  const left = new AbortController();
  let buffered = '';
  let queue = Promise.resolve();
  const decoder = new StringDecoder('utf8');
  socket.on('close', () => left.abort());
  const take = (chunk: Buffer) => {
    buffered += decoder.write(chunk);
    for (let end = buffered.indexOf('\n'); end !== -1; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      queue = queue.then(async () => {
        const answer = await answerLine(line, answerers, left.signal, log);
        if (!socket.destroyed) socket.write(`${JSON.stringify(answer)}\n`);
      });
    }
    if (buffered.length > LINE_LIMIT) socket.destroy();
  };
  socket.on('data', take);
  take(first);
}

async function answerLine(
  line: string,
  answerers: ReadonlyMap<string, LocalAnswerer>,
  signal: AbortSignal,
  log: Pick<Logger, 'warn'>,
): Promise<unknown> {
  try {
    const message: unknown = JSON.parse(line);
    if (typeof message !== 'object' || message === null || Array.isArray(message)) return { error: 'not an object' };
    const type = (message as LocalMessage)['type'];
    const answerer = typeof type === 'string' ? answerers.get(type) : undefined;
    return answerer ? await answerer(message as LocalMessage, signal) : { error: 'unknown type of message' };
  } catch (error) {
    log.warn({ err: error }, 'a message on the local socket could not be answered');
    return { error: 'the server could not answer' };
  }
}

/** Asks the server of a data folder one question; for the command line. Rejects when no server listens. */
export async function askLocalDoor(dataFolder: string, message: LocalMessage): Promise<unknown> {
  const socket = connect(await localSocketPath(dataFolder));
  socket.setEncoding('utf8');
  return new Promise((answer, fail) => {
    let text = '';
    socket.on('error', fail);
    socket.on('data', (chunk: string) => {
      text += chunk;
      const end = text.indexOf('\n');
      if (end === -1) return;
      socket.end();
      answer(JSON.parse(text.slice(0, end)));
    });
    socket.on('end', () => fail(new Error('the server left without an answer')));
    socket.write(`${JSON.stringify(message)}\n`);
  });
}

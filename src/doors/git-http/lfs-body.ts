// What an LFS request says of itself: the types that it brings and takes, and its small JSON body. It knows its size and its shape
// as an object, and no field.
import type { IncomingHttpHeaders } from 'node:http';
import { bodyOf, type Exchange } from './exchange.ts';
import { type LfsReply, lfsReply } from './lfs-replies.ts';

/** A request that cannot be read, with what its sender hears. */
export class UnreadableLfs extends Error {
  readonly reply: LfsReply;

  constructor(status: number, message: string) {
    super(message);
    this.name = 'UnreadableLfs';
    this.reply = lfsReply(status, message);
  }
}

/** A batch of ten thousand objects fits. */
const MOST = 1024 * 1024;

const TYPES = ['application/vnd.git-lfs+json', 'application/json'];
const ANY = ['application/*', '*/*'];

/** Throws 406 when the client would not take git-lfs' JSON (the git-lfs batch API). Saying nothing takes everything. */
export function demandLfsReader({ accept = '*/*' }: IncomingHttpHeaders): void {
  if (!accept.split(',').some((each) => [...TYPES, ...ANY].includes(mediaType(each))))
    throw new UnreadableLfs(406, 'The Accept header needs to be application/vnd.git-lfs+json.');
}

function mediaType(text: string): string {
  return text.split(';', 1)[0]!.trim().toLowerCase();
}

/**
 * The body as an object; an empty body is `{}`. Throws 413 for what is too large, 415 for what is packed in an unknown way or called
 * something else than JSON (a form of a page elsewhere), 400 for what is no JSON object. What is called nothing is taken for JSON.
 */
export async function readLfsBody({ request }: Exchange): Promise<Readonly<Record<string, unknown>>> {
  const input = bodyOf(request);
  if (input === null) throw new UnreadableLfs(415, 'The encoding of the request is not supported.');
  const chunks: Buffer[] = [];
  let size = 0;
  // Ended by hand: leaving a loop over the request early would close the connection that the answer needs.
  await new Promise<void>((done, failed) => {
    input.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= MOST) chunks.push(chunk);
      else {
        input.pause();
        done();
      }
    });
    input.once('end', done);
    input.once('error', failed);
    input.once('close', done);
  });
  if (size > MOST) throw new UnreadableLfs(413, 'The request is too large.');
  if (size === 0) return {};
  if (!TYPES.includes(mediaType(request.headers['content-type'] || TYPES[0]!)))
    throw new UnreadableLfs(415, 'The Content-Type header needs to be application/vnd.git-lfs+json.');
  let value: unknown;
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw new UnreadableLfs(400, 'The request is not valid JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UnreadableLfs(400, 'The request is not a JSON object.');
  return value as Record<string, unknown>;
}

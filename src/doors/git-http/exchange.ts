// One request and its reply on the wire: the client's address and departure, its body (unpacked when it came as gzip), refusals
// as plain text, and streams written straight to the socket. It knows no rights.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { SECOND } from '../../kernel/clock.ts';
import type { GitReply } from './replies.ts';

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly ip: string;
  /** aborted when the client is gone before it heard everything */
  readonly left: AbortSignal;
}

/** Milliseconds without a byte either way. git says something every few seconds, so only a client that is gone is that quiet. */
const IDLE = 120 * SECOND;

/** Takes over a request. */
export function openExchange(request: IncomingMessage, response: ServerResponse, ip: string): Exchange {
  const controller = new AbortController();
  const { socket } = request;
  const tooQuiet = () => socket.destroy();
  socket.setTimeout(IDLE);
  socket.once('timeout', tooQuiet);
  response.once('close', () => {
    socket.off('timeout', tooQuiet);
    if (!response.writableFinished) controller.abort(new Error('the client left'));
  });
  return { request, response, ip, left: controller.signal };
}

/** Gives a refusal. When a stream has begun already, all that is left is to break it off. */
export function refuse({ request, response }: Exchange, reply: GitReply): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = Buffer.from(`${reply.body}\n`);
  response.statusCode = reply.status;
  for (const name of ['Content-Type', 'Cache-Control']) response.removeHeader(name);
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('Content-Length', body.length);
  if (reply.challenge) response.setHeader('WWW-Authenticate', 'Basic realm="GitLab"');
  if (reply.retryAfter !== undefined) response.setHeader('Retry-After', String(reply.retryAfter));
  // A client that is still sending a pack hears the answer and the end of the connection, not the end of our patience.
  if (!request.complete && (request.method === 'POST' || request.method === 'PUT'))
    response.setHeader('Connection', 'close');
  response.end(body);
}

/** The headers of a git answer of this type; written with its first byte. */
export function announce(response: ServerResponse, type: string): void {
  response.statusCode = 200;
  response.setHeader('Content-Type', type);
  response.setHeader('Cache-Control', 'no-cache');
}

/** The request's body as git shall see it; null for an encoding that git never sends. */
export function bodyOf(request: IncomingMessage): Readable | null {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') return request;
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return null;
  const unpacked = createGunzip();
  // It may fail before or after anybody listens, and an error that nobody hears ends the process.
  unpacked.on('error', () => {});
  pipeline(request, unpacked, () => {});
  return unpacked;
}

/** Whether the body said to be gzip was none: the client's mistake. */
export function isBadGzip(error: unknown): boolean {
  return error instanceof Error && /^Z_(?:DATA|BUF)_ERROR$/.test((error as NodeJS.ErrnoException).code ?? '');
}

export const badGzip: GitReply = { status: 400, body: 'The body of the request is not valid gzip.' };

// How the LFS routes answer: JSON of git-lfs' own type, a sentence and an address for help beside each refusal (reference
// git-and-deploy 9.1). Wrong credentials are answered like git's, in plain text with the challenge.
import { type Exchange, refuse } from './exchange.ts';
import type { GitReply } from './replies.ts';

export interface LfsReply {
  readonly status: number;
  readonly message: string;
  /** what the answer holds beside the message */
  readonly more?: Readonly<Record<string, unknown>>;
}

export const forbidden: LfsReply = { status: 403, message: 'Access forbidden. Check your access level.' };
export const lfsNotFound: LfsReply = { status: 404, message: 'Not found.' };
export const mismatch: GitReply = { status: 400, body: 'SHA256 or size mismatch' };
export const legacy: LfsReply = {
  status: 501,
  message: 'Server supports batch API only, please update your Git LFS client to version 1.0.1 and up.',
};

/** A refusal in words of its own. */
export function lfsReply(status: number, message: string, more?: Readonly<Record<string, unknown>>): LfsReply {
  return { status, message, ...(more && { more }) };
}

/** Sends a body as git-lfs' JSON. */
export function sendLfs({ request, response }: Exchange, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.statusCode = status;
  response.setHeader('Content-Type', 'application/vnd.git-lfs+json');
  response.setHeader('Content-Length', bytes.length);
  // Answers carry keys made for one client.
  response.setHeader('Cache-Control', 'no-store');
  if (!request.complete && request.method !== 'GET') response.setHeader('Connection', 'close');
  response.end(bytes);
}

/** Gives a refusal; what has begun already is broken off. */
export function refuseLfs(exchange: Exchange, url: string, reply: LfsReply | GitReply): void {
  if ('body' in reply) refuse(exchange, reply);
  else if (exchange.response.headersSent) exchange.response.destroy();
  else sendLfs(exchange, reply.status, { ...reply.more, message: reply.message, documentation_url: `${url}/help` });
}

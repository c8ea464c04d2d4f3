// The LFS routes: one request, its entry, and what it asks for (reference git-and-deploy 9.1). Objects stream between socket and
// disk; the end of a key cuts its streams, the end of an LFS token only keeps new ones from beginning.
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Allowed } from '../../access/allowed.ts';
import type { Actor } from '../../credentials/actor.ts';
import { FaultError } from '../../kernel/faults.ts';
import { RepositoryError } from '../../repositories/errors.ts';
import { type Oid, openLfsObject, storeLfsObject } from '../../repositories/lfs-objects.ts';
import { BlobMismatch } from '../../storage/blobs.ts';
import { diskTrouble } from '../../storage/errors.ts';
import type { Services } from '../services.ts';
import { badGzip, type Exchange, isBadGzip } from './exchange.ts';
import { answerBatch } from './lfs-batch.ts';
import { demandLfsReader, UnreadableLfs } from './lfs-body.ts';
import type { LfsCall } from './lfs-call.ts';
import { enterLfs, type LfsAction } from './lfs-entry.ts';
import { createLock, listOfLocks, unlock, verifyLocks } from './lfs-locks.ts';
import { forbidden, type LfsReply, legacy, lfsNotFound, lfsReply, mismatch, refuseLfs } from './lfs-replies.ts';
import type { LfsRequest } from './lfs-url.ts';
import { readRange } from './range.ts';
import { accessDenied, busy, type GitReply } from './replies.ts';

/** Answers one request; never throws. */
export async function answerLfs(services: Services, exchange: Exchange, asked: LfsRequest): Promise<void> {
  try {
    await answer(services, exchange, asked);
  } catch (error) {
    if (exchange.left.aborted) return;
    const reply = replyTo(services, error);
    if (reply === null) services.log.error({ err: error }, 'an LFS request failed');
    refuseLfs(exchange, services.url, reply ?? lfsReply(500, 'The server failed.'));
  }
}

async function answer(services: Services, exchange: Exchange, asked: LfsRequest): Promise<void> {
  const enter = <A extends LfsAction>(action: A, work: (call: LfsCall<A>) => Promise<void>, denied?: LfsReply) =>
    within(services, exchange, asked.path, action, denied, work);
  if (asked.type !== 'download' && asked.type !== 'upload') demandLfsReader(exchange.request.headers);
  switch (asked.type) {
    case 'batch':
      return answerBatch(services, exchange, enter);
    case 'download':
      return enter('repository:pull', (call) => download(call, asked.oid));
    case 'upload':
      return enter('repository:push', (call) => upload(call, asked));
    case 'lock':
      return enter('repository:push', createLock);
    case 'verify_locks':
      return enter('repository:push', verifyLocks);
    case 'list_locks':
      return enter('repository:pull', (call) => listOfLocks(call, asked.query));
    case 'unlock':
      return enter('repository:push', (call) => unlock(call, asked.id), lfsReply(403, 'You have no permissions'));
    case 'legacy':
      return enter('repository:pull', async () => refuseLfs(exchange, services.url, legacy));
    case 'nothing':
      return refuseLfs(exchange, services.url, lfsNotFound);
  }
}

async function within<A extends LfsAction>(
  services: Services,
  exchange: Exchange,
  path: string,
  action: A,
  denied: LfsReply | undefined,
  work: (call: LfsCall<A>) => Promise<void>,
): Promise<void> {
  const { authorization } = exchange.request.headers;
  const request = { path, action, authorization, ip: exchange.ip, ...(denied && { denied }) };
  const entered = await enterLfs(services, request);
  if (!entered.ok) return refuseLfs(exchange, services.url, entered.error);
  const { credential, allowed } = entered.value;
  const use = services.liveUses.open(credential);
  use.at(allowed.place.project.id);
  try {
    const actor: Actor = { credential, door: 'git-http', ip: exchange.ip };
    const signal = AbortSignal.any([use.signal, exchange.left]);
    await work({ ...entered.value, services, exchange, actor, signal });
  } finally {
    use.done();
  }
}

async function upload(
  { services, exchange, actor, allowed, signal }: LfsCall<'repository:push'>,
  object: { readonly oid: Oid; readonly size: number },
): Promise<void> {
  const { request, response } = exchange;
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding.toLowerCase() !== 'identity')
    return refuseLfs(exchange, services.url, lfsReply(415, 'The encoding of the request is not supported.'));
  if (length !== undefined && Number(length) !== object.size) return refuseLfs(exchange, services.url, mismatch);
  // A failed write must not take the socket with it: there is an answer to give.
  const source = new PassThrough();
  request.pipe(source);
  try {
    await storeLfsObject(services, actor, allowed, object, { source, signal });
  } finally {
    request.unpipe(source);
  }
  response.writeHead(200, { 'Content-Length': 0 }).end();
}

async function download({ services, exchange, allowed, signal }: LfsCall<'repository:pull'>, oid: Oid): Promise<void> {
  const { request, response } = exchange;
  const object = await openLfsObject(services, allowed as Allowed<'repository:pull'>, oid);
  if (!object) return refuseLfs(exchange, services.url, lfsNotFound);
  const etag = `"${oid}"`;
  // HEAD says what the whole file is like, whatever part is asked for (RFC 9110 section 14.2).
  const head = request.method === 'HEAD';
  const range = head ? null : readRange(request.headers, object.size, etag);
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'Content-Range': `bytes */${object.size}`, 'Content-Length': 0 }).end();
    return;
  }
  const bytes = head ? null : await object.read(range ?? undefined);
  response.writeHead(range === null ? 200 : 206, {
    'Content-Type': 'application/octet-stream',
    'Content-Length': range === null ? object.size : range.last - range.first + 1,
    ...(range && { 'Content-Range': `bytes ${range.first}-${range.last}/${object.size}` }),
    'Accept-Ranges': 'bytes',
    ETag: etag,
    // What people store here is for git-lfs, never for a browser to run.
    'Content-Disposition': 'attachment',
    'X-Content-Type-Options': 'nosniff',
    'Cache-Control': 'private, no-cache',
  });
  if (bytes === null) response.end();
  else await pipeline(bytes, response, { signal });
}

function replyTo(services: Services, error: unknown): LfsReply | GitReply | null {
  if (error instanceof UnreadableLfs) return error.reply;
  if (error instanceof BlobMismatch) return mismatch;
  if (error instanceof RepositoryError && error.code === 'repository_missing') return lfsNotFound;
  if (error instanceof FaultError) return faultReply(services, error);
  if (!(error instanceof Error)) return null;
  if (isBadGzip(error)) return lfsReply(400, badGzip.body);
  const trouble = diskTrouble(error);
  if (trouble !== null) {
    services.log.error({ err: error }, 'the disk does not take an LFS object');
    return trouble === 'full'
      ? lfsReply(507, 'There is no room left on the server.')
      : lfsReply(500, 'The server could not write to its disk.');
  }
  // An abort that is not the client's own comes from the end of its key.
  return error.name === 'AbortError' ? accessDenied(services.url) : null;
}

function faultReply(services: Services, { fault }: FaultError): LfsReply | GitReply | null {
  switch (fault.code) {
    case 'not_found':
      return fault.thing === null ? lfsNotFound : lfsReply(404, `${fault.thing} not found`);
    case 'forbidden':
      return fault.reason === null ? forbidden : lfsReply(403, fault.reason);
    case 'unauthorized':
      return accessDenied(services.url);
    case 'bad_request':
      return lfsReply(400, fault.reason);
    case 'unprocessable':
      return lfsReply(422, fault.reason);
    case 'conflict':
      return lfsReply(409, fault.reason);
    case 'unavailable':
    case 'too_many_requests':
      return busy(fault.retryAfter);
    default:
      return null;
  }
}

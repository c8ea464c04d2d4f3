// git's own wire over HTTP: `info/refs`, `git-upload-pack`, `git-receive-pack` (reference git-and-deploy 8). Bytes stream between
// the socket and git; nothing is kept in memory whole. Rights are asked in entry.ts, words of refusal stand in replies.ts.

import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { atProject } from '../../access/place.ts';
import type { Actor } from '../../credentials/actor.ts';
import { FaultError } from '../../kernel/faults.ts';
import { RepositoryError } from '../../repositories/errors.ts';
import { GitBusy } from '../../repositories/git.ts';
import { movedNotice, servePush } from '../../repositories/push-flow.ts';
import { advertise, uploadPack } from '../../repositories/serve.ts';
import { createForPush, emptyRefs, line, mayCreate, unfitName } from '../http/create-on-push.ts';
import { keepPace, slotKey } from '../http/pace.ts';
import { peek } from '../http/peek.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { type Entry, enter } from './entry.ts';
import { announce, badGzip, bodyOf, type Exchange, isBadGzip, openExchange, refuse } from './exchange.ts';
import { type GitRequest, type GitService, parseGitUrl } from './git-url.ts';
import { answerLfs } from './lfs.ts';
import { parseLfsUrl } from './lfs-url.ts';
import { accessDenied, busy, type GitReply, noRepository, notFound } from './replies.ts';

/** Registers the door: wildcard routes without body parsers. What is not git's is left to the application's 404. */
export function registerGitHttp(app: FastifyInstance, services: Services): void {
  app.register(async (door) => {
    door.removeAllContentTypeParsers();
    door.addContentTypeParser('*', (_request, _payload, done) => done(null));
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      const lfs = parseLfsUrl(request.method, request.raw.url ?? '');
      if (lfs !== null) {
        reply.hijack();
        return answerLfs(services, openExchange(request.raw, reply.raw, request.ip), lfs);
      }
      const asked = parseGitUrl(request.raw.url ?? '');
      if (asked === null || !fitsMethod(asked, request.method)) return void reply.callNotFound();
      reply.hijack();
      const exchange = openExchange(request.raw, reply.raw, request.ip);
      await answer(services, exchange, asked).catch((error: unknown) => fail(services, exchange, error));
    };
    door.route({ method: ['GET', 'POST', 'PUT'], url: '/*', exposeHeadRoute: false, handler });
    door.route({ method: 'HEAD', url: '/*', handler });
  });
}

function fitsMethod(asked: GitRequest, method: string): boolean {
  if (asked.type === 'rpc') return method === 'POST';
  if (asked.type === 'redirect') return method === 'GET' || method === 'HEAD';
  return method !== 'PUT' && (asked.type === 'impossible' || method !== 'POST');
}

async function answer(services: Services, exchange: Exchange, asked: GitRequest): Promise<void> {
  const { request, response } = exchange;
  if (asked.type === 'redirect') {
    response.writeHead(301, { Location: asked.location, 'Content-Length': 0 }).end();
    return;
  }
  if (asked.type === 'info_refs' && request.method === 'HEAD') {
    response.writeHead(403, { 'Content-Length': 0 }).end();
    return;
  }
  // An address that cannot be anyone's looks like one that is nobody's.
  const path = asked.type === 'impossible' ? '' : asked.path;
  const service = asked.type === 'impossible' ? 'upload-pack' : asked.service;
  const entered = await enter(services, {
    path,
    service,
    authorization: request.headers.authorization,
    ip: exchange.ip,
  });
  if (!entered.ok) {
    if ('reply' in entered.error) return refuse(exchange, entered.error.reply);
    const { missing } = entered.error;
    if (!(await mayCreate(services, missing))) {
      refusalAuditOf(services).note('git-http', missing.refusal, 'repository:push', atProject(path), exchange.ip);
      return refuse(exchange, missing.reply);
    }
    const unfit = unfitName(missing.path);
    if (unfit !== null) return refuse(exchange, { status: 422, body: unfit });
    if (asked.type === 'info_refs') return sendEmptyAdvertisement(exchange);
    const input = bodyOf(request);
    if (input === null) return refuse(exchange, badEncoding);
    // git's probe before a large push creates nothing yet.
    if ((await peek(input, 4)).toString('latin1') === '0000') {
      announce(response, resultType('receive-pack'));
      response.end();
      return;
    }
    const { credential } = missing;
    const made = await createForPush(services, missing, { credential, door: 'git-http', ip: exchange.ip });
    if (!made.ok) return refuse(exchange, made.error === null ? missing.reply : { status: 422, body: made.error });
    return push(services, exchange, { ...made.value, credential }, made.value.notices, input);
  }
  const entry = entered.value;
  if (service === null) return refuse(exchange, notFound);
  if (asked.type === 'info_refs') return sendAdvertisement(services, exchange, entry, service);
  const input = bodyOf(request);
  if (input === null) return refuse(exchange, badEncoding);
  if (service === 'upload-pack') return fetch(services, exchange, entry, input);
  const { full_path } = entry.place.project;
  const notices = entry.place.moved ? movedNotice(path, full_path, `${services.url}/${full_path}.git`) : [];
  return push(services, exchange, entry, notices, input);
}

const badEncoding: GitReply = { status: 415, body: 'The encoding of the request is not supported.' };

/** Runs `work` as a live use of the key: its end, the client's departure and the server's shutdown all end git. */
async function live(
  services: Services,
  exchange: Exchange,
  entry: Entry,
  work: (signal: AbortSignal, key: string) => Promise<void>,
): Promise<void> {
  const use = services.liveUses.open(entry.credential);
  use.at(entry.place.project.id);
  keepPace(services, exchange.request, exchange.response, exchange.ip);
  try {
    await work(AbortSignal.any([use.signal, exchange.left]), slotKey(entry.credential, exchange.ip));
  } finally {
    use.done();
  }
}

function sendAdvertisement(services: Services, exchange: Exchange, entry: Entry, service: GitService): Promise<void> {
  return live(services, exchange, entry, async (signal, key) => {
    const protocol = protocolOf(exchange);
    const options = { signal, key, ...(protocol === undefined ? {} : { protocol }) };
    const refs = await advertise(services.repositories, entry.repositoryId, service, options);
    announce(exchange.response, `application/x-git-${service}-advertisement`);
    await pipeline(refs, exchange.response);
  });
}

function sendEmptyAdvertisement({ response }: Exchange): void {
  announce(response, 'application/x-git-receive-pack-advertisement');
  response.end(`${line('# service=git-receive-pack\n')}0000${emptyRefs()}`);
}

function fetch(services: Services, exchange: Exchange, entry: Entry, input: Readable): Promise<void> {
  return live(services, exchange, entry, async (signal, key) => {
    const protocol = protocolOf(exchange);
    announce(exchange.response, resultType('upload-pack'));
    await uploadPack(services.repositories, entry.repositoryId, {
      input,
      output: exchange.response,
      signal,
      key,
      stateless: true,
      ...(protocol === undefined ? {} : { protocol }),
    });
    exchange.response.end();
  });
}

function push(
  services: Services,
  exchange: Exchange,
  entry: Entry,
  notices: readonly string[],
  input: Readable,
): Promise<void> {
  return live(services, exchange, entry, async (signal, key) => {
    const actor: Actor = { credential: entry.credential, door: 'git-http', ip: exchange.ip };
    const protocol = protocolOf(exchange);
    announce(exchange.response, resultType('receive-pack'));
    const streams = { input, output: exchange.response, signal, key, stateless: true };
    await servePush(
      services,
      { actor, place: entry.place, repositoryId: entry.repositoryId, notices },
      { ...streams, ...(protocol === undefined ? {} : { protocol }) },
    );
    exchange.response.end();
  });
}

function resultType(service: GitService): string {
  return `application/x-git-${service}-result`;
}

function protocolOf({ request }: Exchange): string | undefined {
  const value = request.headers['git-protocol'];
  return typeof value === 'string' ? value : undefined;
}

/** What went wrong in the middle of it. A client that left, or whose key ended, gets no words. */
function fail(services: Services, exchange: Exchange, error: unknown): void {
  if (exchange.left.aborted) return;
  const reply = replyTo(services, error);
  if (reply === null) services.log.error({ err: error }, 'a git request failed');
  refuse(exchange, reply ?? { status: 500, body: 'The git server failed.' });
}

function replyTo(services: Services, error: unknown): GitReply | null {
  if (error instanceof GitBusy) return busy(error.retryAfter);
  if (isBadGzip(error)) return badGzip;
  if (error instanceof RepositoryError && error.code === 'repository_missing') return noRepository;
  if (error instanceof FaultError && (error.fault.code === 'too_many_requests' || error.fault.code === 'unavailable'))
    return busy(error.fault.retryAfter);
  return error instanceof Error && error.message === 'the key was ended' ? accessDenied(services.url) : null;
}

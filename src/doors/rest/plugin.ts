// The REST door as a part of the HTTP server: takes every request below its base, finds the route and sends what dispatch
// decided. Anything thrown becomes an answer here, and only mistakes of ours are logged.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { failureLimitOf } from '../../credentials/failure-limit.ts';
import { MINUTE } from '../../kernel/clock.ts';
import { endWithTurn } from '../http/end-of-turn.ts';
import { keepPace } from '../http/pace.ts';
import { splitUrl } from '../http/raw-path.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { type Dispatched, type Door, dispatch, type Exchange } from './dispatch.ts';
import { CRASH, diskToReply, errorToReply } from './fault-to-reply.ts';
import { keysetHeaders, pageHeaders } from './pagination.ts';
import { RequestEnd } from './request-end.ts';
import type { Method, RestContext, RestReply, Route } from './route.ts';
import { type RouteTable, routeTable } from './router.ts';
import { error, type WireReply } from './wire-reply.ts';

const METHODS: Readonly<Record<string, Method>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'POST',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
};

/** The headers of every answer. */
const always = (request: FastifyRequest) => ({
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-request-id': request.id,
});

/** Serves `routes` below `base`, such as `/api/v4`. `bodyTime`: milliseconds in which a body must have come. */
export async function registerRest(
  app: FastifyInstance,
  services: Services,
  routes: readonly Route[],
  base = '/api/v4',
  bodyTime = 5 * MINUTE,
): Promise<void> {
  const table = routeTable(routes);
  const door: Door = { services, limit: failureLimitOf(services), audit: refusalAuditOf(services), bodyTime };
  await app.register(async (scope) => {
    // Bodies are read by body.ts, after what can be refused without them.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    scope.all(`${base}/*`, (request, reply) => {
      answer(door, table, base, request, reply).catch((thrown: unknown) => reply.send(thrown));
    });
    scope.addHook('onClose', () => door.audit.idle());
  });
}

async function answer(
  door: Door,
  table: RouteTable,
  base: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  try {
    const exchange = find(door, table, base, request, reply);
    if ('status' in exchange) sendWire(reply, exchange);
    else send(door, exchange, await dispatch(door, exchange), reply);
  } catch (thrown) {
    const expected = errorToReply(thrown);
    // Who leaves in the middle of his body has not broken anything.
    const left = !request.raw.complete && request.raw.destroyed;
    if (!expected && !left) door.services.log.error({ err: thrown, request_id: request.id }, 'a REST request crashed');
    sendWire(reply, expected ?? diskToReply(thrown) ?? CRASH);
  }
}

/** Routes that people look for and GitLab has not: where to go instead (reference access-tokens 11). */
const HINTS: Readonly<Record<string, string>> = {
  'POST /personal_access_tokens':
    'administrators make tokens with POST /users/:user_id/personal_access_tokens, everybody on the page ' +
    '/-/user_settings/personal_access_tokens or with "ssh git@host personal_access_token"',
};

function find(
  door: Door,
  table: RouteTable,
  base: string,
  request: FastifyRequest,
  reply: FastifyReply,
): Exchange | WireReply {
  const target = request.raw.url ?? '';
  const { segments, query } = splitUrl(target);
  const depth = base.split('/').length - 1;
  // The base is compared as it was sent: an escaped spelling of it is another path.
  if (segments === null || !target.startsWith(`${base}/`)) return error(404, '404 Not Found');
  const own = segments.slice(depth);
  const match = table.find(METHODS[request.method] ?? null, own);
  if (match === null) return error(404, '404 Not Found');
  if ('methods' in match) {
    const hint = HINTS[`${request.method} /${own.join('/')}`];
    if (hint !== undefined) return error(404, `404 Not Found - ${hint}`);
    const allow = match.methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    return error(405, '405 Not Allowed', { allow: allow.join(', ') });
  }
  return {
    request,
    match,
    rawPath: query === '' ? target : target.slice(0, target.indexOf('?')),
    url: () => `${door.services.url}${base}/${own.map(encodeURIComponent).join('/')}`,
    query,
    ip: request.ip,
    end: new RequestEnd(reply.raw),
  };
}

function send(door: Door, exchange: Exchange, dispatched: Dispatched, reply: FastifyReply): FastifyReply {
  switch (dispatched.type) {
    case 'wire':
      return sendWire(reply, dispatched.reply);
    case 'moved': {
      const text = `This resource has been moved permanently to ${dispatched.to}`;
      return sendText(reply, 301, text, { 'content-type': 'text/plain; charset=utf-8', location: dispatched.to });
    }
    case 'handler':
      return sendRest(door, exchange, dispatched.context, dispatched.reply, reply);
  }
}

function sendRest(
  door: Door,
  exchange: Exchange,
  context: RestContext,
  rest: RestReply,
  reply: FastifyReply,
): FastifyReply {
  switch (rest.type) {
    case 'json':
      if (exchange.request.method === 'HEAD' && rest.status === 200 && exchange.match.route.headStatus !== undefined)
        return sendEmpty(reply, exchange.match.route.headStatus);
      return sendJson(reply, rest.status, rest.body, rest.headers);
    case 'page': {
      const headers = pageHeaders(context.page, rest.total, exchange.url(), exchange.query);
      return sendJson(reply, 200, rest.body ?? rest.items, headers);
    }
    case 'keyset':
      return sendJson(reply, 200, rest.items, keysetHeaders(rest.next, exchange.url(), exchange.query));
    case 'empty':
      return sendEmpty(reply, rest.status, rest.headers);
    case 'stream':
      return sendStream(door, exchange, context, rest, reply);
  }
}

function sendStream(
  door: Door,
  exchange: Exchange,
  context: RestContext,
  rest: Extract<RestReply, { type: 'stream' }>,
  reply: FastifyReply,
): FastifyReply {
  const { body } = rest;
  reply.code(rest.status).headers({ ...always(reply.request), ...rest.headers });
  if (typeof body === 'string' || Buffer.isBuffer(body)) return reply.send(body);
  if (exchange.request.method === 'HEAD') {
    body.destroy();
    return reply.send();
  }
  keepPace(door.services, reply.request.raw, reply.raw, exchange.ip);
  const { signal } = context;
  const stop = (): void => void body.destroy(new Error('ended'));
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  body.on('error', (thrown) => {
    if (!signal.aborted) door.services.log.error({ err: thrown }, 'a REST stream broke off');
  });
  return reply.send(body);
}

function sendEmpty(reply: FastifyReply, status: number, headers: Readonly<Record<string, string>> = {}): FastifyReply {
  return reply
    .code(status)
    .headers({ ...always(reply.request), ...headers })
    .send();
}

function sendWire(reply: FastifyReply, wire: WireReply): FastifyReply {
  // A body that nobody read would be taken for the next request of the connection.
  const { complete, headers } = reply.request.raw;
  const unread = !complete && (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined);
  return sendJson(reply, wire.status, wire.body, unread ? { connection: 'close', ...wire.headers } : wire.headers);
}

/** The type stays exactly `application/json` (reference git-and-deploy 4). */
function sendJson(
  reply: FastifyReply,
  status: number,
  body: unknown,
  headers?: Readonly<Record<string, string>>,
): FastifyReply {
  return sendText(reply, status, JSON.stringify(body ?? null), { 'content-type': 'application/json', ...headers });
}

/** Past Fastify, which would put a charset behind the type, or else send head and body of every answer apart. */
function sendText(
  reply: FastifyReply,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): FastifyReply {
  reply.hijack();
  reply.raw.writeHead(status, {
    ...always(reply.request),
    ...headers,
    'content-length': Buffer.byteLength(text),
  });
  endWithTurn(reply.raw, text);
  return reply;
}

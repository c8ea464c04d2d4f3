// The HTTP server: limits, request ids, the log line and the answers to what no door takes. The doors are put in as plugins; it
// knows of none of them more than how to register it.
import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { SECOND } from '../kernel/clock.ts';
import { continueWhenRead } from './http/continue.ts';
import { CROWD_LIMITS, type CrowdLimits, limitCrowds } from './http/crowding.ts';
import { type Readiness, registerHealth } from './http/health.ts';
import { Metrics } from './http/metrics.ts';
import { loggedUrl } from './http/url-log.ts';
import { registerMetrics } from './rest/metrics-route.ts';
import { registerRest } from './rest/plugin.ts';
import type { Route } from './rest/route.ts';
import { routes as allRoutes } from './rest/routes/index.ts';
import type { Services } from './services.ts';

/** A door: registers its routes. Doors that stream bodies add their own content-type parsers inside a scope of their own. */
export type HttpDoor = (app: FastifyInstance, services: Services) => void | Promise<void>;

export interface HttpServerConfig {
  /** PEM texts; plain HTTP without */
  readonly tls?: { readonly cert: string | Buffer; readonly key: string | Buffer };
  /** addresses or networks whose `X-Forwarded-For` counts; none when left out */
  readonly trustedProxies?: readonly string[];
  /** doors beside REST, health and metrics: git, web, … */
  readonly doors?: readonly HttpDoor[];
  /** another REST table than the whole one, for tests */
  readonly routes?: readonly Route[];
  /** other patience and other crowds than those below, for tests */
  readonly limits?: Partial<HttpLimits>;
}

/** How long the server waits for a client, in milliseconds, and how many requests and connections an address may have. */
export interface HttpLimits extends CrowdLimits {
  /** from the connection, or the end of the request before, until all headers have come */
  readonly headers: number;
  /** without a byte either way: who is that quiet in the middle of a request or an answer is gone */
  readonly idle: number;
  /** until the body of a REST request has come */
  readonly body: number;
}

const LIMITS: HttpLimits = { ...CROWD_LIMITS, headers: 60 * SECOND, idle: 120 * SECOND, body: 300 * SECOND };

/**
 * No route hands Fastify a schema (REST reads its parameters itself), so Ajv and its serializer (a hundred modules) are not
 * loaded. A route that did would fail at start.
 */
const noCompilers = { buildValidator: noCompiler, buildSerializer: noCompiler };

function noCompiler(): never {
  throw new Error('Fastify has no schema compiler here: REST routes declare their parameters in doors/rest/schema.ts');
}

/** How `/-/readiness` hears that the server is on its way out; set `draining` before the drain begins. */
export const readinessOf = new WeakMap<FastifyInstance, Readiness>();

/** Makes the server with every door registered; `listen` and `close` are the caller's. Closing turns readiness to 503 first. */
export async function createHttpServer(services: Services, config: HttpServerConfig = {}): Promise<FastifyInstance> {
  const limits = { ...LIMITS, ...config.limits };
  const app = Fastify({
    ...(config.tls ? { https: { cert: config.tls.cert, key: config.tls.key, minVersion: 'TLSv1.2' } } : {}),
    http: {
      maxHeaderSize: 32 * 1024,
      headersTimeout: limits.headers,
      connectionsCheckingInterval: Math.min(5 * SECOND, limits.headers),
    },
    // Pushes and uploads take as long as they take; doors with small bodies have limits of their own.
    requestTimeout: 0,
    connectionTimeout: limits.idle,
    keepAliveTimeout: 75 * SECOND,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 8192 },
    schemaController: { compilersFactory: noCompilers },
    exposeHeadRoutes: false,
    trustProxy: config.trustedProxies?.length ? [...config.trustedProxies] : false,
    genReqId: () => randomUUID(),
    // The one line a request gets is written below, without headers.
    logger: false,
    frameworkErrors: (_error, request, reply) => void notFound(request, reply),
  }) as unknown as FastifyInstance;
  continueWhenRead(app.server);
  limitCrowds(app, limits, config.trustedProxies ?? []);
  const readiness: Readiness = { draining: false };
  readinessOf.set(app, readiness);
  app.addHook('preClose', async () => {
    readiness.draining = true;
  });

  const metrics = new Metrics();
  app.addHook('onClose', async () => metrics.stop());
  app.addHook('onResponse', (request, reply, next) => {
    const seconds = reply.elapsedTime / 1000;
    metrics.observe(doorOf(request), request.method, reply.statusCode, seconds);
    services.log.info(
      {
        request_id: request.id,
        method: request.method,
        url: loggedUrl(request.raw.url ?? ''),
        status: reply.statusCode,
        ip: request.ip,
        ms: Math.round(seconds * 1000),
      },
      'request',
    );
    next();
  });
  app.setNotFoundHandler(notFound);
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const status = error.statusCode !== undefined && error.statusCode < 500 ? error.statusCode : 500;
    if (status === 500) services.log.error({ err: error, request_id: request.id }, 'a request crashed');
    const text = status === 500 ? '500 Internal Server Error' : `${status} Error`;
    return reply.code(status).send({ message: text });
  });

  registerHealth(app, services, readiness);
  await registerRest(app, services, config.routes ?? allRoutes, '/api/v4', limits.body);
  await registerMetrics(app, services, metrics);
  for (const door of config.doors ?? []) await app.register(async (scope) => door(scope, services));
  return app;
}

function notFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  reply.code(404);
  if (request.raw.url?.startsWith('/api/'))
    return reply.header('content-type', 'application/json').send(Buffer.from('{"error":"404 Not Found"}'));
  return reply.type('text/plain').send('404 Not Found\n');
}

function doorOf(request: FastifyRequest): string {
  const url = request.raw.url ?? '';
  if (url.startsWith('/api/')) return 'rest';
  if (url.startsWith('/-/')) return 'instance';
  return /\/(?:info\/refs|git-upload-pack|git-receive-pack)(?:\?|$)/.test(url) ? 'git' : 'other';
}

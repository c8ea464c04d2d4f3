// `/-/metrics`: for an administrator's token, and for loopback connections that no proxy forwarded (reference git-and-deploy
// 12.10). It decides like any REST route, so a token is read and refused the same way.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Metrics } from '../http/metrics.ts';
import type { Services } from '../services.ts';
import { registerRest } from './plugin.ts';
import { type RestReply, route } from './route.ts';
import { none } from './schema.ts';

/** Registers the route. */
export async function registerMetrics(app: FastifyInstance, services: Services, metrics: Metrics): Promise<void> {
  const reply = (): RestReply => ({
    type: 'stream',
    status: 200,
    headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    body: metrics.text({ keyward_live_uses: services.liveUses.size }),
  });
  const byToken = route({
    method: 'GET',
    path: '/metrics',
    action: 'metrics:read',
    params: none,
    summary: 'Metrics in the text form of Prometheus',
    handler: reply,
  });
  app.addHook('onRequest', async (request, response) => {
    if (request.method !== 'GET' || request.raw.url !== '/-/metrics' || !isLocal(request)) return;
    const { headers, body } = reply() as Extract<RestReply, { type: 'stream' }>;
    return response.headers(headers).send(body);
  });
  await registerRest(app, services, [byToken], '/-');
}

/** Straight from this machine, and with nothing to be judged. */
function isLocal(request: FastifyRequest): boolean {
  const { headers, socket } = request.raw;
  const loopback = /^(?:127\.|::1$|::ffff:127\.)/.test(socket.remoteAddress ?? '');
  // A body may hold a token as well.
  const presents =
    headers['private-token'] ??
    headers.authorization ??
    headers.cookie ??
    headers['content-length'] ??
    headers['transfer-encoding'];
  return loopback && headers['x-forwarded-for'] === undefined && headers.forwarded === undefined && !presents;
}

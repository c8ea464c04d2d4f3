// `/-/health`, `/-/liveness`, `/-/readiness`: whether the process is up, and whether it takes work now (reference git-and-deploy
// 12.10). Anyone may ask; the answers name no detail but the database.
import type { FastifyInstance } from 'fastify';
import { readSettings } from '../../settings/settings.ts';
import type { Services } from '../services.ts';

/** Whether the server is on its way out; set before the drain. */
export interface Readiness {
  draining: boolean;
}

/** Registers the three routes. Readiness is 503 while draining or when the database does not answer. */
export function registerHealth(app: FastifyInstance, services: Services, readiness: Readiness): void {
  // Balancers ask with HEAD.
  const head = { exposeHeadRoute: true };
  app.get('/-/health', head, (_request, reply) => reply.type('text/plain').send('GitLab OK'));
  app.get('/-/liveness', head, () => ({ status: 'ok' }));
  app.get<{ Querystring: { all?: string } }>('/-/readiness', head, async (request, reply) => {
    const database = await answers(services);
    const ready = database && !readiness.draining;
    const checks = request.query.all === '1' ? { db_check: [{ status: database ? 'ok' : 'failed' }] } : {};
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ok' : 'failed', ...checks });
  });
}

async function answers(services: Services): Promise<boolean> {
  try {
    await readSettings(services.db.read);
    return true;
  } catch (error) {
    services.log.error({ err: error }, 'the database does not answer');
    return false;
  }
}

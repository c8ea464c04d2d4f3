// The REST door over a small world, with whatever table of routes a test brings: real HTTP on a free port, a real database,
// a clock that the test moves.
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { pino } from 'pino';
import { createRefusalCounter, type RefusalCounter } from '../../src/audit/refusals.ts';
import { liveUsesOf } from '../../src/credentials/live-uses.ts';
import { createHttpServer, type HttpServerConfig } from '../../src/doors/http-server.ts';
import type { Services } from '../../src/doors/services.ts';
import { createGit } from '../../src/repositories/git.ts';
import { createRepositories } from '../../src/repositories/repository-files.ts';
import type { Database } from '../../src/storage/database.ts';
import { makeWorld, type World } from './world.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert what they find.
  readonly body: any;
  /** whether "100 Continue" came before the answer */
  readonly continued: boolean;
}

export interface RestWorld extends World {
  readonly app: FastifyInstance;
  readonly services: Services;
  readonly refusals: RefusalCounter;
  /** every line of the log so far */
  readonly log: string[];
  /** Sends a request for exactly this target, unnormalised; `body` as it is. */
  call(
    method: string,
    target: string,
    options?: { headers?: Record<string, string>; body?: string | Buffer; token?: string },
  ): Promise<Answer>;
  stop(): Promise<void>;
}

/** Starts the door over `db`; `url` is the instance's address when it matters. */
export async function startRest(
  db: Database,
  { url, ...config }: HttpServerConfig & { url?: string } = {},
): Promise<RestWorld> {
  const world = makeWorld(db);
  const log: string[] = [];
  const refusals = createRefusalCounter({ db, clock: world.clock });
  const services = {
    ...world.house,
    ...(url === undefined ? {} : { url }),
    log: pino({ level: 'debug' }, { write: (line: string) => void log.push(line) }),
    verifier: world.verifier,
    liveUses: liveUsesOf(world.house),
    refusals,
    // Of it the frame asks only how busy git is; a test route that wanted a repository would fail loudly.
    repositories: createRepositories({ root: join(tmpdir(), 'keyward-no-repositories'), git: createGit({}) }),
  } as unknown as Services;
  const app = await createHttpServer(services, config);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    ...world,
    app,
    services,
    refusals,
    log,
    call: (method, target, { headers = {}, body, token } = {}) =>
      new Promise((resolve, reject) => {
        let continued = false;
        const sent = httpRequest({
          host: '127.0.0.1',
          port,
          method,
          path: target,
          agent: false,
          headers: {
            ...(token === undefined ? {} : { 'PRIVATE-TOKEN': token }),
            ...(body === undefined || headers['transfer-encoding']
              ? {}
              : { 'content-length': String(Buffer.byteLength(body)) }),
            ...headers,
          },
        });
        sent.on('continue', () => {
          continued = true;
          sent.end(body);
        });
        sent.on('error', reject);
        sent.on('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            const isJson = response.headers['content-type'] === 'application/json' && text !== '';
            resolve({
              status: response.statusCode!,
              headers: response.headers,
              text,
              body: isJson ? JSON.parse(text) : null,
              continued,
            });
          });
        });
        if (headers['expect'] === undefined) sent.end(body);
        else sent.flushHeaders();
      }),
    async stop() {
      await app.close();
      await world.verifier.flush();
    },
  };
}

/** Waits until `ask` gives something, for what is written after an answer. */
export async function eventually<T>(ask: () => Promise<T | undefined | null | false>): Promise<T> {
  const deadline = performance.now() + 5000;
  for (;;) {
    const value = await ask();
    if (value) return value;
    if (performance.now() > deadline) throw new Error('it did not happen within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

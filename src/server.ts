// The composition root: builds the rooms, opens the doors, runs what must be done by itself, and ends all of it in order. The
// only file that sees everything; it decides nothing about any request.
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server as NetServer } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { cutDisabledElsewhere } from './access/deploy-key-places.ts';
import { HEAD_FILE, startSealer } from './audit/sealer.ts';
import { type Address, type Config, derivedSshUrl, derivedUrl } from './config.ts';
import { watchLiveUses } from './credentials/live-use-watch.ts';
import { REAP_PROJECTS } from './directory/end-places.ts';
import { RESET_TASK } from './directory/mail-links.ts';
import { passwordResetTask } from './directory/password-reset-task.ts';
import { createReapHandler } from './directory/reap-task.ts';
import { registerGitHttp } from './doors/git-http/plugin.ts';
import { lfsAuthenticate } from './doors/http/lfs-authenticate.ts';
import { registerMailLinkPages } from './doors/http/mail-link-pages.ts';
import { refusalAuditOf } from './doors/http/refusal-audit.ts';
import { registerUserKeys } from './doors/http/user-keys.ts';
import { createHttpServer, readinessOf } from './doors/http-server.ts';
import { answerHooks } from './doors/local/hooks.ts';
import { type LocalDoor, openLocalDoor } from './doors/local/local-door.ts';
import type { Services } from './doors/services.ts';
import { answerSessions } from './doors/ssh/answer.ts';
import { type SshChild, startSshChild } from './doors/ssh/child-process.ts';
import { prepareFirstStart } from './first-start.ts';
import { type Clock, DAY, HOUR, SECOND } from './kernel/clock.ts';
import type { Secret } from './kernel/secret.ts';
import { EXPIRY_TASK, expiryTask } from './keys/expiry-task.ts';
import { RETENTION_TASK, retentionTask } from './keys/retention-task.ts';
import { createMailer, type Mailer, openMail } from './mail/smtp.ts';
import { openHouse, prepareDataFolder } from './open-house.ts';
import { dropLfs } from './repositories/lfs-task.ts';
import { MAINTENANCE_TASK } from './repositories/maintenance.ts';
import { maintenanceTask } from './repositories/maintenance-task.ts';
import { reconcilePushes } from './repositories/push-completion.ts';
import { BLOB_TASK, blobTask } from './storage/blob-task.ts';
import { isHeld, MAINTENANCE } from './storage/hold-store.ts';
import { createTaskRunner, type TaskHandler } from './tasks/runner.ts';

export interface RunningServer {
  /** the address that people use */
  readonly url: string;
  /** what SSH clone URLs begin with; null: SSH is not served from here */
  readonly sshUrl: string | null;
  readonly services: Services;
  /** the first administrator's password when this start made it up; to be shown once */
  readonly generatedPassword: Secret | null;
  /** Runs every task that is due; for tests, which do not wait. Answers how many attempts that took. */
  runTasks(): Promise<number>;
  /** Stops taking work, lets running work end for at most 30 seconds, writes what is pending. Calling it again waits for the same end. */
  stop(): Promise<void>;
}

export interface StartOptions {
  readonly log: Logger;
  readonly clock?: Clock;
}

/** How long running requests may take to end once the server is told to stop. */
const DRAIN = 30 * SECOND;
const TRASH_TASK = 'purge_trash';
/** How long a deleted repository can still be fetched back from the trash folder by hand. */
const TRASH_KEPT = 7 * DAY;

/** Binds the address at once, so that the port is known and a taken one is said before anything is touched. */
async function bind({ host, port }: Address): Promise<NetServer> {
  const socket = createServer((connection) => connection.destroy());
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'another program listens there' : (error.code ?? error.message);
      reject(new Error(`cannot listen on ${host}:${port} (KEYWARD_LISTEN): ${why}`));
    });
    socket.listen({ host, port }, resolve);
  });
  return socket;
}

function portOf(server: NetServer): number {
  return (server.address() as AddressInfo).port;
}

/** Starts a server. Throws with a sentence for people when it cannot; nothing is left open then. */
export async function startServer(config: Config, options: StartOptions): Promise<RunningServer> {
  const undo: Undo = [];
  try {
    return await build(config, options, undo);
  } catch (error) {
    await unwind(undo, options.log);
    throw error;
  }
}

/** What ends each thing that was begun, in the order of their beginnings. */
type Undo = (() => Promise<unknown>)[];

async function unwind(undo: Undo, log: Logger): Promise<void> {
  for (const step of undo.splice(0).reverse())
    await step().catch((error: unknown) => log.error({ err: error }, 'a part of the server did not stop cleanly'));
}

async function build(config: Config, { log, clock }: StartOptions, undo: Undo): Promise<RunningServer> {
  const socket = await bind(config.listen);
  undo.push(async () => socket.close());
  const url = config.url ?? derivedUrl(config, portOf(socket));
  prepareDataFolder(config.data);
  // The lock comes before the database: of two servers on one folder, the second must not even look.
  const local = await openLocalDoor({ dataFolder: config.data, log });
  undo.push(() => local.close());
  const sshStarts = config.sshListen && openSsh(config.sshListen, { config, local, log });
  // Whatever fails from here on, no child is left behind.
  undo.push(async () => (await sshStarts?.catch(() => null))?.stop(0));
  // A port that the system chooses goes into clone URLs, so it must be known before the house is built.
  const port = config.sshListen?.port === 0 ? (await sshStarts)!.port : config.sshListen?.port;
  const sshUrl = config.sshUrl ?? (config.sshListen && derivedSshUrl(url, port ?? 22));
  const house = await openHouse(config, { url, sshUrl, log, clock });
  undo.push(() => house.close());
  const { services } = house;
  undo.push(() => refusalAuditOf(services).idle());
  const generatedPassword = await prepareFirstStart(services, config);
  // What a crash left half-made is a fork that nobody copies any longer: it says `failed`, not `started`, from here on.
  await services.repositories.clearHalfMade();
  answerHooks(local, services);
  answerSessions(local, services, { lfsAuthenticate });
  local.answer('cli', async ({ command, args }) => {
    const { readArguments, runCommand } = await import('./cli/commands.ts');
    return runCommand(services, String(command), readArguments(args));
  });
  let forwardedSeen = false;
  local.answer('doctor', async () => ({ forwardedSeen }));
  await reconcilePushes(services);
  services.refusals.start();
  const watch = watchLiveUses(services, cutDisabledElsewhere);
  undo.push(() => watch.stop());
  const sealer = startSealer(services, { headFile: join(config.data, HEAD_FILE) });
  undo.push(() => sealer.stop());

  const mailer = config.smtpUrl && config.mailFrom ? await createMailer(config.smtpUrl, config.mailFrom) : null;
  if (mailer) undo.push(async () => mailer.close());
  const tasks = createTaskRunner({
    db: services.db,
    clock: services.clock,
    log,
    handlers: handlersOf(services, mailer),
    every: { [EXPIRY_TASK]: HOUR, [RETENTION_TASK]: HOUR, [TRASH_TASK]: 6 * HOUR, [BLOB_TASK]: 6 * HOUR },
  });
  undo.push(() => tasks.stop(DRAIN));

  const app = await createHttpServer(services, {
    tls: config.tls ? { cert: readFileSync(config.tls.cert), key: readFileSync(config.tls.key) } : undefined,
    trustedProxies: config.trustedProxies,
    doors: [registerGitHttp, registerUserKeys, registerMailLinkPages],
  });
  app.server.prependListener('request', (request) => {
    // Only a neighbour can be our proxy: a stranger's header says nothing.
    const near = /^(?:::ffff:)?(?:127|10|192\.168|172\.(?:1[6-9]|2\d|3[01]))\.|^::1$|^f[cd]/i;
    forwardedSeen ||= 'x-forwarded-for' in request.headers && near.test(request.socket.remoteAddress ?? '');
  });
  const ssh = await sshStarts;
  // All that streams ends together: each may take as long as the other.
  undo.push(() => Promise.all([closeHttp(app, services), ssh?.stop(DRAIN + SECOND)]));
  await app.ready();
  await tasks.start();
  await new Promise<void>((resolve) => app.server.listen(socket, resolve));
  ssh?.serve((strangers) => {
    for (const stranger of strangers) services.refusals.countRefusal({ door: 'ssh', ...stranger });
  });

  let stopping: Promise<void> | null = null;
  return {
    url,
    sshUrl,
    services,
    generatedPassword,
    runTasks: () => tasks.runDue(),
    stop: () => (stopping ??= unwind(undo, log)),
  };
}

function openSsh(
  { host, port }: Address,
  { config, local, log }: { config: Config; local: LocalDoor; log: Logger },
): Promise<SshChild> {
  const compileCache = join(config.data, 'tmp', 'compile-cache');
  const started = startSshChild({ host, port, keys: config.keys, socket: local.path, compileCache, log });
  // Awaited further down; a start that fails before must not end the process by itself.
  started.catch(() => {});
  return started;
}

/** What runs by itself. Without a mail server no handler takes `mail`: the mails wait in the tasks table. */
function handlersOf(services: Services, mailer: Mailer | null): Record<string, TaskHandler> {
  return {
    [EXPIRY_TASK]: expiryTask(services),
    [RETENTION_TASK]: retentionTask(services),
    [REAP_PROJECTS]: createReapHandler(services, async (id) => {
      await services.repositories.delete(id);
      await dropLfs(services, id);
    }),
    [RESET_TASK]: passwordResetTask(services),
    [BLOB_TASK]: blobTask(services, services.blobs),
    [MAINTENANCE_TASK]: maintenanceTask(services),
    [TRASH_TASK]: async () => {
      // A backup may still have to fetch what was deleted since it read the database.
      if (await isHeld(services.db.read, MAINTENANCE, services.clock.now())) return;
      await services.repositories.purgeTrash(services.clock.now() - TRASH_KEPT);
    },
    ...(mailer && { mail: async (payload: unknown) => mailer.send(openMail(services.keys, payload)) }),
  };
}

/** Lets running requests end, cuts what takes longer, and closes the doors. */
async function closeHttp(app: FastifyInstance, services: Services): Promise<void> {
  const readiness = readinessOf.get(app);
  if (readiness) readiness.draining = true;
  const { server } = app;
  if (server.listening) {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    // A kept-alive connection becomes idle when its request ends, and would hold the server open.
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    const late = setTimeout(() => {
      services.liveUses.cutAll();
      setTimeout(() => server.closeAllConnections(), SECOND).unref();
    }, DRAIN);
    server.closeIdleConnections();
    await closed;
    clearInterval(idle);
    clearTimeout(late);
  }
  await app.close();
}

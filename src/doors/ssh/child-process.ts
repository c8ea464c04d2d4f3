// Keeps the SSH child running: starts it, hears where it listens, writes its lines to the log, starts it again when it dies, and
// lets it finish its sessions when the server stops. It serves no session itself.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { SECOND } from '../../kernel/clock.ts';
import { type ChildWord, type Order, SSH_LIMITS, type SshLimits } from './child-messages.ts';
import type { Strangers } from './strangers.ts';

export interface SshChildOptions {
  readonly host: string;
  /** 0 lets the system choose; the choice stays when the child is started again */
  readonly port: number;
  /** the folder of the host keys */
  readonly keys: string;
  /** the server's local socket */
  readonly socket: string;
  /** a folder for compiled code that nobody else can write */
  readonly compileCache: string;
  readonly log: Logger;
  readonly limits?: Partial<SshLimits>;
}

export interface SshChild {
  readonly port: number;
  readonly pid: number | undefined;
  /** Lets connections begin; until then they are held. `strangers` hears of those that did not sign in, once a second. */
  serve(strangers: (counts: readonly Strangers[]) => void): void;
  /** Takes nothing new, waits at most `patience` milliseconds for running sessions, and ends the child. */
  stop(patience: number): Promise<void>;
}

const PROGRAM = join(import.meta.dirname, 'ssh2-child.ts');
const LONGEST_PAUSE = 10 * SECOND;
/** Addresses in one line of the log. */
const MOST_SHOWN = 10;

/** Starts the child. Rejects with a sentence for people when it cannot listen. */
export async function startSshChild(options: SshChildOptions): Promise<SshChild> {
  const { log } = options;
  let stopping = false;
  let serving = false;
  let hear: (counts: readonly Strangers[]) => void = () => {};
  let port = options.port;
  let child: ChildProcess;
  let gone: Promise<void>;

  async function launch(): Promise<void> {
    const started = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', PROGRAM], {
      env: { PATH: process.env['PATH'] ?? '', TZ: 'UTC', NODE_COMPILE_CACHE: options.compileCache },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      cwd: '/',
    });
    child = started;
    gone = new Promise((resolve) => started.once('exit', () => resolve()));
    started.stderr?.setEncoding('utf8');
    started.stderr?.on('data', (text: string) => log.error({ text: text.slice(0, 4000) }, 'the SSH child complains'));
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) =>
        reject(new Error(`cannot listen on ${options.host}:${port} (KEYWARD_SSH_LISTEN): ${why}`));
      started.on('error', (error) => fail(error.message));
      started.once('exit', (code, signal) => fail(`the SSH child ended with ${signal ?? code}`));
      started.on('message', (word: ChildWord) => {
        if (word.type === 'failed') fail(word.why);
        else if (word.type === 'log') log[word.level](word.fields, word.text);
        else if (word.type === 'strangers') turnedAway(word.counts);
        else {
          port = word.port;
          log.info({ port, hostKeys: word.fingerprints }, 'SSH is open');
          resolve();
        }
      });
      const { host, keys, socket } = options;
      tell({ type: 'start', host, port, keys, socket, limits: { ...SSH_LIMITS, ...options.limits } });
    });
    if (serving) tell({ type: 'serve' });
    started.once('exit', (code, signal) => {
      if (stopping) return;
      log.error({ code, signal }, 'the SSH child died; it is started again');
      void revive();
    });
  }

  function turnedAway(counts: readonly Strangers[]): void {
    const connections = counts.reduce((sum, { count }) => sum + count, 0);
    const shown = counts.slice(0, MOST_SHOWN).map(({ ip, code, count }) => `${ip} ${code} ${count}`);
    log.info({ connections, of: shown, more: counts.length - shown.length }, 'SSH connections did not sign in');
    hear(counts);
  }

  function tell(order: Order): void {
    if (child.connected) child.send(order, () => {});
  }

  async function revive(): Promise<void> {
    for (let wait = 100; !stopping; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      await pause(wait, undefined, { ref: false });
      if (stopping) return;
      try {
        return await launch();
      } catch (error) {
        log.error({ err: error }, 'the SSH child does not start');
      }
    }
  }

  await launch();
  return {
    get port() {
      return port;
    },
    get pid() {
      return child.pid;
    },
    serve(strangers) {
      serving = true;
      hear = strangers;
      tell({ type: 'serve' });
    },
    async stop(patience) {
      stopping = true;
      tell({ type: 'drain' });
      const late = setTimeout(() => child.kill('SIGKILL'), patience);
      if (child.exitCode === null && child.signalCode === null) await gone;
      clearTimeout(late);
    },
  };
}

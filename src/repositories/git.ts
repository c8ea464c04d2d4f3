// The only place that starts git. Argument lists and never a shell, an environment built from nothing, a bounded number of
// children, and a whole process group that ends when its caller leaves. It knows no repository and no right.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { Readable, type Writable } from 'node:stream';
import { GitBusy, GitFailed, RepositoryError } from './errors.ts';
import { type ConfigEntry, gitEnvironment } from './git-environment.ts';
import { Slots } from './git-slots.ts';

export { GitBusy, GitFailed };

/**
 * Which slots a child takes. `stream`: lives as long as its client reads (clone, push, archive). `short`: answers one
 * question; never waits for another child, so a push's hook may ask while the push holds its slot. `maintenance`: one at a time.
 */
export type Lane = 'stream' | 'short' | 'maintenance';

export interface GitSpawnOptions {
  readonly cwd?: string;
  /** Added to the environment built from nothing. */
  readonly env?: Readonly<Record<string, string>>;
  /** Configuration that wins over the fixed one. */
  readonly config?: readonly ConfigEntry[];
  /** Ends the process group: SIGTERM, and SIGKILL two seconds later. */
  readonly signal?: AbortSignal;
  /** Who asks (credential id, address): no key gets more than half of the slots. */
  readonly key?: string;
  readonly lane?: Lane;
  /** Ending starts with the end of stdin, and SIGTERM follows a quarter of a second later: git then clears its quarantine itself. */
  readonly orderly?: boolean;
  /** Becomes the child's standard output, which this process then never sees; its own end is closed when the child has it. */
  readonly handOver?: Socket;
}

export interface GitRunOptions extends GitSpawnOptions {
  readonly input?: Buffer | string;
  /** Most bytes of stdout; past it the child is ended and `too_large` thrown. Default 64 MiB. */
  readonly maxOutput?: number;
  /** Milliseconds; past it the child is ended and `timed_out` thrown. Default 30 000. */
  readonly timeout?: number;
}

export interface GitResult {
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface GitExit {
  /** The exit code; -1 when a signal ended it. */
  readonly code: number;
  /** The first 64 KiB of stderr. For logs; clients of the smart protocol get theirs through git. */
  readonly stderr: string;
}

export interface GitChild {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly pid: number;
  /** Resolves when the child is gone and its pipes are closed, however it ended. Never rejects. */
  readonly done: Promise<GitExit>;
  /** Ends the process group now. */
  kill(): void;
}

export interface Git {
  /** Runs a command to its end. Resolves for every exit code. Throws GitBusy, RepositoryError `too_large`/`timed_out`, or the signal's reason. */
  run(args: readonly string[], options?: GitRunOptions): Promise<GitResult>;
  /** Like `run`, and throws GitFailed unless the exit code is 0. */
  must(args: readonly string[], options?: GitRunOptions): Promise<Buffer>;
  /** Starts a command whose streams the caller moves. Waits for a slot, which is given back when the child is gone. */
  spawn(args: readonly string[], options?: GitSpawnOptions): Promise<GitChild>;
  /** Running children by lane; for metrics and tests. */
  readonly running: () => Readonly<Record<Lane, number>>;
  /** How many streams wait for a slot. */
  readonly waiting: () => number;
  /** What a client that holds a stream's slot must move while others wait for one. */
  readonly patience: Patience;
}

/** So many bytes in so many milliseconds. */
export interface Patience {
  readonly window: number;
  readonly least: number;
}

/** About a kilobyte a second: slower than any line on which people clone. */
const PATIENCE: Patience = { window: 60_000, least: 64 * 1024 };

export interface GitOptions {
  /** The git program; default `git` from PATH. */
  readonly gitPath?: string;
  /** Streams at once; default twice the cores. */
  readonly slots?: number;
  /** Waiters a lane holds before GitBusy; default 64. */
  readonly queue?: number;
  /** Default: 64 KiB a minute. */
  readonly patience?: Patience;
  /** Told about children that failed, expectedly or not. Receives no secrets: git never sees any. */
  readonly log?: (event: { command: string; code: number; stderr: string }) => void;
}

const MAX_STDERR = 64 * 1024;
const KILL_AFTER = 2000;
const ORDERLY_AFTER = 250;

/** The spawner. Make one for the whole server: its slots are the server's limit. */
export function createGit(options: GitOptions = {}): Git {
  const gitPath = options.gitPath ?? 'git';
  const cores = availableParallelism();
  const queue = options.queue ?? 64;
  const streams = options.slots ?? cores * 2;
  const lanes: Record<Lane, Slots> = {
    stream: new Slots({ slots: streams, queue }),
    short: new Slots({ slots: Math.max(2, Math.ceil(streams / 2)), queue: queue * 4 }),
    maintenance: new Slots({ slots: 1, queue: queue * 4 }),
  };

  async function start(args: readonly string[], lane: Lane, options: GitSpawnOptions): Promise<GitChild> {
    const release = await lanes[lane].acquire(options.key, options.signal);
    let child: ChildProcess;
    try {
      // A group of its own: index-pack, pack-objects and hooks must end with the git that started them.
      child = spawn(gitPath, args, {
        cwd: options.cwd ?? '/',
        env: gitEnvironment(options.config, options.env),
        stdio: ['pipe', options.handOver ?? 'pipe', 'pipe'],
        detached: true,
      });
    } catch (error) {
      release();
      throw error;
    }
    options.handOver?.destroy();
    return supervise(child, args, release, options);
  }

  function supervise(
    child: ChildProcess,
    args: readonly string[],
    release: () => void,
    { signal, orderly, handOver }: GitSpawnOptions,
  ): GitChild {
    const { stdin, stderr } = child;
    const stdout = child.stdout ?? (handOver ? Readable.from([]) : null);
    if (!stdin || !stdout || !stderr) throw new Error('git was started without pipes');
    let text = '';
    stderr.on('data', (chunk: Buffer) => {
      if (text.length < MAX_STDERR) text += chunk.toString('utf8').slice(0, MAX_STDERR - text.length);
    });
    // A child that exits early closes its stdin: the exit code tells the story, not EPIPE.
    stdin.on('error', () => {});
    let ended = false;
    let hard: NodeJS.Timeout | undefined;
    const kill = () => {
      if (ended || hard) return;
      if (orderly) stdin.destroy();
      const soft = () => {
        killGroup(child.pid, 'SIGTERM');
        hard = setTimeout(() => killGroup(child.pid, 'SIGKILL'), KILL_AFTER);
      };
      if (orderly) hard = setTimeout(soft, ORDERLY_AFTER);
      else soft();
    };
    const done = new Promise<GitExit>((resolve) => {
      const finish = (code: number, why: string) => {
        if (ended) return;
        ended = true;
        clearTimeout(hard);
        signal?.removeEventListener('abort', kill);
        release();
        resolve({ code, stderr: why });
      };
      child.on('error', (error) => finish(-1, error.message));
      child.on('exit', () => {
        // A grandchild that outlives its parent would hold the pipes open: the group ends as one.
        if (hard) killGroup(child.pid, 'SIGKILL');
      });
      child.on('close', (code) => {
        if (code !== 0 && !hard) options.log?.({ command: commandName(args), code: code ?? -1, stderr: text });
        finish(code ?? -1, text);
      });
    });
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted) kill();
    return { stdin, stdout, stderr, pid: child.pid ?? -1, done, kill };
  }

  async function run(args: readonly string[], options: GitRunOptions = {}): Promise<GitResult> {
    const child = await start(args, options.lane ?? 'short', options);
    const limit = options.maxOutput ?? 64 * 1024 * 1024;
    const chunks: Buffer[] = [];
    let size = 0;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill();
    }, options.timeout ?? 30_000);
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) child.kill();
      else chunks.push(chunk);
    });
    child.stdin.end(options.input ?? '');
    const exit = await child.done;
    clearTimeout(timer);
    options.signal?.throwIfAborted();
    if (late) throw new RepositoryError('timed_out', `git ${commandName(args)}`);
    if (size > limit) throw new RepositoryError('too_large', `git ${commandName(args)}`);
    return { code: exit.code, stdout: Buffer.concat(chunks), stderr: exit.stderr };
  }

  return {
    run,
    async must(args, options) {
      const result = await run(args, options);
      if (result.code !== 0) throw new GitFailed(commandName(args), result.code, result.stderr);
      return result.stdout;
    },
    spawn: (args, options = {}) => start(args, options.lane ?? 'stream', options),
    patience: options.patience ?? PATIENCE,
    waiting: () => lanes.stream.waiting,
    running: () => ({
      stream: lanes.stream.inUse,
      short: lanes.short.inUse,
      maintenance: lanes.maintenance.inUse,
    }),
  };
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || pid <= 1) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone already.
  }
}

/** The name of the command in an argument list, for messages: paths and revisions stay out of them. */
function commandName(args: readonly string[]): string {
  return args.find((arg) => /^[a-z][a-z-]*$/.test(arg)) ?? 'command';
}

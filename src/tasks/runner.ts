// Runs what waits in the tasks table: at least once each, on whichever node claims it first, again later when it fails.
// It knows kinds only as names of handlers; a kind that this process has no handler for is left for others.
import type { Clock } from '../kernel/clock.ts';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { randomHex } from '../kernel/random.ts';
import type { Database, Tx } from '../storage/database.ts';
import { afterCommit } from '../storage/transactions.ts';
import { onEnqueued } from './enqueue.ts';
import { errorText, waitAfter } from './task-errors.ts';
import {
  type ClaimedTask,
  claimTasks,
  completeTask,
  extendClaim,
  hasDueTask,
  insertTaskOnce,
  returnTask,
} from './task-store.ts';

export interface TaskContext {
  readonly taskId: number;
  /** 1 for the first attempt. */
  readonly attempt: number;
  /** Aborted when the server stops, or the claim was lost to another node. */
  readonly signal: AbortSignal;
  /**
   * Ends the task in the handler's own transaction, so that its effect and its end are kept together or not at all. A
   * handler that never calls it is ended in a transaction of its own when it returns. Throws when the claim was lost.
   */
  complete(tx: Tx): Promise<void>;
}

/** Does the work of one kind. May run more than once for one task, so it must bear that. */
export type TaskHandler = (payload: unknown, context: TaskContext) => Promise<void>;

export interface TaskLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface TaskRunnerOptions {
  readonly db: Database;
  readonly clock: Clock;
  readonly handlers: Readonly<Record<string, TaskHandler>>;
  readonly log: TaskLog;
  /** Kinds that run by themselves, with payload null: kind -> milliseconds from one end to the next start. */
  readonly every?: Readonly<Record<string, number>>;
  /** How many tasks run at a time; 4 by default. */
  readonly concurrency?: number;
  /** Milliseconds that a claim holds without being renewed; 5 minutes by default. */
  readonly lease?: number;
  /** Milliseconds between looks at the table when nobody rings; 1 second by default. */
  readonly poll?: number;
}

export interface TaskRunner {
  /** Begins to claim and run; adds the recurring tasks that are not there yet. */
  start(): Promise<void>;
  /** Claims nothing more, tells running handlers to end and waits for them, at most `grace` milliseconds (30 s). */
  stop(grace?: number): Promise<void>;
  /** Runs everything that is due by the clock, and what that makes due, then returns how many attempts it made. */
  runDue(): Promise<number>;
}

class ClaimLost extends Error {
  constructor() {
    super('the task was taken over by somebody else');
    this.name = 'ClaimLost';
  }
}

/** Makes the runner of one process. */
export function createTaskRunner(options: TaskRunnerOptions): TaskRunner {
  const { db, clock, handlers, log, every = {}, concurrency = 4, lease = 5 * MINUTE, poll = SECOND } = options;
  const kinds = Object.keys(handlers);
  const running = new Set<Promise<void>>();
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let looking = false;
  let lookAgain = false;
  let quiet = (): void => {};

  const nextTurn = (task: ClaimedTask): number | null => {
    const interval = every[task.kind];
    const recurs = interval !== undefined && task.uniqueKey === recurringKey(task.kind);
    return recurs ? clock.now() + interval : null;
  };

  const claim = async (limit: number): Promise<ClaimedTask[]> => {
    const now = clock.now();
    if (kinds.length === 0 || !(await hasDueTask(db.read, kinds, now))) return [];
    const word = randomHex(8);
    return db.tx((tx) => claimTasks(tx, db.engine, { kinds, now, until: now + lease, claim: word, limit }));
  };

  const work = async (task: ClaimedTask): Promise<void> => {
    const lost = new AbortController();
    const renewal = setInterval(() => {
      db.tx((tx) => extendClaim(tx, task, clock.now() + lease)).then(
        (isOurs) => isOurs || lost.abort(),
        (error: unknown) => log.warn({ err: error, kind: task.kind, task: task.id }, 'a claim could not be renewed'),
      );
    }, lease / 3);
    let ended = false;
    const complete = async (tx: Tx): Promise<void> => {
      if (!(await completeTask(tx, task, nextTurn(task)))) throw new ClaimLost();
      afterCommit(tx, () => {
        ended = true;
      });
    };
    try {
      const signal = AbortSignal.any([stopping.signal, lost.signal]);
      const context = { taskId: task.id, attempt: task.attempts, signal, complete };
      await handlers[task.kind]!(JSON.parse(task.payload), context);
      if (!ended) await db.tx(complete);
    } catch (error) {
      // What failed after its end is kept is over all the same; a claim that was lost is somebody else's to end.
      if (error instanceof ClaimLost || ended) {
        log.warn({ err: error, kind: task.kind, task: task.id }, 'a task ended twice or failed after its end');
      } else {
        await giveBack(task, error);
      }
    } finally {
      clearInterval(renewal);
    }
  };

  const giveBack = async (task: ClaimedTask, error: unknown): Promise<void> => {
    const wait = stopping.signal.aborted ? 0 : waitAfter(task.attempts);
    const text = errorText(error);
    log.error({ kind: task.kind, task: task.id, attempt: task.attempts, error: text, wait }, 'a task failed');
    try {
      await db.tx((tx) => returnTask(tx, task, clock.now() + wait, text));
    } catch (failure) {
      // The lease runs out by itself, and then the task is due again.
      log.error({ err: failure, kind: task.kind, task: task.id }, 'a failed task could not be given back');
    }
  };

  const look = async (): Promise<void> => {
    if (looking) {
      lookAgain = true;
      return;
    }
    looking = true;
    try {
      do {
        lookAgain = false;
        const free = concurrency - running.size;
        if (stopping.signal.aborted || free <= 0) break;
        const tasks = await claim(free);
        for (const task of tasks) {
          const attempt: Promise<void> = work(task).finally(() => {
            running.delete(attempt);
            void look();
          });
          running.add(attempt);
        }
        if (tasks.length > 0) lookAgain = true;
      } while (lookAgain);
    } catch (error) {
      log.error({ err: error }, 'the tasks table could not be read');
    } finally {
      looking = false;
    }
  };

  return {
    async start() {
      const now = clock.now();
      await db.tx(async (tx) => {
        for (const kind of Object.keys(every))
          await insertTaskOnce(tx, {
            kind,
            payload: 'null',
            runAt: now,
            uniqueKey: recurringKey(kind),
            createdAt: now,
          });
      });
      quiet = onEnqueued(() => void look());
      timer = setInterval(() => void look(), poll).unref();
      void look();
    },

    async stop(grace = 30 * SECOND) {
      clearInterval(timer);
      quiet();
      stopping.abort();
      const patience = AbortSignal.timeout(grace);
      // A look that had begun may still claim: those it starts see the signal and are waited for as well.
      while ((looking || running.size > 0) && !patience.aborted)
        await Promise.race([...running, new Promise((next) => setTimeout(next, 10))]);
    },

    async runDue() {
      for (let attempts = 0; ; ) {
        const tasks = await claim(concurrency);
        if (tasks.length === 0) return attempts;
        await Promise.all(tasks.map(work));
        attempts += tasks.length;
      }
    },
  };
}

function recurringKey(kind: string): string {
  return `every:${kind}`;
}

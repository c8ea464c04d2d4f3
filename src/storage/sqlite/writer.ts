// The main thread's side of the writer: hands the writing connection to one transaction at a time, first in first out,
// and starts a new thread when one is lost in the middle of something.
import { Worker } from 'node:worker_threads';
import { compileCacheVariable } from '../../kernel/compile-cache.ts';
import type { Link, LinkResult } from '../link-driver.ts';
import type { Bound } from '../parameters.ts';
import { READY, type StatementReply, type StatementRequest } from './protocol.ts';

interface Waiter {
  resolve(result: LinkResult): void;
  reject(error: unknown): void;
}

/** One worker thread and what was asked of it. */
class WriterThread {
  readonly #worker: Worker;
  readonly #waiters = new Map<number, Waiter>();
  readonly #exited: Promise<void>;
  #nextId = READY + 1;
  #lost: Error | null = null;
  readonly ready: Promise<LinkResult>;

  constructor(path: string) {
    this.#worker = new Worker(new URL('./writer-thread.ts', import.meta.url), {
      workerData: { path },
      env: compileCacheVariable(),
    });
    this.ready = new Promise((resolve, reject) => this.#waiters.set(READY, { resolve, reject }));
    this.#worker.on('message', (reply: StatementReply) => this.#settle(reply));
    this.#worker.on('error', (error) => this.#lose(error as Error));
    this.#exited = new Promise((resolve) =>
      this.#worker.on('exit', () => {
        this.#lose(new Error("the database's writer has ended"));
        resolve();
      }),
    );
  }

  get isLost(): boolean {
    return this.#lost !== null;
  }

  run(sql: string, parameters: readonly Bound[]): Promise<LinkResult> {
    if (this.#lost !== null) return Promise.reject(this.#lost);
    const request: StatementRequest = { id: this.#nextId++, sql, parameters };
    return new Promise((resolve, reject) => {
      // Only a question under way keeps the process alive, not the thread that would answer it.
      this.#worker.ref();
      this.#waiters.set(request.id, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  async close(): Promise<void> {
    this.#worker.ref();
    if (this.#lost === null) this.#worker.postMessage('close');
    await this.#exited;
  }

  async kill(): Promise<void> {
    this.#lose(new Error("the database's writer was stopped"));
    await this.#worker.terminate();
  }

  #settle(reply: StatementReply): void {
    const waiter = this.#waiters.get(reply.id);
    this.#waiters.delete(reply.id);
    if (this.#waiters.size === 0) this.#worker.unref();
    if ('result' in reply) waiter?.resolve(reply.result);
    else waiter?.reject(reply.error);
  }

  #lose(error: Error): void {
    this.#lost ??= error;
    for (const waiter of this.#waiters.values()) waiter.reject(this.#lost);
    this.#waiters.clear();
  }
}

/** The queue in front of the writing connection. */
export class SqliteWriter {
  readonly #path: string;
  #thread: WriterThread | null = null;
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  /** Waits for its turn; the link is its holder's alone until released. */
  async acquire(): Promise<Link> {
    if (this.#closed) throw new Error('the database is closed');
    const turn = this.#tail;
    let leave = (): void => {};
    this.#tail = new Promise((resolve) => {
      leave = resolve;
    });
    await turn;
    try {
      const thread = await this.#running();
      return {
        run: (sql, parameters) => thread.run(sql, parameters),
        release: (broken) => {
          if (!broken) return leave();
          this.#thread = null;
          void thread.kill().finally(leave);
        },
      };
    } catch (error) {
      leave();
      throw error;
    }
  }

  /** Takes nobody new, waits for those in the queue, then ends the thread. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#tail;
    await this.#thread?.close();
  }

  async #running(): Promise<WriterThread> {
    if (this.#thread === null || this.#thread.isLost) this.#thread = new WriterThread(this.#path);
    await this.#thread.ready;
    return this.#thread;
  }
}

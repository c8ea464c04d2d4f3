// What surrounds a transaction on either engine: work that waits for its commit, the refusal of one transaction inside
// another (on SQLite it would wait for itself, on PostgreSQL drain the pool), and the wait for the last one at the end.
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Queryable, Tx } from './database.ts';

type After = () => void | Promise<void>;

const inside = new AsyncLocalStorage<{ open: boolean }>();
const waiting = new WeakMap<Queryable, After[]>();

/**
 * Runs `after` once the transaction has committed, in the order given and before `db.tx()` returns; never when it rolled
 * back. What `after` throws becomes a process warning, because the deed is done and cannot be taken back.
 */
export function afterCommit(tx: Tx, after: () => void | Promise<void>): void {
  const list = waiting.get(tx);
  if (list === undefined) throw new Error('afterCommit needs the handle that db.tx() gave');
  list.push(after);
}

async function runAll(list: readonly After[]): Promise<void> {
  for (const after of list) {
    try {
      await after();
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'AfterCommitWarning');
    }
  }
}

/** Runs the transactions of one database. */
export class Transactions {
  readonly #handle: Queryable;
  readonly #committed: () => void;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  /** `committed` is called after each commit, before anybody hears of it. */
  constructor(handle: Queryable, committed: () => void = () => {}) {
    this.#handle = handle;
    this.#committed = committed;
  }

  /** Runs `work` in a transaction, then what waits for its commit. */
  async run<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    if (inside.getStore()?.open) throw new Error('db.tx() inside a transaction: hand the tx down instead');
    if (this.#closed) throw new Error('the database is closed');
    const list: After[] = [];
    const running = this.#execute(work, list);
    this.#running.add(running);
    try {
      const value = await running;
      this.#committed();
      await runAll(list);
      return value;
    } finally {
      this.#running.delete(running);
    }
  }

  /** Takes nobody new and waits for those that have begun. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#running);
  }

  async #execute<T>(work: (tx: Tx) => Promise<T>, list: After[]): Promise<T> {
    const state = { open: true };
    try {
      return await inside.run(state, () =>
        this.#handle.transaction().execute((tx) => {
          waiting.set(tx, list);
          return work(tx);
        }),
      );
    } finally {
      state.open = false;
    }
  }
}

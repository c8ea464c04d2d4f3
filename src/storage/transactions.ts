// What surrounds a transaction on either engine: work that waits for its commit, and the refusal of one transaction
// inside another (on SQLite it would wait for itself, on PostgreSQL drain the pool).
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Kysely } from 'kysely';
import type { Queryable, Tx } from './database.ts';
import type { Schema } from './schema.ts';

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

/** Runs `work` in a transaction of `handle`, then what waits for its commit. */
export async function runTransaction<T>(handle: Kysely<Schema>, work: (tx: Tx) => Promise<T>): Promise<T> {
  if (inside.getStore()?.open) throw new Error('db.tx() inside a transaction: hand the tx down instead');
  const state = { open: true };
  const list: After[] = [];
  let value: T;
  try {
    value = await inside.run(state, () =>
      handle.transaction().execute((tx) => {
        waiting.set(tx, list);
        return work(tx);
      }),
    );
  } finally {
    state.open = false;
  }
  for (const after of list) {
    try {
      await after();
    } catch (error) {
      process.emitWarning(error instanceof Error ? error : String(error), 'AfterCommitWarning');
    }
  }
  return value;
}

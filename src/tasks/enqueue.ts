// Puts work that must happen after a commit into the tasks table, in that same transaction: both are there or neither.
import type { Tx } from '../storage/database.ts';
import { afterCommit } from '../storage/transactions.ts';
import { insertTask } from './task-store.ts';

export interface NewTask {
  readonly kind: string;
  /** JSON; ids, not names, and never a secret in clear. */
  readonly payload: unknown;
  /** Milliseconds. */
  readonly now: number;
  /** Not before this time; `now` when left out. */
  readonly runAt?: number;
  /** At most one task of this key waits; asking again while it runs makes it run once more. */
  readonly uniqueKey?: string;
}

const listeners = new Set<() => void>();

/** Calls `listener` after every commit that added a task in this process; gives what ends that. */
export function onEnqueued(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Adds a task and gives its id. It is claimed after the commit, by whichever node is first. */
export async function enqueue(tx: Tx, task: NewTask): Promise<number> {
  const id = await insertTask(tx, {
    kind: task.kind,
    payload: JSON.stringify(task.payload),
    runAt: task.runAt ?? task.now,
    uniqueKey: task.uniqueKey ?? null,
    createdAt: task.now,
  });
  afterCommit(tx, () => {
    for (const listener of listeners) listener();
  });
  return id;
}

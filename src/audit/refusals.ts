// Refusals of strangers: counted in memory per address, door, code and minute and written in batches, so that a flood of
// bad keys costs neither a row nor a disk write each. What was counted since the last flush is lost with the process.
import { type Clock, DAY, MINUTE, SECOND } from '../kernel/clock.ts';
import type { Database } from '../storage/database.ts';
import { addRefusals, deleteRefusals, type RefusalRow } from './audit-store.ts';

const FLUSH_EVERY = 10 * SECOND;
const KEEP = 30 * DAY;
/** Beyond this many different counters, addresses of one flush are counted together under `*`. */
const MAX_COUNTERS = 10_000;

export interface RefusalCounter {
  /** Counts refusals, one unless said, of somebody who proved no key; `code` is the refusal's stable code. Never waits. */
  countRefusal(refusal: { ip: string; door: string; code: string; count?: number }): void;
  /** Writes what was counted; what cannot be written is kept for the next time. */
  flush(): Promise<void>;
  /** Flushes every ten seconds from now on. */
  start(): void;
  /** Stops that and flushes once more. */
  stop(): Promise<void>;
}

/** Makes the counter of one process. `onError` hears when a flush by itself fails. */
export function createRefusalCounter(options: {
  db: Database;
  clock: Clock;
  onError?: (error: unknown) => void;
}): RefusalCounter {
  const { db, clock, onError = () => {} } = options;
  let counters = new Map<string, RefusalRow>();
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> = Promise.resolve();

  const add = (row: RefusalRow): void => {
    const keyOf = (ip: string): string => JSON.stringify([row.minute, ip, row.door, row.code]);
    let key = keyOf(row.ip_address);
    if (!counters.has(key) && counters.size >= MAX_COUNTERS) {
      row = { ...row, ip_address: '*' };
      key = keyOf('*');
    }
    const count = row.count + (counters.get(key)?.count ?? 0);
    counters.set(key, { ...row, count });
  };

  const write = async (): Promise<void> => {
    if (counters.size === 0) return;
    const taken = counters;
    counters = new Map();
    try {
      await db.tx(async (tx) => {
        await addRefusals(tx, [...taken.values()]);
        await deleteRefusals(tx, clock.now() - KEEP);
      });
    } catch (error) {
      for (const row of taken.values()) add(row);
      throw error;
    }
  };

  const flush = (): Promise<void> => {
    const next = flushing.catch(() => {}).then(write);
    flushing = next;
    return next;
  };

  return {
    countRefusal({ ip, door, code, count = 1 }) {
      add({ minute: Math.floor(clock.now() / MINUTE) * MINUTE, ip_address: ip, door, code, count });
    },
    flush,
    start() {
      timer ??= setInterval(() => void flush().catch(onError), FLUSH_EVERY).unref();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await flush();
    },
  };
}

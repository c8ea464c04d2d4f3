// Chains what the audit has recorded: every second it takes the rows that no batch holds, hashes them, and links the batch to the
// one before. One sealer works at a time on a database, however many nodes there are; a batch is there whole or not at all.
import { renameSync, writeFileSync } from 'node:fs';
import { SECOND } from '../kernel/clock.ts';
import type { House } from '../storage/house.ts';
import { BATCH_MAC, type BatchRow, batchHash, GENESIS, rowHash } from './chain-encoding.ts';
import { insertBatch, lockChain, newestBatch, sealedUpTo, unsealedEvents, unsealedIds } from './chain-store.ts';

type SealingHouse = Pick<House, 'db' | 'clock' | 'keys'>;

const BATCH_SIZE = 500;

/** The name, in the data folder, of the note that says how far the chain had come: a chain that is shorter was cut. */
export const HEAD_FILE = 'audit-head.json';

export interface Sealer {
  /** Seals once more and stops. */
  stop(): Promise<void>;
}

/** Seals one batch of what waits; null when nothing does. */
async function sealBatch({ db, clock, keys }: SealingHouse): Promise<BatchRow | null> {
  return db.tx(async (tx) => {
    await lockChain(tx, db.engine);
    const rows = await unsealedEvents(tx, await sealedUpTo(tx, db.engine), BATCH_SIZE);
    const [first, last] = [rows[0], rows.at(-1)];
    if (first === undefined || last === undefined) return null;
    const newest = await newestBatch(tx);
    const seals = rows.map((row) => ({ eventId: row.id, hash: rowHash(row) }));
    const body = {
      id: (newest?.id ?? 0) + 1,
      first_event_id: first.id,
      last_event_id: last.id,
      high_event_id: Math.max(newest?.high_event_id ?? 0, last.id),
      count: rows.length,
      previous_hash: newest?.hash ?? GENESIS,
      sealed_at: clock.now(),
    };
    const hash = batchHash(body, seals);
    const batch = { ...body, hash, mac: keys.digest(BATCH_MAC, hash), key_id: keys.current };
    await insertBatch(tx, batch, seals);
    return batch;
  });
}

/** Seals all that waits now. Answers the newest batch that it made; null when nothing waited. */
export async function sealAll(house: SealingHouse): Promise<BatchRow | null> {
  let newest: BatchRow | null = null;
  for (;;) {
    const { db } = house;
    // A look without a transaction first: an idle instance writes nothing.
    const waiting = await unsealedIds(db.read, await sealedUpTo(db.read, db.engine), Number.MAX_SAFE_INTEGER, 1);
    if (waiting.length === 0) return newest;
    const batch = await sealBatch(house);
    if (batch === null) return newest;
    newest = batch;
  }
}

/** Notes beside the database how far the chain has come. The note may lag behind the chain, never run ahead of it. */
export function writeHead(file: string, batch: Pick<BatchRow, 'id' | 'hash'>): void {
  const draft = `${file}.new`;
  writeFileSync(draft, `${JSON.stringify({ batch: batch.id, hash: batch.hash })}\n`, { mode: 0o600, flush: true });
  renameSync(draft, file);
}

/** Seals every second from now on. `headFile`: where to note how far the chain has come. */
export function startSealer(
  house: SealingHouse & Pick<House, 'log'>,
  { headFile, every = SECOND }: { headFile: string; every?: number },
): Sealer {
  let running: Promise<void> | null = null;
  const seal = async (): Promise<void> => {
    try {
      const newest = await sealAll(house);
      if (newest !== null) writeHead(headFile, newest);
    } catch (error) {
      house.log.warn({ err: error }, 'audit rows were not sealed; they are tried again');
    }
  };
  const turn = (): Promise<void> =>
    (running ??= seal().finally(() => {
      running = null;
    }));
  const timer = setInterval(() => void turn(), every);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
      await seal();
    },
  };
}

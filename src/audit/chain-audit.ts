// Checks the chain that lies in the database: every batch and row, rows that no batch holds, and whether the end was cut off.
// It changes nothing, and may run beside a server.
import { readFileSync } from 'node:fs';
import type { House } from '../storage/house.ts';
import type { InstanceKeys } from '../storage/instance-keys.ts';
import type { AuditRow } from './audit-store.ts';
import { ChainChecker, type ChainFinding, type MacOf, type SealedBatch } from './chain-check.ts';
import { BATCH_MAC, GENESIS } from './chain-encoding.ts';
import {
  findBatch,
  firstSealWithoutBatch,
  highestEventId,
  sealedUpTo,
  selectBatches,
  selectSealedEvents,
  selectSeals,
  unsealedIds,
} from './chain-store.ts';

export interface ChainReport {
  readonly findings: readonly ChainFinding[];
  readonly batches: number;
  readonly events: number;
  /** hash of the newest batch */
  readonly head: string;
  /** rows that wait for the sealer: how many, and the first of them */
  readonly unsealed: number;
  readonly firstUnsealed: number | null;
}

const PAGE = 50;
const WINDOW = 20_000;

/** The MAC of a hash under the instance's keys; null for a version that is not there. */
export function macWith(keys: InstanceKeys, purpose: string = BATCH_MAC): MacOf {
  const known = new Set(keys.versions());
  return (hash, keyId) => (known.has(keyId) ? keys.digest(purpose, hash, keyId) : null);
}

/** Batches from number `first` to `last`, with all that lies in them. */
export async function* readBatches(
  db: House['db'],
  first = 1,
  last: number = Number.MAX_SAFE_INTEGER,
): AsyncGenerator<SealedBatch> {
  let after = first - 1;
  for (;;) {
    const batches = await selectBatches(db.list, after, PAGE);
    for (const batch of batches) {
      if (batch.id > last) return;
      const [seals, rows] = [await selectSeals(db.list, batch.id), await selectSealedEvents(db.list, batch.id)];
      yield {
        batch,
        seals: seals.map((seal) => ({ eventId: seal.event_id, hash: seal.hash })),
        rows: new Map<number, AuditRow>(rows.map((row) => [row.id, row])),
      };
      after = batch.id;
    }
    if (batches.length < PAGE) return;
  }
}

/** Checks everything. `headFile`: the sealer's note beside the database; one that is not there is not missed. */
export async function auditChain(house: Pick<House, 'db' | 'keys'>, headFile: string | null): Promise<ChainReport> {
  const { db, keys } = house;
  const checker = new ChainChecker(macWith(keys));
  // Before the batches are read: what is sealed meanwhile must not look like a row too many.
  const settled = await sealedUpTo(db.list, db.engine);
  const extra: ChainFinding[] = headFile === null ? [] : await cutEnd(db, headFile);
  for await (const batch of readBatches(db)) checker.add(batch);
  for (const id of await idsWithout(db, 0, settled)) {
    const text = `event ${id} was put in: all around it was sealed long ago`;
    extra.push({ code: 'row_inserted', batch: null, event: id, text });
  }
  const orphan = await firstSealWithoutBatch(db.list);
  if (orphan !== null && orphan.batch_id <= checker.batches) {
    const text = `batch ${orphan.batch_id}, which held event ${orphan.event_id}, is missing`;
    extra.push({ code: 'batch_missing', batch: orphan.batch_id, event: orphan.event_id, text });
  } else if (orphan !== null && (await findBatch(db.list, orphan.batch_id)) === null) {
    const text = `the chain ends before event ${orphan.event_id}, which batch ${orphan.batch_id} held`;
    extra.push({ code: 'chain_cut', batch: orphan.batch_id, event: orphan.event_id, text });
  }
  const tail = await idsWithout(db, settled, await highestEventId(db.list));
  return {
    findings: [...checker.finish(), ...extra],
    batches: checker.batches,
    events: checker.events,
    head: checker.head,
    unsealed: tail.length,
    firstUnsealed: tail[0] ?? null,
  };
}

/** Ids without a seal in `above` < id <= `upTo`, in windows, so that no single list takes long. */
async function idsWithout(db: House['db'], above: number, upTo: number): Promise<number[]> {
  const found: number[] = [];
  for (let start = above; start < upTo && found.length < 10_000; start += WINDOW)
    found.push(...(await unsealedIds(db.list, start, Math.min(start + WINDOW, upTo), WINDOW)));
  return found;
}

async function cutEnd(db: House['db'], headFile: string): Promise<ChainFinding[]> {
  let text: string;
  try {
    text = readFileSync(headFile, 'utf8');
  } catch {
    return [];
  }
  const damaged = `${headFile} cannot be read: whether the end of the chain was cut off is unknown`;
  let head: { batch?: unknown; hash?: unknown };
  try {
    head = JSON.parse(text);
  } catch {
    return [{ code: 'chain_cut', batch: null, event: null, text: damaged }];
  }
  const { batch, hash } = head;
  if (typeof batch !== 'number' || typeof hash !== 'string')
    return [{ code: 'chain_cut', batch: null, event: null, text: damaged }];
  const found = batch === 0 ? { hash: GENESIS } : await findBatch(db.list, batch);
  if (found === null) {
    const cut = `the chain had come to batch ${batch}, which is not there any more: its end was cut off`;
    return [{ code: 'chain_cut', batch, event: null, text: cut }];
  }
  const other = `batch ${batch} is another one than was noted when it was sealed`;
  return found.hash === hash ? [] : [{ code: 'batch_altered', batch, event: null, text: other }];
}

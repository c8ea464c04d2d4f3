// Does the chain hold? Takes batch after batch, from the database or from an exported file, and names the first rows that were
// altered, removed, put in or moved. It knows neither where batches come from nor what becomes of its findings.
import type { AuditRow } from './audit-store.ts';
import { type BatchRow, batchHash, GENESIS, rowHash, type Seal } from './chain-encoding.ts';

/** Append only: programs read these words. */
export type ChainFault =
  | 'row_altered'
  | 'row_missing'
  | 'row_inserted'
  | 'rows_reordered'
  | 'batch_altered'
  | 'batch_missing'
  | 'mac_wrong'
  | 'mac_unchecked'
  | 'chain_cut';

export interface ChainFinding {
  readonly code: ChainFault;
  readonly batch: number | null;
  readonly event: number | null;
  readonly text: string;
}

export interface SealedBatch {
  readonly batch: BatchRow;
  /** by ascending event id */
  readonly seals: readonly Seal[];
  readonly rows: ReadonlyMap<number, AuditRow>;
}

/** The MAC that a batch's hash must have; null when the key of that version is not at hand. */
export type MacOf = (hash: string, keyId: number) => string | null;

/** More than these say no more. */
const MOST_FINDINGS = 50;

export class ChainChecker {
  readonly findings: ChainFinding[] = [];
  readonly #macOf: MacOf | null;
  readonly #moved: { readonly event: number; readonly batch: number; readonly is: string; readonly was: string }[] = [];
  #previous: { readonly id: number; readonly hash: string; readonly high: number };
  #uncheckedKeys = new Set<number>();
  batches = 0;
  events = 0;

  /** `macOf` null: MACs are not checked. `start`: what stands before the first batch; left out: nothing. */
  constructor(
    macOf: MacOf | null,
    start: { id: number; hash: string; high: number } = { id: 0, hash: GENESIS, high: 0 },
  ) {
    this.#macOf = macOf;
    this.#previous = start;
  }

  /** Hash of the newest batch so far. */
  get head(): string {
    return this.#previous.hash;
  }

  /** Takes the next batch. */
  add({ batch, seals, rows }: SealedBatch): void {
    const before = this.#previous;
    if (batch.id !== before.id + 1)
      this.#find('batch_missing', before.id + 1, null, `batch ${before.id + 1} is missing before batch ${batch.id}`);
    else if (batch.previous_hash !== before.hash)
      this.#find('batch_altered', batch.id, null, `batch ${batch.id} does not follow batch ${before.id}`);
    this.#checkRows(batch, seals, rows);
    this.#checkBatch(batch, seals, before.high);
    this.#previous = { id: batch.id, hash: batch.hash, high: batch.high_event_id };
    this.batches += 1;
    this.events += seals.length;
  }

  /** Ends the check: tells rows that changed places from rows that were altered. Answers all findings. */
  finish(): readonly ChainFinding[] {
    for (const { event, batch, is } of this.#moved) {
      const from = this.#moved.find((other) => other.event !== event && other.was === is);
      if (from) this.#find('rows_reordered', batch, event, `event ${event} holds what event ${from.event} held`);
      else this.#find('row_altered', batch, event, `event ${event} was altered after it was sealed`);
    }
    for (const key of this.#uncheckedKeys)
      this.#find('mac_unchecked', null, null, `instance key version ${key} is not at hand: its seals are not checked`);
    const order = (finding: ChainFinding) => finding.batch ?? Number.MAX_SAFE_INTEGER;
    return this.findings.sort((a, b) => order(a) - order(b) || (a.event ?? 0) - (b.event ?? 0));
  }

  #checkRows(batch: BatchRow, seals: readonly Seal[], rows: ReadonlyMap<number, AuditRow>): void {
    for (const { eventId, hash } of seals) {
      const row = rows.get(eventId);
      if (row === undefined) {
        this.#find('row_missing', batch.id, eventId, `event ${eventId} is missing`);
        continue;
      }
      const is = rowHash(row);
      if (is !== hash && this.#moved.length < MOST_FINDINGS)
        this.#moved.push({ event: eventId, batch: batch.id, is, was: hash });
    }
    for (const id of rows.keys())
      if (!seals.some((seal) => seal.eventId === id))
        this.#find('row_inserted', batch.id, id, `event ${id} is in no batch's list`);
  }

  #checkBatch(batch: BatchRow, seals: readonly Seal[], highBefore: number): void {
    const sound =
      batch.count === seals.length &&
      batch.first_event_id === seals[0]?.eventId &&
      batch.last_event_id === seals.at(-1)?.eventId &&
      batch.high_event_id === Math.max(highBefore, batch.last_event_id) &&
      batch.hash === batchHash(batch, seals);
    if (!sound) {
      const span = `events ${batch.first_event_id} to ${batch.last_event_id}`;
      const text = `batch ${batch.id} (${span}) is not what was sealed: ${batch.count} rows then, ${seals.length} listed now`;
      this.#find('batch_altered', batch.id, null, text);
    }
    if (this.#macOf === null) return;
    const mac = this.#macOf(batch.hash, batch.key_id);
    if (mac === null) this.#uncheckedKeys.add(batch.key_id);
    else if (mac !== batch.mac)
      this.#find('mac_wrong', batch.id, null, `batch ${batch.id} was not sealed by this instance`);
  }

  #find(code: ChainFault, batch: number | null, event: number | null, text: string): void {
    if (this.findings.length < MOST_FINDINGS) this.findings.push({ code, batch, event, text });
  }
}

// The audit as a file: JSON lines with the proof of every row, and its check without any database. Who has the file and the
// instance keys can tell whether it is what the instance sealed; who has the file alone can tell that it agrees with itself.

import type { AuditRow } from '../audit/audit-store.ts';
import { macWith, readBatches } from '../audit/chain-audit.ts';
import { ChainChecker, type ChainFinding } from '../audit/chain-check.ts';
import { type BatchRow, EXPORT_MAC, GENESIS, HASHED_COLUMNS } from '../audit/chain-encoding.ts';
import { batchesBetween, findBatch, highestEventId, newestBatch, unsealedEvents } from '../audit/chain-store.ts';
import type { House } from '../storage/house.ts';
import type { InstanceKeys } from '../storage/instance-keys.ts';
import { linesOf } from './lines.ts';

interface Sealed {
  readonly hash: string;
  readonly row: AuditRow | null;
  readonly id: number;
}
type Line =
  | { readonly type: 'audit'; readonly version: 1; readonly after: { id: number; hash: string; high: number } }
  | { readonly type: 'batch'; readonly batch: BatchRow; readonly events: readonly Sealed[] }
  | { readonly type: 'unsealed'; readonly row: AuditRow }
  | {
      readonly type: 'end';
      readonly batches: number;
      readonly events: number;
      readonly unsealed: number;
      readonly head: string;
      readonly mac: string;
      readonly key_id: number;
    };

/** What the last line's MAC speaks of. */
function endText(after: string, end: { batches: number; events: number; unsealed: number; head: string }): string {
  return JSON.stringify([after, end.head, end.batches, end.events, end.unsealed]);
}

/**
 * The lines of an export: whole batches sealed from `from` to `to` (milliseconds, inclusive; null is open), each row with its
 * hash; without `to` also the rows that wait for the sealer, which nothing proves yet.
 */
export async function* exportLines(
  house: Pick<House, 'db' | 'keys'>,
  { from, to }: { readonly from: number | null; readonly to: number | null },
): AsyncGenerator<string> {
  const { db, keys } = house;
  const line = (value: Line) => `${JSON.stringify(value)}\n`;
  const whole = { first: 1, last: (await newestBatch(db.list))?.id ?? 0 };
  const span =
    from === null && to === null ? whole : await batchesBetween(db.list, from ?? 0, to ?? Number.MAX_SAFE_INTEGER);
  const { first, last } = span ?? { first: whole.last + 1, last: whole.last };
  const before = first > 1 ? await findBatch(db.list, first - 1) : null;
  const after = before
    ? { id: before.id, hash: before.hash, high: before.high_event_id }
    : { id: 0, hash: GENESIS, high: 0 };
  yield line({ type: 'audit', version: 1, after });
  const end = { batches: 0, events: 0, unsealed: 0, head: after.hash };
  for await (const { batch, seals, rows } of readBatches(db, first, last)) {
    const events = seals.map(({ eventId, hash }) => ({ id: eventId, hash, row: rows.get(eventId) ?? null }));
    yield line({ type: 'batch', batch, events });
    end.batches += 1;
    end.events += events.length;
    end.head = batch.hash;
  }
  if (to === null) {
    const highest = await highestEventId(db.list);
    for (let above = (await newestBatch(db.list))?.high_event_id ?? 0; above < highest; ) {
      const rows = await unsealedEvents(db.list, above, 500);
      for (const row of rows) yield line({ type: 'unsealed', row });
      end.unsealed += rows.length;
      above = rows.at(-1)?.id ?? highest;
    }
  }
  yield line({ type: 'end', ...end, mac: keys.digest(EXPORT_MAC, endText(after.hash, end)), key_id: keys.current });
}

export interface FileReport {
  readonly findings: readonly (Omit<ChainFinding, 'code'> & { readonly code: string })[];
  readonly batches: number;
  readonly events: number;
  readonly unsealed: number;
  readonly head: string;
  /** whether the instance keys were there to check who sealed it */
  readonly keysChecked: boolean;
}

/** Checks an export. Without `keys`, that it agrees with itself; with them, also that this instance sealed it. Throws for what is no export. */
export async function verifyFile(file: string, keys: InstanceKeys | null): Promise<FileReport> {
  const macOf = keys && macWith(keys);
  let checker: ChainChecker | null = null;
  let after = '';
  let unsealed = 0;
  let ended = false;
  const extra: { code: string; batch: number | null; event: number | null; text: string }[] = [];
  const find = (code: string, text: string) => extra.push({ code, batch: null, event: null, text });
  let number = 0;
  for await (const text of linesOf(file)) {
    number += 1;
    const line = parseLine(text, number);
    if (ended) find('file_altered', `line ${number} stands behind the end`);
    else if (line.type === 'audit') {
      if (checker) find('file_altered', `line ${number} begins a second export`);
      checker ??= new ChainChecker(macOf, line.after);
      after = line.after.hash;
    } else if (checker === null) throw new Error(`${file} is no export of an audit: it has no first line`);
    else if (line.type === 'batch') {
      const seals = line.events.map(({ id, hash }) => ({ eventId: id, hash }));
      const rows = line.events.flatMap(({ row }) => (row === null ? [] : [[row.id, row] as const]));
      checker.add({ batch: line.batch, seals, rows: new Map(rows) });
    } else if (line.type === 'unsealed') unsealed += 1;
    else {
      ended = true;
      const { batches, events } = checker;
      const agrees = line.batches === batches && line.events === events && line.unsealed === unsealed;
      if (!agrees || line.head !== checker.head) find('file_altered', 'the last line does not say what the file holds');
      const mac = keys && macWith(keys, EXPORT_MAC)(endText(after, line), line.key_id);
      if (keys && mac === null) find('mac_unchecked', 'the instance key of the last line is not at hand');
      else if (keys && mac !== line.mac) find('mac_wrong', 'the last line was not written by this instance');
    }
  }
  if (checker === null) throw new Error(`${file} is no export of an audit: it is empty`);
  if (!ended) find('file_cut', 'the file has no last line: it was cut off');
  return {
    findings: [...checker.finish(), ...extra],
    batches: checker.batches,
    events: checker.events,
    unsealed,
    head: checker.head,
    keysChecked: keys !== null,
  };
}

function parseLine(text: string, number: number): Line {
  let line: unknown;
  try {
    line = JSON.parse(text);
  } catch {
    // Said below: the file is somebody else's, or was damaged.
  }
  if (isRecord(line) && line['type'] === 'audit' && line['version'] !== 1)
    throw new Error(`line ${number} is of version ${String(line['version'])}: this program knows version 1 alone`);
  if (!isLine(line)) throw new Error(`line ${number} is not a line of an audit export`);
  return line;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether each name is of that type in `value`. */
function has(
  value: unknown,
  type: 'number' | 'string',
  ...names: string[]
): value is Readonly<Record<string, unknown>> {
  return isRecord(value) && names.every((name) => typeof value[name] === type);
}

function isRow(value: unknown): boolean {
  return (
    has(value, 'number', 'id') &&
    HASHED_COLUMNS.every((name) => value[name] === null || ['string', 'number'].includes(typeof value[name]))
  );
}

function isLine(line: unknown): line is Line {
  if (!isRecord(line)) return false;
  const { type, after, batch, events, row } = line;
  switch (type) {
    case 'audit':
      return has(after, 'number', 'id', 'high') && has(after, 'string', 'hash');
    case 'batch':
      return (
        has(
          batch,
          'number',
          'id',
          'first_event_id',
          'last_event_id',
          'high_event_id',
          'count',
          'sealed_at',
          'key_id',
        ) &&
        has(batch, 'string', 'previous_hash', 'hash', 'mac') &&
        Array.isArray(events) &&
        events.every(
          (one) => has(one, 'number', 'id') && has(one, 'string', 'hash') && (one['row'] === null || isRow(one['row'])),
        )
      );
    case 'unsealed':
      return isRow(row);
    default:
      return (
        type === 'end' &&
        has(line, 'number', 'batches', 'events', 'unsealed', 'key_id') &&
        has(line, 'string', 'head', 'mac')
      );
  }
}

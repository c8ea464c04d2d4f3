// How an audit row and a batch become bytes, and the bytes a hash. Every value carries its type and its length, so that no two
// different rows give the same bytes. It reads no database; the offline verifier uses the same functions.
import { createHash } from 'node:crypto';
import type { Selectable } from 'kysely';
import type { AuditBatchTable } from '../storage/schema.ts';
import type { AuditRow } from './audit-store.ts';

export type BatchRow = Selectable<AuditBatchTable>;

/** What the first batch names as the hash before it. */
export const GENESIS = '0'.repeat(64);

/** The columns that are hashed, in this order for ever; new columns are a new version of the row's hash. */
export const HASHED_COLUMNS = [
  'created_at',
  'author_id',
  'author_name',
  'credential_id',
  'credential_kind',
  'credential_name',
  'door',
  'action',
  'result',
  'entity_type',
  'entity_id',
  'entity_path',
  'target_type',
  'target_id',
  'target_details',
  'ip_address',
  'message',
  'details',
] as const satisfies readonly Exclude<keyof AuditRow, 'id'>[];

type Value = string | number | null;

/** `values` as bytes: for each its type (n, i, s), the length of what follows in four bytes, and its UTF-8 text. */
export function encode(values: readonly Value[]): Buffer {
  const parts: Buffer[] = [];
  for (const value of values) {
    const body = Buffer.from(value === null ? '' : String(value), 'utf8');
    const head = Buffer.alloc(5);
    head.write(value === null ? 'n' : typeof value === 'number' ? 'i' : 's', 'latin1');
    head.writeUInt32BE(body.length, 1);
    parts.push(head, body);
  }
  return Buffer.concat(parts);
}

function sha256(domain: string, values: readonly Value[]): string {
  return createHash('sha256')
    .update(encode([domain, ...values]))
    .digest('hex');
}

/** The hash of a row's columns without its id, as 64 hex characters: so a row that changed places is known again. */
export function rowHash(row: Omit<AuditRow, 'id'>): string {
  return sha256(
    'keyward audit row v1',
    HASHED_COLUMNS.map((column) => row[column]),
  );
}

export interface Seal {
  readonly eventId: number;
  readonly hash: string;
}

/** The hash of a batch over its own columns, the batch before it, and the rows in it by ascending id. */
export function batchHash(batch: Omit<BatchRow, 'hash' | 'mac' | 'key_id'>, seals: readonly Seal[]): string {
  const { id, previous_hash, first_event_id, last_event_id, high_event_id, count, sealed_at } = batch;
  return sha256('keyward audit batch v1', [
    id,
    previous_hash,
    first_event_id,
    last_event_id,
    high_event_id,
    count,
    sealed_at,
    ...seals.flatMap(({ eventId, hash }) => [eventId, hash]),
  ]);
}

/** The purpose under which instance keys sign the hash of a batch. */
export const BATCH_MAC = 'audit-batch';
/** The purpose under which instance keys sign the last line of an export. */
export const EXPORT_MAC = 'audit-export';

// SQLite's extended result codes as errors of ours.
import {
  DatabaseError,
  ForeignKeyViolation,
  ListTimeout,
  TransactionAborted,
  UniqueViolation,
  UnstorableValue,
} from '../errors.ts';

const OURS = [DatabaseError, ForeignKeyViolation, ListTimeout, TransactionAborted, UniqueViolation, UnstorableValue];
const FOREIGN_KEY = 787;
const UNIQUE = new Set([1555, 2067, 2579]);

/** `UNIQUE constraint failed: users.email, users.name` or `…: index 'projects_name'` as a UniqueViolation. */
function uniqueViolation(message: string): UniqueViolation {
  const what = message.slice(message.indexOf(':') + 1).trim();
  const index = /^index '(.+)'$/.exec(what);
  if (index) return new UniqueViolation(null, [], index[1] ?? null);
  const names = what.split(', ').map((name) => name.split('.'));
  return new UniqueViolation(
    names[0]?.[0] ?? null,
    names.map((name) => name.at(-1) ?? ''),
    null,
  );
}

/** Turns what node:sqlite threw, here or on the other side, into an error of errors.ts. */
export function translateSqlite(error: unknown): Error {
  if (OURS.some((type) => error instanceof type)) return error as Error;
  const { message, errcode } = error as { message?: unknown; errcode?: unknown };
  const text = String(message);
  if (typeof errcode !== 'number') return error instanceof Error ? error : new DatabaseError(text, null);
  if (errcode === FOREIGN_KEY) return new ForeignKeyViolation(null);
  if (UNIQUE.has(errcode)) return uniqueViolation(text);
  return new DatabaseError(text, errcode === 0 ? null : String(errcode));
}

// PostgreSQL's SQLSTATEs as errors of ours. Its `detail` quotes the row's values and is left behind.
import { DatabaseError, ForeignKeyViolation, ListTimeout, UniqueViolation } from '../errors.ts';

interface ServerError {
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly table?: string;
  readonly constraint?: string;
}

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string';
}

/** Turns what pg threw into an error of errors.ts; `listTimeout` in milliseconds, for the ListTimeout. */
export function translatePostgres(error: unknown, listTimeout: number): Error {
  if (!isServerError(error)) return error instanceof Error ? error : new DatabaseError(String(error), null);
  const { code, table = null, constraint = null } = error;
  if (code === '23505') {
    // `Key (namespace_id, lower(name))=(7, secret) already exists.`: the names stand before the `)=(`.
    const names = /^Key \((.+?)\)=\(/.exec(error.detail ?? '')?.[1];
    return new UniqueViolation(table, names?.split(', ') ?? [], constraint);
  }
  if (code === '23503') return new ForeignKeyViolation(constraint);
  if (code === '57014') return new ListTimeout(listTimeout);
  // Class 22 (data exceptions) quotes the value behind a colon.
  const message = code.startsWith('22') ? (error.message.split(':')[0] ?? '') : error.message;
  return new DatabaseError(message, code);
}

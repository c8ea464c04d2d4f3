// What travels between the main thread and those who run SQLite elsewhere: the writer thread and the list process. Both
// speak this one protocol; errors cross as plain data, because a class does not survive the way.
import type { LinkResult } from '../link-driver.ts';
import type { Bound } from '../parameters.ts';
import type { SqliteConnection } from './connection.ts';

export interface StatementRequest {
  readonly id: number;
  readonly sql: string;
  readonly parameters: readonly Bound[];
}

export interface RemoteError {
  readonly message: string;
  /** SQLite's extended result code; 0 when the failure is not SQLite's. */
  readonly errcode: number;
}

export type StatementReply =
  | { readonly id: number; readonly result: LinkResult }
  | { readonly id: number; readonly error: RemoteError };

/** The id of the message that says "open and ready", or carries why opening failed. */
export const READY = 0;

/** What an error says across the way. */
export function remoteError(error: unknown): RemoteError {
  const { message, errcode } = error as { message?: unknown; errcode?: unknown };
  return { message: String(message), errcode: typeof errcode === 'number' ? errcode : 0 };
}

/** Runs the request on `connection` and says how it went. */
export function answer(connection: SqliteConnection, request: StatementRequest): StatementReply {
  try {
    return { id: request.id, result: connection.run(request.sql, request.parameters) };
  } catch (error) {
    return { id: request.id, error: remoteError(error) };
  }
}

// The one way into the database, the same over SQLite and PostgreSQL: a handle for point queries, one for lists, and
// transactions. It knows no table; stores bring their queries and take a Queryable as first argument.
import type { Kysely } from 'kysely';
import type { Schema } from './schema.ts';

export {
  DatabaseError,
  ForeignKeyViolation,
  ListTimeout,
  SchemaTooNew,
  TransactionAborted,
  UniqueViolation,
  UnstorableValue,
} from './errors.ts';

/** Anything that can run a query: a handle or a transaction. Stores take this as first argument. */
export type Queryable = Kysely<Schema>;

/** A running transaction. */
export type Tx = Queryable & { readonly __tx?: true };

export interface Database {
  readonly engine: 'sqlite' | 'postgres';
  /** Point queries. SQLite: a read-only handle on the main thread, so nothing slow. PostgreSQL: the pool. */
  readonly read: Queryable;
  /** Lists and counts, stopped after 5 s with ListTimeout (doors say 503). SQLite: a reader process of its own. */
  readonly list: Queryable;
  /**
   * Runs `work` in a transaction and commits when it returns, rolls back when it throws. Inside, only database awaits.
   * SQLite: one writer, first in first out, BEGIN IMMEDIATE. PostgreSQL: READ COMMITTED. A deadlock or serialization
   * failure is thrown (DatabaseError 40P01, 40001), never retried silently. A statement that fails ends the transaction,
   * so a clash that is expected is an `on conflict`, or is caught outside.
   */
  tx<T>(work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Waits for running transactions, then closes everything. */
  close(): Promise<void>;
}

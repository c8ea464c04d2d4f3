// The one way into the database, the same over SQLite and PostgreSQL: a handle for point queries, one for lists, and
// transactions. It knows no table; stores bring their queries and take a Queryable as first argument.
import type { Kysely } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import { migrations as allMigrations, type Migration } from './migrations/index.ts';
import type { Schema } from './schema.ts';
import { openSqlite } from './sqlite/sqlite-database.ts';

export {
  DatabaseError,
  ForeignKeyViolation,
  ListTimeout,
  SchemaTooNew,
  TransactionAborted,
  UniqueViolation,
  UnstorableValue,
} from './errors.ts';
export { afterCommit } from './transactions.ts';

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

export interface OpenDatabaseOptions {
  /** `sqlite:/path/file.db` or `postgres://…`. */
  readonly url: string;
  readonly clock: Clock;
  /** Connections of the pool on PostgreSQL; 10 by default, lists have half as many more. */
  readonly poolSize?: number;
  /** Milliseconds that a list may take; 5000 by default. */
  readonly listTimeout?: number;
  /** The migrations to know; all of them by default. */
  readonly migrations?: readonly Migration[];
}

export type EngineOptions = Required<OpenDatabaseOptions>;

/** Opens the database of `url`, creating a SQLite file (mode 0600) that is missing, and applies migrations under a lock. */
export async function openDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const { url, clock, poolSize = 10, listTimeout = 5000, migrations = allMigrations } = options;
  const complete = { url, clock, poolSize, listTimeout, migrations };
  if (url.startsWith('sqlite:')) return openSqlite(url.slice('sqlite:'.length), complete);
  // Loaded only where it is used: a server on SQLite has no need of PostgreSQL's client.
  if (/^postgres(ql)?:\/\//.test(url)) return (await import('./postgres/postgres-database.ts')).openPostgres(complete);
  // The URL itself may carry a password and is not repeated.
  throw new Error('the database URL must begin with sqlite: or postgres://');
}

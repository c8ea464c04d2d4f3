// What is said when a database is opened, to whichever engine.
import type { Clock } from '../kernel/clock.ts';
import type { Migration } from './migrations/migration.ts';

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

// Opens a database: which engine an address names, and what it is opened with.
import type { Database } from './database.ts';
import { migrations as allMigrations } from './migrations/index.ts';
import type { OpenDatabaseOptions } from './open-options.ts';
import { openSqlite } from './sqlite/sqlite-database.ts';

export type { OpenDatabaseOptions } from './open-options.ts';

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

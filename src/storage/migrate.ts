// Brings a database to the schema that this program knows, one migration a transaction. Every transaction takes the lock
// and looks again, so processes that start together are safe in any order.
import { sql } from 'kysely';
import type { Clock } from '../kernel/clock.ts';
import type { Tx } from './database.ts';
import { SchemaTooNew } from './errors.ts';
import type { Migration } from './migrations/migration.ts';

/** A number of our own for PostgreSQL's advisory locks. */
const LOCK = 7_215_908_113;

async function applyNext(
  tx: Tx,
  engine: 'sqlite' | 'postgres',
  migrations: readonly Migration[],
  clock: Clock,
): Promise<boolean> {
  // SQLite's BEGIN IMMEDIATE already is the lock.
  if (engine === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(LOCK)})`.execute(tx);
  const integer = sql.raw(engine === 'postgres' ? 'bigint' : 'integer');
  await sql`create table if not exists schema_migrations
    (id ${integer} primary key, name text not null, applied_at ${integer} not null)`.execute(tx);
  const rows = await tx.selectFrom('schema_migrations').select('id').execute();
  const applied = new Set(rows.map((row) => row.id));
  const known = Math.max(0, ...migrations.map((migration) => migration.id));
  const newest = Math.max(0, ...applied);
  if (newest > known) throw new SchemaTooNew(newest, known);
  const next = migrations.find((migration) => !applied.has(migration.id));
  if (next === undefined) return false;
  await next.up(tx, engine);
  await tx.insertInto('schema_migrations').values({ id: next.id, name: next.name, applied_at: clock.now() }).execute();
  return true;
}

/** Applies what is missing of `migrations`. Throws SchemaTooNew when the database knows one that we do not. */
export async function migrate(
  run: (work: (tx: Tx) => Promise<boolean>) => Promise<boolean>,
  engine: 'sqlite' | 'postgres',
  migrations: readonly Migration[],
  clock: Clock,
): Promise<void> {
  while (await run((tx) => applyNext(tx, engine, migrations, clock)));
}

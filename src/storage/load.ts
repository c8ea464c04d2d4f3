// Fills an empty database with the tables of a backup, whichever engine they came from: the schema of that time, then the rows,
// then what has come to the schema since. All rows go in one transaction: the database is whole or empty.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { Clock } from '../kernel/clock.ts';
import { openDatabase } from './database.ts';
import type { DumpedRow } from './dump.ts';
import { SchemaTooNew } from './errors.ts';
import { migrations } from './migrations/index.ts';

/** The tables to load, each with its rows. */
export interface TableSource {
  readonly name: string;
  rows(): AsyncIterable<DumpedRow>;
}

interface Target {
  begin(): Promise<void>;
  insert(table: string, columns: readonly string[], rows: readonly DumpedRow[]): Promise<void>;
  /** Makes the next id of each table larger than those that were loaded; checks that every reference leads somewhere. */
  finish(tables: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const CHUNK = 100;
const NAME = /^[a-z][a-z_0-9]*$/;

/** Loads `tables` as of migration `schema`. Throws when the database is not empty, or the backup is newer than this program. */
export async function loadDatabase(
  url: string,
  clock: Clock,
  schema: number,
  tables: readonly TableSource[],
): Promise<void> {
  const newest = Math.max(...migrations.map((migration) => migration.id));
  if (schema > newest) throw new SchemaTooNew(schema, newest);
  const then = migrations.filter((migration) => migration.id <= schema);
  await (await openDatabase({ url, clock, migrations: then })).close();
  const target = url.startsWith('sqlite:') ? sqliteTarget(url.slice('sqlite:'.length)) : await postgresTarget(url);
  try {
    await target.begin();
    for (const table of tables) {
      if (!NAME.test(table.name)) throw new Error(`the backup names a table "${table.name}"`);
      await loadTable(target, table);
    }
    await target.finish(tables.map((table) => table.name));
  } finally {
    await target.close();
  }
  await (await openDatabase({ url, clock })).close();
}

async function loadTable(target: Target, table: TableSource): Promise<void> {
  let chunk: DumpedRow[] = [];
  const flush = async () => {
    const columns = Object.keys(chunk[0] ?? {});
    if (!columns.every((column) => NAME.test(column))) throw new Error(`the backup of ${table.name} is malformed`);
    if (chunk.length > 0) await target.insert(table.name, columns, chunk);
    chunk = [];
  };
  for await (const row of table.rows()) {
    chunk.push(row);
    if (chunk.length >= CHUNK) await flush();
  }
  await flush();
}

function sqliteTarget(path: string): Target {
  const db = new DatabaseSync(path, { timeout: 5000 });
  return {
    async begin() {
      db.exec('pragma foreign_keys = off; begin immediate');
      const { count } = db.prepare('select count(*) as count from users').get() as { count: number };
      if (count > 0) throw new Error('the database is not empty');
    },
    async insert(table, columns, rows) {
      const places = columns.map(() => '?').join(', ');
      const statement = db.prepare(`insert into "${table}" (${columns.join(', ')}) values (${places})`);
      for (const row of rows) statement.run(...columns.map((column) => row[column] ?? null));
    },
    async finish() {
      // Autoincrement already counts from the highest id; references are checked as a whole, so their order does not matter.
      const broken = db.prepare('pragma foreign_key_check').all();
      if (broken.length > 0) throw new Error('the backup has rows that refer to rows which are not in it');
      db.exec('commit');
    },
    async close() {
      db.close();
    },
  };
}

async function postgresTarget(url: string): Promise<Target> {
  const client = new pg.Client({ connectionString: url, application_name: 'keyward restore' });
  await client.connect();
  let references: { table: string; name: string; rule: string }[] = [];
  return {
    async begin() {
      await client.query('begin');
      await client.query('lock table users in access exclusive mode');
      if ((await client.query('select 1 from users limit 1')).rows.length > 0)
        throw new Error('the database is not empty');
      // Rows refer to rows of tables that come later, and to later rows of their own table: the rules return at the end.
      const found = await client.query(
        `select c.conrelid::regclass::text as table, c.conname as name, pg_get_constraintdef(c.oid) as rule
         from pg_constraint c join pg_namespace n on n.oid = c.connamespace
         where c.contype = 'f' and n.nspname = current_schema()`,
      );
      references = found.rows;
      for (const { table, name } of references) await client.query(`alter table ${table} drop constraint "${name}"`);
    },
    async insert(table, columns, rows) {
      const tuples = rows.map(
        (_, row) => `(${columns.map((_, at) => `$${row * columns.length + at + 1}`).join(', ')})`,
      );
      const values = rows.flatMap((row) => columns.map((column) => row[column] ?? null));
      await client.query(`insert into "${table}" (${columns.join(', ')}) values ${tuples.join(', ')}`, values);
    },
    async finish(tables) {
      for (const { table, name, rule } of references)
        await client.query(`alter table ${table} add constraint "${name}" ${rule}`);
      const counted = await client.query(
        `select table_name as table, column_name as column from information_schema.columns
         where table_schema = current_schema() and is_identity = 'YES'`,
      );
      for (const { table, column } of counted.rows as { table: string; column: string }[])
        if (tables.includes(table))
          await client.query(
            `select setval(pg_get_serial_sequence($1, $2), greatest(1, (select max("${column}") from "${table}")),
             exists (select 1 from "${table}"))`,
            [table, column],
          );
      await client.query('commit');
    },
    close: () => client.end(),
  };
}

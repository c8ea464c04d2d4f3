// Fills an empty database with the tables of a backup, whichever engine they came from: the schema of that time, then the rows,
// then what has come to the schema since. All rows go in one transaction: the database is whole or empty, and what fails leaves it
// as it was.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type { Clock } from '../kernel/clock.ts';
import type { DumpedRow } from './dump.ts';
import { SchemaTooNew } from './errors.ts';
import { migrations } from './migrations/index.ts';
import { openDatabase } from './open-database.ts';

/** The tables to load, each with its rows. */
export interface TableSource {
  readonly name: string;
  rows(): AsyncIterable<DumpedRow>;
}

interface Target {
  /** Takes the database for itself. Throws when somebody has it already. */
  begin(): Promise<void>;
  insert(table: string, columns: readonly string[], rows: readonly DumpedRow[]): Promise<void>;
  /** Makes the next id of each table larger than those that were loaded; checks that every reference leads somewhere. */
  finish(tables: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

export interface LoadedDatabase {
  /** Takes everything out again that the loading made; on SQLite the caller removes the file. */
  undo(): Promise<void>;
}

const CHUNK = 100;
const NAME = /^[a-z][a-z_0-9]*$/;

/**
 * Loads `tables` as of migration `schema`. Throws when the database is not empty, or the backup is newer than this program; the
 * database is then as it was.
 */
export async function loadDatabase(
  url: string,
  clock: Clock,
  schema: number,
  tables: readonly TableSource[],
): Promise<LoadedDatabase> {
  const newest = Math.max(...migrations.map((migration) => migration.id));
  if (schema > newest) throw new SchemaTooNew(schema, newest);
  const bad = tables.find((table) => !NAME.test(table.name));
  if (bad) throw new Error(`the backup names a table "${bad.name}"`);
  const hadTables = await hasTables(url);
  const takeOut = () => (hadTables ? emptyTables(url) : dropTables(url));
  let state: 'opened' | 'taken' | 'loaded' = 'opened';
  try {
    const then = migrations.filter((migration) => migration.id <= schema);
    await (await openDatabase({ url, clock, migrations: then })).close();
    const target = url.startsWith('sqlite:') ? sqliteTarget(url.slice('sqlite:'.length)) : await postgresTarget(url);
    try {
      await target.begin();
      state = 'taken';
      for (const table of tables) await loadTable(target, table);
      await target.finish(tables.map((table) => table.name));
      state = 'loaded';
    } finally {
      await target.close();
    }
    await (await openDatabase({ url, clock })).close();
    return { undo: takeOut };
  } catch (error) {
    // Before it was taken, the rows in it may be somebody else's; then the transaction has taken the rows out by itself.
    if (state === 'loaded') await takeOut().catch(() => {});
    else if (state === 'taken' && !hadTables) await dropTables(url, { onlyEmpty: true }).catch(() => {});
    throw error;
  }
}

/** Whether there is anything in a PostgreSQL database; a SQLite file that is there was refused before. */
async function hasTables(url: string): Promise<boolean> {
  if (url.startsWith('sqlite:')) return false;
  return withPostgres(url, async (client) => (await tablesOf(client)).length > 0);
}

async function dropTables(url: string, { onlyEmpty = false } = {}): Promise<void> {
  if (url.startsWith('sqlite:')) return;
  await withPostgres(url, async (client) => {
    await client.query('begin');
    await client.query('lock table users in access exclusive mode');
    if (onlyEmpty && (await client.query('select 1 from users limit 1')).rows.length > 0) return;
    await client.query(`drop table ${(await tablesOf(client)).join(', ')} cascade`);
    await client.query('commit');
  });
}

/** For tables that were there, and empty, before. */
async function emptyTables(url: string): Promise<void> {
  await withPostgres(url, async (client) => {
    const names = (await tablesOf(client)).filter((name) => name !== 'schema_migrations');
    await client.query(`truncate ${names.join(', ')} restart identity cascade`);
  });
}

async function tablesOf(client: pg.Client): Promise<string[]> {
  const found = await client.query(
    'select quote_ident(tablename) as name from pg_tables where schemaname = current_schema()',
  );
  return found.rows.map(({ name }: { name: string }) => name);
}

async function withPostgres<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'keyward restore' });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
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

// Reads a whole database as it was at one moment, table by table, in a form that both engines can load again. Other
// processes go on writing meanwhile. It runs in the command line's own process, where it may hold the thread.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

export type DumpedRow = Readonly<Record<string, string | number | null>>;
/** Takes the rows of one table, in the order of its key. */
export type TableTaker = (table: string, rows: AsyncIterable<DumpedRow> | Iterable<DumpedRow>) => Promise<void>;

/** Not part of a backup: what belongs to running processes, and what a fresh database has already. */
const LEFT_OUT = new Set(['schema_migrations', 'holds']);
const FETCH = 1000;

export interface Snapshot {
  readonly engine: 'sqlite' | 'postgres';
  /** the newest migration that was applied */
  readonly schema: number;
}

/** Hands every table to `take`, all as of one moment. */
export async function dumpDatabase(url: string, take: TableTaker): Promise<Snapshot> {
  return url.startsWith('sqlite:') ? dumpSqlite(url.slice('sqlite:'.length), take) : dumpPostgres(url, take);
}

async function dumpSqlite(path: string, take: TableTaker): Promise<Snapshot> {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 30_000 });
  try {
    db.exec('pragma trusted_schema = off; begin');
    const schema = db.prepare('select max(id) as id from schema_migrations').get() as { id: number };
    const tables = db
      .prepare(
        "select name from sqlite_schema where type = 'table' and name not like 'sqlite\\_%' escape '\\' order by name",
      )
      .all() as { name: string }[];
    for (const { name } of tables) {
      if (LEFT_OUT.has(name)) continue;
      const rows = db.prepare(`select * from "${name}" order by 1`).iterate() as Iterable<DumpedRow>;
      await take(name, rows);
    }
    return { engine: 'sqlite', schema: schema.id };
  } finally {
    db.close();
  }
}

async function dumpPostgres(url: string, take: TableTaker): Promise<Snapshot> {
  const { INT8, NUMERIC } = pg.types.builtins;
  const client = new pg.Client({
    connectionString: url,
    application_name: 'keyward backup',
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format ?? 'text'),
    },
  });
  await client.connect();
  try {
    await client.query('begin isolation level repeatable read read only');
    const schema = await client.query('select max(id) as id from schema_migrations');
    const tables = await client.query(
      "select table_name as name from information_schema.tables where table_schema = current_schema() and table_type = 'BASE TABLE' order by 1",
    );
    for (const { name } of tables.rows as { name: string }[])
      if (!LEFT_OUT.has(name)) await take(name, fetchAll(client, name));
    await client.query('commit');
    return { engine: 'postgres', schema: schema.rows[0].id };
  } finally {
    await client.end();
  }
}

async function* fetchAll(client: pg.Client, table: string): AsyncGenerator<DumpedRow> {
  await client.query(`declare rows no scroll cursor for select * from "${table}" order by 1`);
  for (;;) {
    const { rows } = await client.query(`fetch ${FETCH} from rows`);
    yield* rows as DumpedRow[];
    if (rows.length < FETCH) break;
  }
  await client.query('close rows');
}

// Makes a million rows in a database of either engine within seconds, by copying one of them with other values. Nothing is flushed:
// all of it can be made again.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';

export interface Bulk {
  /** An expression that gives each row a digest of its own. */
  readonly randomDigest: string;
  run(sql: string): Promise<void>;
  /** The one number that `sql` gives as `n`. */
  number(sql: string): Promise<number>;
  /**
   * Inserts `count` copies of the row `id` of `table` under the ids that follow its highest, with the given SQL expressions for some
   * columns; `i` counts from 1.
   */
  copyRow(table: string, id: number, count: number, values: Readonly<Record<string, string>>): Promise<void>;
  /** Counts what is there, as a database that has run for long has done, and closes. */
  finish(): Promise<void>;
}

/** Bulk work in the database of `url` (`sqlite:…` or `postgres://…`), which no server uses meanwhile. */
export async function openBulk(url: string): Promise<Bulk> {
  return url.startsWith('sqlite:') ? openSqlite(url.slice('sqlite:'.length)) : openPostgres(url);
}

function copied(
  table: string,
  id: number,
  columns: readonly string[],
  values: Readonly<Record<string, string>>,
): string {
  const given: Readonly<Record<string, string>> = { id: `(select max(id) from ${table}) + i`, ...values };
  return `insert into ${table} (${columns.join(', ')})
    select ${columns.map((name) => given[name] ?? `t.${name}`).join(', ')} from s, ${table} as t where t.id = ${id}`;
}

function openSqlite(path: string): Bulk {
  const db = new DatabaseSync(path);
  db.exec('pragma synchronous = off; pragma cache_size = -400000; begin');
  return {
    randomDigest: 'lower(hex(randomblob(32)))',
    run: async (sql) => db.exec(sql),
    number: async (sql) => (db.prepare(sql).get() as { n: number }).n,
    async copyRow(table, id, count, values) {
      const columns = (db.prepare(`pragma table_info(${table})`).all() as { name: string }[]).map(({ name }) => name);
      db.exec(`with recursive s(i) as (select 1 union all select i + 1 from s where i < ${count})
        ${copied(table, id, columns, values)}`);
    },
    async finish() {
      db.exec('commit; analyze');
      db.close();
    },
  };
}

async function openPostgres(url: string): Promise<Bulk> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("set synchronous_commit = off; set maintenance_work_mem = '256MB'; begin");
  return {
    randomDigest: 'md5(random()::text) || md5(random()::text)',
    run: async (sql) => void (await client.query(sql)),
    number: async (sql) => Number((await client.query(sql)).rows[0].n),
    async copyRow(table, id, count, values) {
      const { rows } = await client.query(
        'select column_name as name from information_schema.columns where table_schema = current_schema() and table_name = $1',
        [table],
      );
      const columns = (rows as { name: string }[]).map(({ name }) => name);
      await client.query(`with s(i) as (select * from generate_series(1::bigint, ${count}))
        ${copied(table, id, columns, values)}`);
      await client.query(`select setval(pg_get_serial_sequence('${table}', 'id'), (select max(id) from ${table}))`);
    },
    async finish() {
      await client.query('commit');
      await client.query('vacuum analyze');
      await client.end();
    },
  };
}

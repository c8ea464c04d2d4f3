// Is the database sound, as far as its engine can tell? It only reads, applies no migration, and may run beside a server.
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import { migrations } from './migrations/index.ts';

export interface Health {
  /** one sentence each */
  readonly problems: readonly string[];
  /** what may lose data one day, one sentence each */
  readonly risks: readonly string[];
  /** newest migration of the database; 0: it has none */
  readonly schema: number;
  /** newest migration that this program knows */
  readonly known: number;
}

const MOST = 10;

/** Looks at the database of `url` with the engine's own means. Throws when it cannot be opened. */
export async function checkHealth(url: string): Promise<Health> {
  const known = Math.max(...migrations.map((migration) => migration.id));
  const found = url.startsWith('sqlite:') ? checkSqlite(url.slice('sqlite:'.length)) : await checkPostgres(url);
  return { ...found, known };
}

function checkSqlite(path: string): Omit<Health, 'known'> {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 30_000 });
  try {
    db.exec('pragma trusted_schema = off');
    const integrity = db.prepare(`pragma integrity_check(${MOST})`).all() as { integrity_check: string }[];
    const references = db.prepare('pragma foreign_key_check').all() as {
      table: string;
      rowid: number;
      parent: string;
    }[];
    const has = db.prepare("select 1 from sqlite_schema where name = 'schema_migrations'").get() !== undefined;
    const newest = has ? (db.prepare('select max(id) as id from schema_migrations').get() as { id: number }) : null;
    return {
      problems: [
        ...integrity.filter((row) => row.integrity_check !== 'ok').map((row) => row.integrity_check),
        ...references
          .slice(0, MOST)
          .map((row) => `${row.table} row ${row.rowid} refers to a missing row of ${row.parent}`),
      ],
      risks: [],
      schema: newest?.id ?? 0,
    };
  } finally {
    db.close();
  }
}

async function checkPostgres(url: string): Promise<Omit<Health, 'known'>> {
  const client = new pg.Client({ connectionString: url, application_name: 'keyward doctor' });
  await client.connect();
  try {
    const problems: string[] = [];
    const risks: string[] = [];
    for (const name of ['fsync', 'full_page_writes']) {
      const { rows } = await client.query('select current_setting($1) as value', [name]);
      if (rows[0].value !== 'on') risks.push(`PostgreSQL runs with ${name} off: a power cut loses data`);
    }
    const invalid = await client.query(
      `select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
       join pg_namespace n on n.oid = c.relnamespace where not i.indisvalid and n.nspname = current_schema()
       union all select conname from pg_constraint c join pg_namespace n on n.oid = c.connamespace
       where not c.convalidated and n.nspname = current_schema()`,
    );
    for (const { name } of invalid.rows as { name: string }[]) problems.push(`${name} is not valid`);
    const broken = await client.query(
      'select checksum_failures::int as count from pg_stat_database where datname = current_database() and checksum_failures > 0',
    );
    if (broken.rows.length > 0)
      problems.push(`PostgreSQL has read ${broken.rows[0].count} pages that were altered on the disk`);
    const has = await client.query("select to_regclass('schema_migrations') as name");
    const newest =
      has.rows[0].name === null ? null : await client.query('select max(id)::int as id from schema_migrations');
    return { problems, risks, schema: newest?.rows[0].id ?? 0 };
  } finally {
    await client.end();
  }
}

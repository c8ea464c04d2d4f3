// Puts PostgreSQL's handles together: a pool for point queries and transactions, and a smaller one for lists whose
// statements the server itself stops. Numbers and booleans come back as they do from SQLite.
import { Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import pg from 'pg';
import type { Database, Queryable } from '../database.ts';
import { type Link, LinkDriver } from '../link-driver.ts';
import { giveMemory } from '../memory.ts';
import { migrate } from '../migrate.ts';
import type { EngineOptions } from '../open-options.ts';
import type { Bound } from '../parameters.ts';
import type { Schema } from '../schema.ts';
import { Transactions } from '../transactions.ts';
import { SnapshotMemory } from './snapshot-memory.ts';
import { SnapshotWatch, serverOf } from './snapshot-watch.ts';
import { StatementNames } from './statement-names.ts';
import { translatePostgres } from './translate.ts';

const CONNECT_TIMEOUT = 10_000;
const IDLE_IN_TRANSACTION_TIMEOUT = 60_000;
const BEGIN = 'begin isolation level read committed';
/**
 * What lists are planned with, unless whoever runs the server chose otherwise: a page is too short for compiling its plan to pay, and
 * indexes are worth their price where the data lies in memory or on a disk without a head.
 */
const FOR_LISTS = `select set_config(name, wish, false) from pg_settings
  join (values ('jit', 'off'), ('random_page_cost', '1.1')) as wishes (name, wish) using (name) where source = 'default'`;
const CHANGING = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE']);

const { BOOL, INT8, NUMERIC } = pg.types.builtins;

/** bigint and numeric (what `sum` gives) as numbers, booleans as 0 and 1; all else as pg reads it. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8 || oid === NUMERIC) return Number;
    if (oid === BOOL) return (text: string) => (text === 't' ? 1 : 0);
    return pg.types.getTypeParser(oid, format ?? 'text');
  },
};

type Acquire = () => Promise<Link>;

/** Hands out links of `pool` whose sessions were prepared for lists when they were new. */
function acquireForLists(pool: pg.Pool): Acquire {
  const prepared = new WeakSet<pg.PoolClient>();
  return async () => {
    const client = await pool.connect();
    if (!prepared.has(client)) {
      try {
        // A pooler would hand the session with its settings to somebody else.
        if ((await serverOf(client)) !== null) await client.query(FOR_LISTS);
      } catch (error) {
        client.release(true);
        throw error;
      }
      prepared.add(client);
    }
    return { run: (sql, parameters) => send(client, sql, parameters), release: (broken) => client.release(broken) };
  };
}

async function send(client: pg.PoolClient, text: string, parameters: readonly Bound[], name?: string) {
  const values = [...parameters];
  const { rows, command, rowCount } = await client.query(
    name === undefined ? { text, values } : { name, text, values },
  );
  return { rows, changes: CHANGING.has(command) ? (rowCount ?? 0) : undefined };
}

/**
 * Hands out links of `pool` and calls `answered` after each statement, with the server that answered it. Statements that come often
 * have a name, but not inside a transaction, which would be lost with a plan that does not fit, and not through a pooler.
 */
function acquireKnown(pool: pg.Pool, answered: (server: string | null) => void): Acquire {
  const servers = new WeakMap<pg.PoolClient, string | null>();
  const names = new StatementNames();
  return async () => {
    const client = await pool.connect();
    let known = servers.get(client);
    if (known === undefined) {
      try {
        known = await serverOf(client);
      } catch (error) {
        client.release(true);
        throw error;
      }
      servers.set(client, known);
    }
    const server = known;
    let alone = server !== null;
    return {
      async run(sql, parameters) {
        if (sql === BEGIN) alone = false;
        const name = alone ? names.nameOf(sql) : undefined;
        try {
          return await send(client, sql, parameters, name);
        } catch (error) {
          if (name === undefined || !names.isStale(error)) throw error;
          return await send(client, sql, parameters);
        } finally {
          answered(server);
        }
      },
      release: (broken) => client.release(broken),
    };
  };
}

/** Throws a sentence that names the setting when the server does not answer or does not let us in. */
async function reach(pool: pg.Pool): Promise<void> {
  const client = await pool.connect().catch((cause: Error) => {
    throw new Error(`the database of KEYWARD_DATABASE_URL cannot be reached: ${cause.message}`, { cause });
  });
  client.release();
}

function handle(pool: pg.Pool, acquire: Acquire, begin: string | null, listTimeout: number): Queryable {
  const source = {
    acquire,
    begin,
    translate: (error: unknown) => translatePostgres(error, listTimeout),
    close: () => pool.end(),
  };
  return new Kysely<Schema>({
    dialect: {
      createDriver: () => new LinkDriver(source),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
    },
  });
}

/** Opens the PostgreSQL database (15 or newer) of `options.url`. */
export async function openPostgres(options: EngineOptions): Promise<Database> {
  const common: pg.PoolConfig = {
    connectionString: options.url,
    types,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    application_name: 'keyward',
  };
  const pool = new pg.Pool({
    ...common,
    max: options.poolSize,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT,
  });
  const listPool = new pg.Pool({
    ...common,
    max: Math.max(1, Math.ceil(options.poolSize / 2)),
    statement_timeout: options.listTimeout,
  });
  // An idle connection that the server closes is no accident: the pool makes a new one.
  for (const each of [pool, listPool]) each.on('error', () => {});

  const watch = new SnapshotWatch({ ...common, application_name: 'keyward snapshots' });
  const known = acquireKnown(pool, (server) => watch.answeredBy(server));
  const main = handle(pool, known, BEGIN, options.listTimeout);
  giveMemory(main, new SnapshotMemory(watch));
  const list = handle(listPool, acquireForLists(listPool), null, options.listTimeout);
  const transactions = new Transactions(main);
  try {
    await reach(pool);
    await migrate((work) => transactions.run(work), 'postgres', options.migrations, options.clock);
  } catch (error) {
    await Promise.all([pool.end(), listPool.end()]);
    throw error;
  }
  let closing: Promise<void> | null = null;
  const closeAll = async (): Promise<void> => {
    await transactions.close();
    await Promise.all([pool.end(), listPool.end(), watch.close()]);
  };
  return {
    engine: 'postgres',
    read: main,
    list,
    tx: (work) => transactions.run(work),
    close: () => (closing ??= closeAll()),
  };
}

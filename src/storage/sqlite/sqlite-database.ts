// Puts SQLite's three handles together: a read-only connection on the main thread for point queries, the writer thread
// for transactions, the list process for everything that may take long.
import { closeSync, openSync } from 'node:fs';
import { Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { Database, Queryable } from '../database.ts';
import { LinkDriver, type LinkSource } from '../link-driver.ts';
import { giveMemory, Memory } from '../memory.ts';
import { migrate } from '../migrate.ts';
import type { EngineOptions } from '../open-options.ts';
import type { Schema } from '../schema.ts';
import { Transactions } from '../transactions.ts';
import { SqliteConnection } from './connection.ts';
import { SqliteListReader } from './list-reader.ts';
import { translateSqlite } from './translate.ts';
import { SqliteWriter } from './writer.ts';

/** Kysely would put a queue of its own in front of SQLite; ours know better who may wait for whom, and for how long. */
class ConcurrentSqliteAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true;
  }
}

function handle(source: Omit<LinkSource, 'translate'>): Queryable {
  return new Kysely<Schema>({
    dialect: {
      createDriver: () => new LinkDriver({ ...source, translate: translateSqlite }),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createAdapter: () => new ConcurrentSqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
  });
}

/** Opens the SQLite file at `path`. A new one gets mode 0600, and its journal files take after it. */
export async function openSqlite(path: string, options: EngineOptions): Promise<Database> {
  closeSync(openSync(path, 'a', 0o600));
  const writer = new SqliteWriter(path);
  const write = handle({ acquire: () => writer.acquire(), begin: 'begin immediate', close: () => writer.close() });
  let memory: Memory | null = null;
  const transactions = new Transactions(write, () => memory?.committed());
  try {
    await migrate((work) => transactions.run(work), 'sqlite', options.migrations, options.clock);
  } catch (error) {
    await writer.close();
    throw error;
  }

  const reader = new SqliteConnection(path, 'read');
  const link = { run: reader.run.bind(reader), release: () => {} };
  const read = handle({ acquire: async () => link, begin: null, close: async () => reader.close() });
  memory = new Memory(() => reader.dataVersion());
  giveMemory(read, memory);
  const lists = new SqliteListReader(path, options.listTimeout);
  const list = handle({ acquire: () => lists.acquire(), begin: null, close: () => lists.close() });
  let closing: Promise<void> | null = null;
  const closeAll = async (): Promise<void> => {
    await transactions.close();
    await lists.close();
    reader.close();
    // The writer goes last: the last connection to a file folds its write-ahead log into it.
    await writer.close();
  };
  return {
    engine: 'sqlite',
    read,
    list,
    tx: (work) => transactions.run(work),
    close: () => (closing ??= closeAll()),
  };
}

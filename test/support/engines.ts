// Runs one suite on both engines: SQLite in a temporary folder, PostgreSQL from KEYWARD_TEST_DATABASE_URL or, when that
// is unset, from a server started on demand for this file alone. Every open() is a database of its own.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';
import pg from 'pg';
import { systemClock } from '../../src/kernel/clock.ts';
import { randomHex } from '../../src/kernel/random.ts';
import type { Database } from '../../src/storage/database.ts';
import { type OpenDatabaseOptions, openDatabase } from '../../src/storage/open-database.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';

export interface Engine {
  readonly name: 'sqlite' | 'postgres';
  /** A fresh, migrated database. Closing it throws it away; what a test leaves open is closed when the suite ends. */
  open(options?: Partial<OpenDatabaseOptions>): Promise<Database>;
  /** The URL of an empty database without any table, for what opens it by itself; thrown away when the suite ends. */
  emptyUrl(): Promise<string>;
}

type Cleanup = () => Promise<void>;

/** Describes `suite` twice, as `<name> (sqlite)` and `<name> (postgres)`. */
export function forEachEngine(name: string, suite: (engine: Engine) => void): void {
  for (const make of [sqliteEngine, postgresEngine]) {
    const cleanups: Cleanup[] = [];
    const engine = make(cleanups);
    describe(`${name} (${engine.name})`, () => {
      suite(engine);
      after(async () => {
        for (const cleanup of cleanups.reverse()) await cleanup();
      });
    });
  }
}

function opener(cleanups: Cleanup[], fresh: () => Promise<{ url: string; drop: Cleanup }>): Engine['open'] {
  return async (options = {}) => {
    const { url, drop } = await fresh();
    const database = await openDatabase({ clock: systemClock, ...options, url });
    let closing: Promise<void> | null = null;
    const close = (): Promise<void> => (closing ??= database.close().then(drop));
    cleanups.push(close);
    return { ...database, close };
  };
}

function sqliteEngine(cleanups: Cleanup[]): Engine {
  const fresh = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyward-db-'));
    return { url: `sqlite:${join(folder, 'keyward.db')}`, drop: () => rm(folder, { recursive: true, force: true }) };
  };
  return {
    name: 'sqlite',
    open: opener(cleanups, fresh),
    async emptyUrl() {
      const { url, drop } = await fresh();
      cleanups.push(drop);
      return url;
    },
  };
}

function postgresEngine(cleanups: Cleanup[]): Engine {
  return {
    name: 'postgres',
    open: opener(cleanups, async () => freshDatabase(await templateName())),
    async emptyUrl() {
      const { url, drop } = await freshDatabase('template0');
      cleanups.push(drop);
      return url;
    },
  };
}

let ownServer: Promise<PostgresServer> | undefined;

async function serverUrl(): Promise<string> {
  const given = process.env['KEYWARD_TEST_DATABASE_URL'];
  if (given) return given;
  if (ownServer === undefined) ownServer = startPostgres();
  return (await ownServer).url;
}

after(async () => {
  await (await ownServer)?.stop();
});

async function asAdmin<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: await serverUrl() });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function urlOf(database: string): Promise<string> {
  const url = new URL(await serverUrl());
  url.pathname = `/${database}`;
  return url.href;
}

async function freshDatabase(template: string): Promise<{ url: string; drop: Cleanup }> {
  const name = `keyward_test_${randomHex(8)}`;
  await asAdmin((client) => client.query(`create database ${name} template ${template}`));
  const drop = async (): Promise<void> => {
    await asAdmin((client) => client.query(`drop database if exists ${name} with (force)`));
  };
  return { url: await urlOf(name), drop };
}

let template: Promise<string> | undefined;

/** A migrated database to copy, made once per server: test files that start together wait for the first of them. */
function templateName(): Promise<string> {
  if (template === undefined) template = makeTemplate();
  return template;
}

async function makeTemplate(): Promise<string> {
  const folder = new URL('../../src/storage/migrations/', import.meta.url);
  const hash = createHash('sha256');
  for (const file of readdirSync(folder).sort()) hash.update(readFileSync(new URL(file, folder)));
  const name = `keyward_template_${hash.digest('hex').slice(0, 16)}`;
  await asAdmin(async (client) => {
    await client.query('select pg_advisory_lock(4711)');
    const found = await client.query('select 1 from pg_database where datname = $1', [name]);
    if (found.rowCount !== 0) return;
    // Made under another name first, so that nobody ever copies half a schema.
    const draft = `keyward_draft_${randomHex(8)}`;
    await client.query(`create database ${draft} template template0`);
    await (await openDatabase({ url: await urlOf(draft), clock: systemClock })).close();
    await client.query(`alter database ${draft} rename to ${name}`);
  });
  return name;
}

/** A migrated PostgreSQL database of its own, for what is no suite over both engines. `drop` throws it away. */
export async function postgresDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  return freshDatabase(await templateName());
}

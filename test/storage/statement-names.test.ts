// Named statements on PostgreSQL: their plans are kept by the server, and must not outlive what they were made for.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { sql } from 'kysely';
import pg from 'pg';
import { systemClock } from '../../src/kernel/clock.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { StatementNames } from '../../src/storage/postgres/statement-names.ts';
import { postgresDatabase } from '../support/engines.ts';

describe('named statements', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  it('are given to what comes often, by the session that sends it', async () => {
    const { db } = await open(1);
    const read = () => db.read.selectFrom('settings').selectAll().where('name', '=', 'a').execute();
    for (let i = 0; i < 10; i++) await read();
    for (let i = 0; i < 10; i++) await db.tx((tx) => tx.selectFrom('holds').selectAll().execute());
    // The only session of the pool tells what it holds.
    const held = await sql<{ statement: string }>`select statement from pg_prepared_statements`.execute(db.read);
    assert.deepEqual(
      held.rows.map(({ statement }) => statement),
      ['select * from "settings" where "name" = $1'],
    );
  });

  it('are sent anew when a migration of a newer node changed the table', async () => {
    const { db, program } = await open(3);
    const read = () => db.read.selectFrom('settings').selectAll().where('name', '=', 'a').execute();
    await program.query("insert into settings (name, value, updated_at) values ('a', '1', 1)");
    for (let i = 0; i < 10; i++) await Promise.all([read(), read(), read()]);
    await program.query('alter table settings add column novelty text');
    for (let i = 0; i < 10; i++)
      for (const rows of await Promise.all([read(), read(), read()]))
        assert.deepEqual(rows, [{ name: 'a', value: '1', updated_at: 1, novelty: null }]);
  });

  it('that a session has forgotten are sent anew', async () => {
    const { db } = await open(1);
    const read = () => db.read.selectFrom('settings').selectAll().execute();
    for (let i = 0; i < 10; i++) await read();
    await sql`deallocate all`.execute(db.read);
    assert.deepEqual(await read(), []);
  });

  it('are few, however many texts there are', () => {
    const names = new StatementNames();
    const given = new Set<string>();
    for (let text = 0; text < 1000; text++)
      for (let i = 0; i < 6; i++) {
        const name = names.nameOf(`select ${text}`);
        if (name !== undefined) given.add(name);
      }
    assert.equal(given.size, 200);
  });

  async function open(poolSize: number) {
    const { url, drop } = await postgresDatabase();
    cleanups.push(drop);
    const db = await openDatabase({ url, clock: systemClock, poolSize });
    cleanups.push(() => db.close());
    const program = new pg.Client({ connectionString: url });
    await program.connect();
    cleanups.push(() => program.end());
    return { db, program };
  }
});

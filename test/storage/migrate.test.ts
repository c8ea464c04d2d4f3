// A database comes to the schema that this program knows exactly once, whoever starts first, and never goes back.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { ManualClock, systemClock } from '../../src/kernel/clock.ts';
import { SchemaTooNew } from '../../src/storage/database.ts';
import { migrations } from '../../src/storage/migrations/index.ts';
import type { Migration } from '../../src/storage/migrations/migration.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { forEachEngine } from '../support/engines.ts';

const OPENER = fileURLToPath(new URL('./open.ts', import.meta.url));

async function openElsewhere(url: string): Promise<string> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', OPENER, url]);
  let errors = '';
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  return `${code}${errors}`;
}

const extra = (id: number, up: Migration['up']): Migration => ({ id, name: `extra-${id}`, up });

forEachEngine('migrations', (engine) => {
  it('are applied once when several processes start together on an empty database', async () => {
    const url = await engine.emptyUrl();
    const ends = await Promise.all([openElsewhere(url), openElsewhere(url), openElsewhere(url)]);
    assert.deepEqual(ends, ['0', '0', '0']);
    const db = await openDatabase({ url, clock: systemClock });
    const applied = await db.read.selectFrom('schema_migrations').select(['id', 'name']).orderBy('id').execute();
    assert.deepEqual(
      applied,
      migrations.map(({ id, name }) => ({ id, name })),
    );
    await db.close();
  });

  it('say when they were applied, and only what is missing runs', async () => {
    const url = await engine.emptyUrl();
    const clock = new ManualClock(1000);
    await (await openDatabase({ url, clock })).close();
    clock.set(2000);
    const more = extra(9001, (q) => sql`create table extra (id bigint)`.execute(q).then(() => {}));
    const db = await openDatabase({ url, clock, migrations: [...migrations, more] });
    const times = await db.read.selectFrom('schema_migrations').select('applied_at').orderBy('id').execute();
    assert.deepEqual(
      times.map((row) => row.applied_at),
      [...migrations.map(() => 1000), 2000],
    );
    await db.close();
  });

  it('that fail leave nothing of themselves behind', async () => {
    const url = await engine.emptyUrl();
    const broken = extra(9001, async (q) => {
      await sql`create table half (id bigint)`.execute(q);
      throw new Error('the disk is full');
    });
    const opening = openDatabase({ url, clock: systemClock, migrations: [...migrations, broken] });
    await assert.rejects(opening, /the disk is full/);
    const db = await openDatabase({ url, clock: systemClock });
    await assert.rejects(() => sql`select * from half`.execute(db.read));
    assert.equal((await db.read.selectFrom('schema_migrations').select('id').execute()).length, migrations.length);
    await db.close();
  });

  it('of a newer version are refused in a sentence that says what to do', async () => {
    const url = await engine.emptyUrl();
    const newer = extra(9001, async () => {});
    await (await openDatabase({ url, clock: systemClock, migrations: [...migrations, newer] })).close();
    await assert.rejects(
      () => openDatabase({ url, clock: systemClock }),
      (error) => error instanceof SchemaTooNew && /has schema 9001.*newer version/.test(error.message),
    );
  });

  if (engine.name === 'sqlite')
    it('leave a file that only its owner may read', async () => {
      const url = await engine.emptyUrl();
      const db = await openDatabase({ url, clock: systemClock });
      const path = url.slice('sqlite:'.length);
      for (const suffix of ['', '-wal', '-shm']) assert.equal(statSync(path + suffix).mode & 0o777, 0o600, suffix);
      await db.close();
    });
});

it('A URL of another kind is refused without repeating it', async () => {
  const opening = openDatabase({ url: 'mysql://root:secret@host/db', clock: systemClock });
  await assert.rejects(opening, (error: Error) => !error.message.includes('secret'));
});

it('A PostgreSQL that cannot be reached is told by the name of its setting, without the password', async () => {
  const opening = openDatabase({ url: 'postgres://u:secret@127.0.0.1:1/db', clock: systemClock });
  await assert.rejects(opening, (error: Error) => {
    assert.match(error.message, /^the database of KEYWARD_DATABASE_URL cannot be reached: .*ECONNREFUSED/);
    return !error.message.includes('secret');
  });
});

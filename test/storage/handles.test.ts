// What the three handles promise beside the answers: order, deadlines, and nothing written where only reading is meant.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { it } from 'node:test';
import { type RawBuilder, sql } from 'kysely';
import { systemClock } from '../../src/kernel/clock.ts';
import { type Database, ListTimeout, type Queryable } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { forEachEngine } from '../support/engines.ts';

const TIMEOUT = 400;
/** Counts for far longer than any deadline here. */
const endless: RawBuilder<unknown> = sql`with recursive c(x) as (select 1 union all select x + 1 from c where x < 2000000000)
  select count(*) from c`;

function put(q: Queryable, name: string) {
  return q.insertInto('settings').values({ name, value: '1', updated_at: 1 }).execute();
}

function count(db: Database) {
  return db.list
    .selectFrom('settings')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow();
}

forEachEngine('the handles', (engine) => {
  it('stop a list that takes too long and answer the next one', async () => {
    const db = await engine.open({ listTimeout: TIMEOUT });
    await count(db);
    const before = performance.now();
    await assert.rejects(() => endless.execute(db.list), ListTimeout);
    const took = performance.now() - before;
    assert(took >= TIMEOUT * 0.9 && took < TIMEOUT * 10, `${took} ms`);
    assert.deepEqual(await count(db), { count: 0 });
    await db.close();
  });

  it('keep point queries and transactions going beside a slow list', async () => {
    const db = await engine.open({ listTimeout: 3000 });
    const slow = assert.rejects(() => endless.execute(db.list), ListTimeout);
    await db.tx((tx) => put(tx, 'a'));
    assert.equal((await db.read.selectFrom('settings').select('name').execute()).length, 1);
    await slow;
    await db.close();
  });

  it('answer many lists asked at once', async () => {
    const db = await engine.open();
    await db.tx((tx) => put(tx, 'a'));
    const answers = await Promise.all(Array.from({ length: 50 }, () => count(db)));
    assert.deepEqual(new Set(answers.map((row) => row.count)), new Set([1]));
    await db.close();
  });

  it('show every handle what was committed as soon as it was', async () => {
    const db = await engine.open();
    for (let i = 1; i <= 20; i++) {
      await db.tx((tx) => put(tx, `s${i}`));
      assert.deepEqual(await count(db), { count: i });
      assert.equal((await db.read.selectFrom('settings').select('name').execute()).length, i);
    }
    await db.close();
  });

  it('are closed together, as often as somebody asks', async () => {
    const db = await engine.open();
    await count(db);
    await Promise.all([db.close(), db.close()]);
    await assert.rejects(() => count(db));
    await assert.rejects(() => db.read.selectFrom('settings').selectAll().execute());
  });

  if (engine.name !== 'sqlite') return;

  it('let transactions through first in, first out', async () => {
    const db = await engine.open();
    const order: number[] = [];
    const turns = Array.from({ length: 10 }, (_, i) =>
      db.tx(async (tx) => {
        order.push(i);
        await put(tx, `s${i}`);
        order.push(i);
      }),
    );
    await Promise.all(turns);
    assert.deepEqual(order, Array.from({ length: 10 }, (_, i) => [i, i]).flat());
    await db.close();
  });

  it('refuse to write outside a transaction', async () => {
    const db = await engine.open();
    await assert.rejects(() => put(db.read, 'a'), /readonly/);
    await assert.rejects(() => put(db.list, 'a'), /readonly/);
    await assert.rejects(() => db.read.transaction().execute((tx) => put(tx, 'a')), /only reads/);
    await db.close();
  });

  it('answer each list behind a slow one by its own deadline', async () => {
    const db = await engine.open({ listTimeout: TIMEOUT });
    await count(db);
    const slow = assert.rejects(() => endless.execute(db.list), ListTimeout);
    const behind = assert.rejects(() => endless.execute(db.list), ListTimeout);
    const before = performance.now();
    await Promise.all([slow, behind]);
    assert(performance.now() - before < TIMEOUT * 1.9);
    await db.close();
  });

  it('write durably into a write-ahead log and fold it into the file at the end', async () => {
    const url = await engine.emptyUrl();
    const db = await openDatabase({ url, clock: systemClock });
    const mode = await db.tx((tx) => sql<{ journal_mode: string }>`pragma journal_mode`.execute(tx));
    const sync = await db.tx((tx) => sql<{ synchronous: number }>`pragma synchronous`.execute(tx));
    const keys = await db.tx((tx) => sql<{ foreign_keys: number }>`pragma foreign_keys`.execute(tx));
    const trust = await db.tx((tx) => sql<{ trusted_schema: number }>`pragma trusted_schema`.execute(tx));
    assert.deepEqual(
      [
        mode.rows[0]?.journal_mode,
        sync.rows[0]?.synchronous,
        keys.rows[0]?.foreign_keys,
        trust.rows[0]?.trusted_schema,
      ],
      ['wal', 2, 1, 0],
    );
    const path = url.slice('sqlite:'.length);
    assert(existsSync(`${path}-wal`));
    await db.close();
    assert(!existsSync(`${path}-wal`));
  });
});

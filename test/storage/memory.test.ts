// What is remembered of the database may never be older than the last commit, whoever made it.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Queryable } from '../../src/storage/database.ts';
import { Memory, remember } from '../../src/storage/memory.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { forEachEngine } from '../support/engines.ts';

function put(q: Queryable, value: string) {
  return q
    .insertInto('settings')
    .values({ name: 'a', value, updated_at: 1 })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

/** Asks by memory; counts in `asked` how often the database itself was. */
function reader(q: Queryable) {
  const asked = { times: 0 };
  const ask = async () => {
    asked.times += 1;
    return (await q.selectFrom('settings').select('value').where('name', '=', 'a').executeTakeFirst()) ?? null;
  };
  return { asked, ask, value: async () => (await remember(q, 'a', ask))?.value };
}

/** Asks until an answer came without the database: PostgreSQL needs a session first, and nobody waits for it. */
async function untilSpared(asked: { times: number }, value: () => Promise<unknown>): Promise<void> {
  const deadline = performance.now() + 10_000;
  for (let times = -1; times !== asked.times; await sleep(5)) {
    assert(performance.now() < deadline, 'the question is asked every time');
    times = asked.times;
    await value();
  }
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

forEachEngine('what is remembered', (engine) => {
  it('is what the last acknowledged commit left, in the same turn and in later ones', async () => {
    const db = await engine.open();
    const { value } = reader(db.read);
    for (let round = 1; round <= 200; round++) {
      await db.tx((tx) => put(tx, String(round)));
      assert.equal(await value(), String(round));
      if (round % 3 === 0) await nextTurn();
      assert.equal(await value(), String(round));
    }
  });

  it('is never older than an acknowledged commit while many read and write at once', async () => {
    const db = await engine.open();
    const { value } = reader(db.read);
    let acknowledged = 0;
    let writing = true;
    const write = async () => {
      for (let round = 1; round <= 150; round++) {
        await db.tx((tx) => put(tx, String(round)));
        acknowledged = round;
      }
      writing = false;
    };
    const read = async () => {
      while (writing) {
        const least = acknowledged;
        const seen = Number((await value()) ?? 0);
        assert(seen >= least, `${seen} was read after ${least} was acknowledged`);
        await nextTurn();
      }
    };
    await Promise.all([write(), ...Array.from({ length: 8 }, read)]);
  });

  it('inside a transaction is what the transaction itself did', async () => {
    const db = await engine.open();
    await db.tx((tx) => put(tx, 'before'));
    assert.equal(await reader(db.read).value(), 'before');
    await assert.rejects(
      db.tx(async (tx) => {
        await put(tx, 'inside');
        assert.equal(await reader(tx).value(), 'inside');
        throw new Error('no');
      }),
      /no/,
    );
    assert.equal(await reader(db.read).value(), 'before');
  });

  it('spares the question, and keeps nothing of what is missing', async () => {
    const db = await engine.open();
    const { asked, value } = reader(db.read);
    for (let i = 0; i < 3; i++) assert.equal(await value(), undefined);
    assert.equal(asked.times, 3);
    await db.tx((tx) => put(tx, 'x'));
    await untilSpared(asked, value);
    const { times } = asked;
    for (let i = 0; i < 10; i++) {
      assert.equal(await value(), 'x');
      await nextTurn();
    }
    assert.equal(asked.times, times);
  });
});

describe('the memory of SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-memory-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const open = () => openDatabase({ url: `sqlite:${join(folder, 'keyward.db')}`, clock: systemClock });

  it('sees a commit of another process, one turn later at the latest', async () => {
    const [one, other] = [await open(), await open()];
    const { value } = reader(one.read);
    for (let round = 1; round <= 50; round++) {
      await other.tx((tx) => put(tx, String(round)));
      await nextTurn();
      assert.equal(await value(), String(round));
    }
    await Promise.all([one.close(), other.close()]);
  });

  it('gives out what nobody can change for the others', async () => {
    const db = await open();
    await db.tx((tx) => put(tx, 'x'));
    const row = await remember(db.read, 'a', async () => ({ values: ['x'] }));
    assert.throws(() => row.values.push('y'), TypeError);
    await db.close();
  });
});

describe('a memory', () => {
  it('looks at the version once a turn, and again in the same turn after a commit of its own process', async () => {
    let [version, looks] = [1, 0];
    const memory = new Memory(() => {
      looks += 1;
      return version;
    });
    const value = () => memory.recall('a', async () => `at ${version}`);
    for (let i = 0; i < 3; i++) assert.equal(await value(), 'at 1');
    assert.equal(looks, 1);
    version = 2;
    memory.committed();
    assert.equal(await value(), 'at 2');
    assert.equal(looks, 2);
    version = 3;
    await nextTurn();
    assert.equal(await value(), 'at 3');
  });

  it('answers nobody from what it knew when the version cannot be read', async () => {
    let version = 1;
    let fails = false;
    const memory = new Memory(() => {
      if (fails) throw new Error('the disk is gone');
      return version;
    });
    const value = async () => memory.recall('a', async () => `at ${version}`);
    assert.equal(await value(), 'at 1');
    version = 2;
    memory.committed();
    fails = true;
    // All in one turn: the second question must not lean on the look that failed.
    await assert.rejects(value(), /the disk is gone/);
    await assert.rejects(value(), /the disk is gone/);
    fails = false;
    assert.equal(await value(), 'at 2');
  });

  it('does not keep an answer that a commit overtook', async () => {
    let version = 1;
    const memory = new Memory(() => version);
    const slow = memory.recall('a', async () => {
      await nextTurn();
      return 'old';
    });
    version = 2;
    memory.committed();
    assert.equal(await memory.recall('b', async () => 'b'), 'b');
    assert.equal(await slow, 'old');
    assert.equal(await memory.recall('a', async () => 'new'), 'new');
  });
});

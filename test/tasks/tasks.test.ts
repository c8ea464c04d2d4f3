// Work that must happen after a commit happens at least once, on one node at a time, and again when it fails.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HOUR, ManualClock, MINUTE, SECOND } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { enqueue } from '../../src/tasks/enqueue.ts';
import { createTaskRunner, type TaskHandler, type TaskRunnerOptions } from '../../src/tasks/runner.ts';
import { errorText, waitAfter } from '../../src/tasks/task-errors.ts';
import { claimTasks } from '../../src/tasks/task-store.ts';
import { type Engine, forEachEngine } from '../support/engines.ts';

const START = Date.UTC(2026, 0, 1);
const silent = { warn() {}, error() {} };

async function setUp(engine: Engine) {
  const db = await engine.open();
  const clock = new ManualClock(START);
  const runner = (handlers: Record<string, TaskHandler>, more: Partial<TaskRunnerOptions> = {}) =>
    createTaskRunner({ db, clock, handlers, log: silent, ...more });
  const add = (kind: string, payload: unknown = null, more: { runAt?: number; uniqueKey?: string } = {}) =>
    db.tx((tx) => enqueue(tx, { kind, payload, now: clock.now(), ...more }));
  return { db, clock, runner, add };
}

function rows(db: Database) {
  return db.read.selectFrom('tasks').selectAll().orderBy('id').execute();
}

async function until(condition: () => boolean): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    assert(waited < 10_000, 'it never came');
    await sleep(10);
  }
}

forEachEngine('tasks', (engine) => {
  it('run once with their payload and are gone', async () => {
    const { db, runner, add } = await setUp(engine);
    const seen: unknown[] = [];
    await add('greet', { to: 'world' });
    const { runDue } = runner({ greet: async (payload) => void seen.push(payload) });
    assert.equal(await runDue(), 1);
    assert.equal(await runDue(), 0);
    assert.deepEqual(seen, [{ to: 'world' }]);
    assert.deepEqual(await rows(db), []);
    await db.close();
  });

  it('of a transaction that is rolled back never were', async () => {
    const { db, clock } = await setUp(engine);
    const failing = db.tx(async (tx) => {
      await enqueue(tx, { kind: 'greet', payload: null, now: clock.now() });
      throw new Error('no');
    });
    await assert.rejects(failing);
    assert.deepEqual(await rows(db), []);
    await db.close();
  });

  it('wait for their time', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    await add('later', null, { runAt: START + MINUTE });
    const { runDue } = runner({ later: async () => {} });
    assert.equal(await runDue(), 0);
    clock.advance(MINUTE);
    assert.equal(await runDue(), 1);
    await db.close();
  });

  it('of an unknown kind are left for a node that knows it', async () => {
    const { db, runner, add } = await setUp(engine);
    await add('newer');
    assert.equal(await runner({ older: async () => {} }).runDue(), 0);
    assert.equal((await rows(db))[0]?.attempts, 0);
    await db.close();
  });

  it('wait once per unique key, at the earlier time and with the newer payload', async () => {
    const { db, runner, add } = await setUp(engine);
    const first = await add('sweep', 1, { uniqueKey: 'sweep:7', runAt: START + HOUR });
    const second = await add('sweep', 2, { uniqueKey: 'sweep:7' });
    await add('sweep', 3, { uniqueKey: 'sweep:7', runAt: START + HOUR });
    assert.equal(first, second);
    const seen: unknown[] = [];
    assert.equal(await runner({ sweep: async (payload) => void seen.push(payload) }).runDue(), 1);
    assert.deepEqual(seen, [3]);
    await db.close();
  });

  it('asked for again while they run are run once more', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    let runs = 0;
    await add('sweep', null, { uniqueKey: 'sweep' });
    const { runDue } = runner({
      sweep: async () => {
        if (++runs === 1) await add('sweep', null, { uniqueKey: 'sweep' });
      },
    });
    await runDue();
    clock.advance(1);
    await runDue();
    assert.equal(runs, 2);
    assert.deepEqual(await rows(db), []);
    await db.close();
  });

  it('that fail are tried again, each time later, and remember why', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    const attempts: number[] = [];
    await add('flaky');
    const { runDue } = runner({
      flaky: async (_, { attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error('refused glpat-abcdefghij');
      },
    });
    await runDue();
    const [row] = await rows(db);
    assert.equal(row?.run_at, START + 5 * SECOND);
    assert.equal(row?.last_error, 'Error: refused [secret]');
    assert.equal(row?.claim, null);
    assert.equal(await runDue(), 0);
    clock.advance(5 * SECOND);
    assert.equal(await runDue(), 1);
    assert.equal((await rows(db))[0]?.run_at, clock.now() + 10 * SECOND);
    clock.advance(10 * SECOND);
    await runDue();
    assert.deepEqual(attempts, [1, 2, 3]);
    assert.deepEqual(await rows(db), []);
    await db.close();
  });

  it('go to one claimer only, however many race', async () => {
    const { db, add } = await setUp(engine);
    for (let i = 0; i < 20; i++) await add('race', i);
    const claim = (word: string) =>
      db.tx((tx) =>
        claimTasks(tx, db.engine, { kinds: ['race'], now: START, until: START + MINUTE, claim: word, limit: 5 }),
      );
    const claimed = (await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(claim))).flat();
    const rest = await claim('g');
    const ids = [...claimed, ...rest].map((task) => task.id);
    assert.equal(new Set(ids).size, ids.length);
    assert.equal((await rows(db)).filter((row) => row.claim !== null).length, ids.length);
    await db.close();
  });

  it('of a claimer that died run again when its lease is over', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    await add('survive');
    const options = { kinds: ['survive'], now: START, until: START + 5 * MINUTE, claim: 'dead', limit: 1 };
    await db.tx((tx) => claimTasks(tx, db.engine, options));
    const seen: number[] = [];
    const { runDue } = runner({ survive: async (_, { attempt }) => void seen.push(attempt) });
    clock.advance(5 * MINUTE - 1);
    assert.equal(await runDue(), 0);
    clock.advance(1);
    assert.equal(await runDue(), 1);
    assert.deepEqual(seen, [2]);
    await db.close();
  });

  it('keep their effect and their end together', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    await add('effect');
    let crash = true;
    const { runDue } = runner({
      effect: async (_, { complete }) => {
        await db.tx(async (tx) => {
          await complete(tx);
          await tx.insertInto('settings').values({ name: 'done', value: '1', updated_at: 1 }).execute();
          if (crash) throw new Error('power cut');
        });
      },
    });
    const done = () => db.read.selectFrom('settings').select('name').where('name', '=', 'done').execute();
    await runDue();
    assert.deepEqual([(await done()).length, (await rows(db)).length], [0, 1]);
    crash = false;
    clock.advance(MINUTE);
    await runDue();
    assert.deepEqual([(await done()).length, (await rows(db)).length], [1, 0]);
    await db.close();
  });

  it('cannot be ended, nor their effect kept, by one whose claim was taken over', async () => {
    const { db, clock, runner, add } = await setUp(engine);
    await add('slow');
    let takenOver = false;
    const { runDue } = runner({
      slow: async (_, { complete }) => {
        const options = { kinds: ['slow'], now: clock.now() + HOUR, until: START + 2 * HOUR, claim: 'thief', limit: 1 };
        takenOver = (await db.tx((tx) => claimTasks(tx, db.engine, options))).length === 1;
        await db.tx(async (tx) => {
          await tx.insertInto('settings').values({ name: 'done', value: '1', updated_at: 1 }).execute();
          await complete(tx);
        });
      },
    });
    await runDue();
    assert.equal(takenOver, true);
    assert.deepEqual(await db.read.selectFrom('settings').selectAll().execute(), []);
    assert.equal((await rows(db))[0]?.claim, 'thief');
    await db.close();
  });

  it('that recur are there once for all nodes and wait for their interval after each end', async () => {
    const { db, clock, runner } = await setUp(engine);
    let runs = 0;
    const make = () => runner({ tick: async () => void runs++ }, { every: { tick: HOUR } });
    const [one, two] = [make(), make()];
    await Promise.all([one.start(), two.start()]);
    await until(() => runs === 1);
    await Promise.all([one.stop(), two.stop()]);
    const [row, ...others] = await rows(db);
    assert.deepEqual([row?.run_at, row?.claim, others], [START + HOUR, null, []]);
    assert.equal(await make().runDue(), 0);
    clock.advance(HOUR);
    assert.equal(await make().runDue(), 1);
    await db.close();
  });

  it('are begun right after the commit that added them', async () => {
    const { db, runner, add } = await setUp(engine);
    let runs = 0;
    const started = runner({ now: async () => void runs++ }, { poll: HOUR });
    await started.start();
    await add('now');
    await until(() => runs === 1);
    await started.stop();
    await db.close();
  });

  it('under way are waited for by a stop, which tells them', async () => {
    const { db, runner, add } = await setUp(engine);
    let state = 'idle';
    const started = runner({
      long: async (_, { signal }) => {
        state = 'running';
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => setTimeout(resolve, 50)));
        state = 'ended';
      },
    });
    await add('long');
    await started.start();
    await until(() => state === 'running');
    await started.stop();
    assert.equal(state, 'ended');
    assert.deepEqual(await rows(db), []);
    await db.close();
  });
});

it('The wait after a failure doubles from five seconds to an hour', () => {
  assert.deepEqual([1, 2, 3, 10, 11, 500].map(waitAfter), [5_000, 10_000, 20_000, 2_560_000, HOUR, HOUR]);
});

it('A remembered error shows no token, no password in a URL and no header', () => {
  assert.equal(
    errorText(new Error('GET https://u:pw@host/x glrt-t1_abc.def')),
    'Error: GET https://u:[secret]@host/x [secret]',
  );
  assert.equal(errorText('Authorization: Bearer abc.def=='), 'Authorization: Bearer [secret]');
  assert.equal(errorText(new Error('x'.repeat(900))).length, 500);
});

// What is remembered of PostgreSQL, which other nodes and other programs write to as well: never older than a commit that somebody
// was told of, and nothing at all where snapshots cannot be believed.
import assert from 'node:assert/strict';
import { connect, createServer, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { remember } from '../../src/storage/memory.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { SnapshotWatch, serverOf } from '../../src/storage/postgres/snapshot-watch.ts';
import { postgresDatabase } from '../support/engines.ts';

const UPSERT = `insert into settings (name, value, updated_at) values ('a', $1, 1)
  on conflict (name) do update set value = excluded.value`;

function reader(db: Database) {
  const asked = { times: 0 };
  const ask = async () => {
    asked.times += 1;
    return db.read.selectFrom('settings').select('value').where('name', '=', 'a').executeTakeFirstOrThrow();
  };
  return { asked, value: async () => (await remember(db.read, 'a', ask)).value };
}

type Reader = ReturnType<typeof reader>;

async function isSpared({ asked, value }: Reader): Promise<boolean> {
  const { times } = asked;
  await value();
  return times === asked.times;
}

async function untilSpared(one: Reader): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await isSpared(one))) {
    assert(performance.now() < deadline, 'the question is asked every time');
    await sleep(5);
  }
}

describe('what is remembered of PostgreSQL', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  const open = async (url: string): Promise<Database> => {
    const db = await openDatabase({ url, clock: systemClock });
    cleanups.push(() => db.close());
    return db;
  };
  const raw = async (url: string): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    cleanups.push(() => client.end());
    return client;
  };
  const fresh = async (): Promise<string> => {
    const { url, drop } = await postgresDatabase();
    cleanups.push(drop);
    return url;
  };

  it('is what any other session committed last, of whatever program, savepoints included', async () => {
    const url = await fresh();
    const [one, other, program] = [await open(url), await open(url), await raw(url)];
    await program.query(UPSERT, ['0']);
    const here = reader(one);
    await untilSpared(here);
    for (let round = 1; round <= 120; round++) {
      const value = String(round);
      if (round % 3 === 0)
        await other.tx((tx) => tx.updateTable('settings').set({ value }).where('name', '=', 'a').execute());
      else if (round % 3 === 1) await program.query(UPSERT, [value]);
      else {
        await program.query('begin');
        await program.query('savepoint inner_step');
        await program.query(UPSERT, [value]);
        await program.query('release savepoint inner_step');
        assert.equal(await here.value(), String(round - 1));
        await program.query('commit');
      }
      assert.equal(await here.value(), value);
      if (round % 10 === 0) assert.equal(await here.value(), value);
    }
  });

  it('is never older than what was acknowledged before the question while two programs write and many read', async () => {
    const url = await fresh();
    const [db, ...writers] = [await open(url), await raw(url), await raw(url)];
    await writers[0]!.query(UPSERT, ['0']);
    const here = reader(db);
    await untilSpared(here);
    let [acknowledged, writing, answers] = [0, 2, 0];
    const write = async (client: pg.Client, index: number) => {
      for (let round = 0; round < 150; round++) {
        // One after the other, by a lock: what is acknowledged later is larger.
        await client.query('begin');
        await client.query("select 1 from settings where name = 'a' for update");
        const { rows } = await client.query("select value::int + 1 as next from settings where name = 'a'");
        await client.query(UPSERT, [String(rows[0].next)]);
        await client.query('commit');
        acknowledged = Math.max(acknowledged, rows[0].next);
        if (round % 7 === index) await sleep(2);
      }
      writing -= 1;
    };
    const read = async () => {
      while (writing > 0) {
        const least = acknowledged;
        const seen = Number(await here.value());
        answers += 1;
        assert(seen >= least, `${seen} was read after ${least} was acknowledged`);
      }
    };
    await Promise.all([...writers.map(write), ...Array.from({ length: 8 }, read)]);
    assert.equal(await here.value(), '300');
    assert(here.asked.times < answers, 'memory answered nobody');
  });

  it('does not keep an answer that a commit overtook', async () => {
    const url = await fresh();
    const [db, program] = [await open(url), await raw(url)];
    await program.query(UPSERT, ['1']);
    const here = reader(db);
    await untilSpared(here);
    let goOn: () => void = () => {};
    const gate = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const slow = async () => {
      const answer = await db.read.selectFrom('settings').select('value').where('name', '=', 'a').executeTakeFirst();
      await gate;
      return answer ?? null;
    };
    const overtaken = remember(db.read, 'slow', slow);
    await sleep(50);
    await program.query(UPSERT, ['2']);
    assert.equal(await here.value(), '2');
    goOn();
    assert.equal((await overtaken)?.value, '1');
    assert.equal((await remember(db.read, 'slow', slow))?.value, '2');
  });

  it('is confirmed by no snapshot that was taken before the question, even if its answer comes after it', async () => {
    const url = await fresh();
    const program = await raw(url);
    const slow = await between(url);
    cleanups.push(() => slow.close());
    const watch = new SnapshotWatch({ connectionString: slow.url });
    cleanups.push(() => watch.close());
    const before = await firstOf(watch);
    slow.hold();
    const early = watch.read();
    await sleep(100);
    await program.query(UPSERT, ['1']);
    const late = [watch.read(), watch.read()];
    slow.release();
    assert.equal(await early, before);
    for (const text of await Promise.all(late)) assert.notEqual(text, before);
  });

  it('is given up with the session that watches, and comes back', async () => {
    const url = await fresh();
    const [db, program] = [await open(url), await raw(url)];
    await program.query(UPSERT, ['1']);
    const here = reader(db);
    await untilSpared(here);
    const { rows } = await program.query(
      `select pg_terminate_backend(pid, 5000) from pg_stat_activity
       where application_name = 'keyward snapshots' and datname = current_database()`,
    );
    assert.equal(rows.length, 1);
    await program.query(UPSERT, ['2']);
    assert.equal(await here.value(), '2');
    await untilSpared(here);
    assert.equal(await here.value(), '2');
  });

  it('is nothing behind a pooler, where a session is none', async () => {
    const url = await fresh();
    const program = await raw(url);
    await program.query(UPSERT, ['1']);
    const pooler = await between(url, 1_234_567_890);
    cleanups.push(() => pooler.close());
    const here = reader(await open(pooler.url));
    for (let i = 0; i < 20; i++) {
      assert.equal(await isSpared(here), false);
      await sleep(5);
    }
  });

  it('is given up when another server answered', async () => {
    const url = await fresh();
    const program = await raw(url);
    const watch = new SnapshotWatch({ connectionString: url });
    cleanups.push(() => watch.close());
    const before = await firstOf(watch);
    const server = await serverOf(program);
    assert.notEqual(server, null);
    watch.answeredBy(server);
    assert.equal(await watch.read(), before);
    watch.answeredBy('another one');
    assert.equal(await watch.read(), null);
    assert.notEqual(await firstOf(watch), before);
  });
});

/** The first snapshot that is known. */
async function firstOf(watch: SnapshotWatch): Promise<string> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const text = await watch.read();
    if (text !== null) return text;
    assert(performance.now() < deadline, 'no session comes up');
    await sleep(5);
  }
}

/** Stands between client and server; with `processId` it tells clients one of its own making, as poolers do. */
async function between(url: string, processId?: number) {
  const target = new URL(url);
  const folder = decodeURIComponent(target.hostname);
  const sockets = new Set<Socket>();
  let held: (() => void)[] | null = null;
  const server = createServer((near) => {
    const far = connect(`${folder}/.s.PGSQL.5432`);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far);
    far.on('data', (chunk: Buffer) => {
      // BackendKeyData: 'K', length 12, process id, secret.
      const at = processId === undefined ? -1 : chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at !== -1) chunk.writeInt32BE(processId!, at + 5);
      if (held === null) near.write(chunk);
      else held.push(() => near.write(chunk));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `postgres://postgres@127.0.0.1:${port}${target.pathname}`,
    /** Keeps back what the server says from now on. */
    hold(): void {
      held = [];
    },
    release(): void {
      const all = held ?? [];
      held = null;
      for (const write of all) write();
    },
    async close(): Promise<void> {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

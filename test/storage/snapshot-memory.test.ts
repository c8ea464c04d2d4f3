// What is remembered of PostgreSQL, which other nodes and other programs write to as well: never older than a commit that somebody
// was told of, and nothing at all where snapshots cannot be believed.
import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
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
    const pooler = await fakePooler(url);
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
    const first = async () => {
      for (let text = await watch.read(); ; text = await watch.read(), await sleep(5)) if (text !== null) return text;
    };
    const before = await first();
    const server = await serverOf(program);
    assert.notEqual(server, null);
    watch.answeredBy(server);
    assert.equal(await watch.read(), before);
    watch.answeredBy('another one');
    assert.equal(await watch.read(), null);
    assert.notEqual(await first(), before);
  });
});

/** Stands between as a pooler does: it tells clients a process id of its own making. */
async function fakePooler(url: string): Promise<{ url: string; close(): Promise<void> }> {
  const target = new URL(url);
  const folder = decodeURIComponent(target.hostname);
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(`${folder}/.s.PGSQL.5432`);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => [near, far].forEach((each) => void each.destroy()));
    }
    near.pipe(far);
    let told = false;
    far.on('data', (chunk: Buffer) => {
      // BackendKeyData: 'K', length 12, process id, secret.
      const at = told ? -1 : chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]));
      if (at !== -1) {
        told = true;
        chunk.writeInt32BE(1_234_567_890, at + 5);
      }
      near.write(chunk);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `postgres://postgres@127.0.0.1:${port}${target.pathname}`,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

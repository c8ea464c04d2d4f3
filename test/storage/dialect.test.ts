// What a query may rely on, whichever engine answers it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sql } from 'kysely';
import {
  type Database,
  DatabaseError,
  ForeignKeyViolation,
  type Queryable,
  TransactionAborted,
  UniqueViolation,
  UnstorableValue,
} from '../../src/storage/database.ts';
import { afterCommit } from '../../src/storage/transactions.ts';
import { forEachEngine } from '../support/engines.ts';

function addUser(q: Queryable, username: string) {
  return q
    .insertInto('users')
    .values({
      type: 'human',
      state: 'active',
      username,
      username_lower: username.toLowerCase(),
      name: username,
      email: `${username}@example.com`,
      email_lower: `${username}@example.com`.toLowerCase(),
      admin: 0,
      external: 0,
      can_create_group: 1,
      projects_limit: 10,
      created_at: 1_767_225_600_123,
      updated_at: 1_767_225_600_123,
    })
    .returning(['id', 'username', 'created_at', 'admin', 'note'])
    .executeTakeFirstOrThrow();
}

function names(db: Database): Promise<string[]> {
  return db.read
    .selectFrom('users')
    .select('username')
    .orderBy('id')
    .execute()
    .then((rows) => rows.map((row) => row.username));
}

forEachEngine('the dialect', (engine) => {
  it('returns numbers, nulls and generated ids as plain values', async () => {
    const db = await engine.open();
    const row = await db.tx((tx) => addUser(tx, 'Alice'));
    assert.deepEqual(row, { id: 1, username: 'Alice', created_at: 1_767_225_600_123, admin: 0, note: null });
    assert.deepEqual(await db.read.selectFrom('users').select(['id', 'created_at']).execute(), [
      { id: 1, created_at: 1_767_225_600_123 },
    ]);
    await db.close();
  });

  it('answers counts, sums and conditions with numbers on every handle', async () => {
    const db = await engine.open();
    await db.tx(async (tx) => {
      await addUser(tx, 'alice');
      await addUser(tx, 'bob');
    });
    for (const q of [db.read, db.list]) {
      const row = await q
        .selectFrom('users')
        .select((eb) => [
          eb.fn.countAll<number>().as('count'),
          eb.fn.sum<number>('projects_limit').as('sum'),
          sql<number>`max(id) = 2`.as('is_two'),
        ])
        .executeTakeFirstOrThrow();
      assert.deepEqual(row, { count: 2, sum: 20, is_two: 1 });
    }
    await db.close();
  });

  it('binds booleans as 0 and 1 and counts what it changed', async () => {
    const db = await engine.open();
    await db.tx(async (tx) => {
      await addUser(tx, 'alice');
      await addUser(tx, 'bob');
      const changed = await sql`update users set admin = ${true} where username = ${'bob'}`.execute(tx);
      assert.equal(changed.numAffectedRows, 1n);
      const result = await tx.deleteFrom('users').where('admin', '=', 1).executeTakeFirst();
      assert.equal(result.numDeletedRows, 1n);
    });
    assert.deepEqual(await names(db), ['alice']);
    await db.close();
  });

  it('minds the case in LIKE', async () => {
    const db = await engine.open();
    await db.tx((tx) => addUser(tx, 'Alice'));
    const count = async (pattern: string): Promise<number> =>
      (await db.list.selectFrom('users').select('id').where('username', 'like', pattern).execute()).length;
    assert.deepEqual([await count('Ali%'), await count('ali%')], [1, 0]);
    await db.close();
  });

  it('names the column of a unique violation and never the value', async () => {
    const db = await engine.open();
    await db.tx((tx) => addUser(tx, 'alice'));
    const error = await db
      .tx((tx) => addUser(tx, 'ALICE'))
      .then(
        () => null,
        (thrown: unknown) => thrown,
      );
    assert(error instanceof UniqueViolation);
    assert.equal(error.table, 'users');
    assert(error.touches('username_lower') || error.touches('email_lower'));
    assert.doesNotMatch(JSON.stringify({ ...error, message: error.message, stack: error.stack }), /alice/i);
    await db.close();
  });

  it('names the index of a unique violation on an expression', async () => {
    const db = await engine.open();
    const project = { namespace_id: 1, full_path_lower: null, description: null, default_branch: null };
    const rest = { visibility: 'private', archived: 0, features: '{}', settings: '{}', topics: '[]' } as const;
    const times = { created_at: 1, updated_at: 1, last_activity_at: 1 };
    const add = (name: string) =>
      db.tx(async (tx) => {
        await tx
          .insertInto('projects')
          .values({ ...project, ...rest, ...times, name, path: name, full_path: name })
          .execute();
      });
    await db.tx((tx) =>
      tx
        .insertInto('namespaces')
        .values({
          kind: 'group',
          name: 'g',
          path: 'g',
          full_path: 'g',
          lineage: '/1/',
          visibility: 'private',
          description: '',
          settings: '{}',
          created_at: 1,
          updated_at: 1,
        })
        .execute(),
    );
    await add('App');
    await assert.rejects(
      () => add('app'),
      (error) => error instanceof UniqueViolation && error.touches('projects_name_in_namespace'),
    );
    await db.close();
  });

  it('refuses a row that points to nothing', async () => {
    const db = await engine.open();
    const email = { user_id: 99, email: 'a@b', email_lower: 'a@b', created_at: 1 };
    await assert.rejects(
      () => db.tx((tx) => tx.insertInto('user_emails').values(email).execute()),
      ForeignKeyViolation,
    );
    await db.close();
  });

  it('refuses values that the engines would not keep alike', async () => {
    const db = await engine.open();
    for (const value of ['a\0b', Number.NaN, 2 ** 53, undefined, {}, new Date(0)])
      await assert.rejects(() => sql`select ${value}`.execute(db.read), UnstorableValue);
    await db.close();
  });

  it('says which statement was wrong without repeating what was bound', async () => {
    const db = await engine.open();
    const query = sql`insert into settings (name, value, updated_at) values ('x', 'y', ${'top secret'})`;
    await assert.rejects(
      () => db.tx((tx) => query.execute(tx)),
      (error) => error instanceof DatabaseError && !error.message.includes('top secret'),
    );
    await db.close();
  });
});

forEachEngine('transactions', (engine) => {
  it('keep everything or nothing', async () => {
    const db = await engine.open();
    const failing = db.tx(async (tx) => {
      await addUser(tx, 'alice');
      throw new Error('changed my mind');
    });
    await assert.rejects(failing, /changed my mind/);
    assert.deepEqual(await names(db), []);
    await db.tx((tx) => addUser(tx, 'bob'));
    assert.deepEqual(await names(db), ['bob']);
    await db.close();
  });

  it('are over with the first statement that fails, even when somebody swallows it', async () => {
    const db = await engine.open();
    await db.tx((tx) => addUser(tx, 'alice'));
    const swallowed = db.tx(async (tx) => {
      await addUser(tx, 'bob');
      await addUser(tx, 'alice').catch(() => {});
    });
    await assert.rejects(swallowed, TransactionAborted);
    const goesOn = db.tx(async (tx) => {
      await addUser(tx, 'alice').catch(() => {});
      await addUser(tx, 'carol');
    });
    await assert.rejects(goesOn, TransactionAborted);
    assert.deepEqual(await names(db), ['alice']);
    await db.close();
  });

  it('count a guarded update once, however many race for it', async () => {
    const db = await engine.open();
    const user = await db.tx((tx) => addUser(tx, 'alice'));
    const block = () =>
      db.tx((tx) =>
        tx
          .updateTable('users')
          .set({ state: 'blocked' })
          .where('id', '=', user.id)
          .where('state', '=', 'active')
          .returning('id')
          .execute(),
      );
    const winners = (await Promise.all(Array.from({ length: 8 }, block))).flat();
    assert.deepEqual(winners, [{ id: user.id }]);
    await db.close();
  });

  it('run what waits for their commit after it, in order, and never after a rollback', async () => {
    const db = await engine.open();
    const seen: string[] = [];
    await db.tx(async (tx) => {
      afterCommit(tx, async () => {
        seen.push(`first sees ${await names(db)}`);
      });
      afterCommit(tx, () => {
        seen.push('second');
      });
      await addUser(tx, 'alice');
      seen.push('work done');
    });
    assert.deepEqual(seen, ['work done', 'first sees alice', 'second']);
    const failing = db.tx(async (tx) => {
      afterCommit(tx, () => {
        seen.push('never');
      });
      throw new Error('no');
    });
    await assert.rejects(failing);
    assert.equal(seen.length, 3);
    await db.close();
  });

  it('allow another transaction in what runs after the commit', async () => {
    const db = await engine.open();
    await db.tx(async (tx) => {
      afterCommit(tx, async () => {
        await db.tx((next) => addUser(next, 'bob'));
      });
      await addUser(tx, 'alice');
    });
    assert.deepEqual(await names(db), ['alice', 'bob']);
    await db.close();
  });

  it('refuse to be opened inside one another', async () => {
    const db = await engine.open();
    await assert.rejects(() => db.tx(() => db.tx((tx) => addUser(tx, 'alice'))), /inside a transaction/);
    assert.deepEqual(await names(db), []);
    await db.close();
  });

  it('refuse their handle once they are over', async () => {
    const db = await engine.open();
    let kept: Queryable | undefined;
    await db.tx(async (tx) => {
      kept = tx;
      await addUser(tx, 'alice');
    });
    await assert.rejects(() => addUser(kept!, 'bob'));
    assert.deepEqual(await names(db), ['alice']);
    await db.close();
  });

  it('that are under way end before the database closes', async () => {
    const db = await engine.open();
    let done = false;
    const running = db.tx(async (tx) => {
      await addUser(tx, 'alice');
      await addUser(tx, 'bob');
      done = true;
    });
    await Promise.all([running, db.close()]);
    assert.equal(done, true);
    await assert.rejects(() => db.tx((tx) => addUser(tx, 'carol')));
  });
});

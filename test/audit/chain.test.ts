// The audit's chain on both engines: whatever is done to a sealed row, to the list of rows or to a batch is named; what is honest
// is not. The attacker of these tests has the database and not the instance keys.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { AuditRow } from '../../src/audit/audit-store.ts';
import { auditChain } from '../../src/audit/chain-audit.ts';
import { batchHash, encode, HASHED_COLUMNS, rowHash } from '../../src/audit/chain-encoding.ts';
import { findBatch, selectSeals } from '../../src/audit/chain-store.ts';
import { recordAudit } from '../../src/audit/record.ts';
import { sealAll, startSealer, writeHead } from '../../src/audit/sealer.ts';
import { HOUR, ManualClock } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { InstanceKeys } from '../../src/storage/instance-keys.ts';
import { forEachEngine } from '../support/engines.ts';

const START = Date.UTC(2026, 0, 1);
const keys = new InstanceKeys(new Map([[1, randomBytes(32)]]));

async function record(db: Database, count: number): Promise<number[]> {
  const ids: number[] = [];
  for (let index = 0; index < count; index += 1)
    ids.push(
      await db.tx((tx) =>
        recordAudit(tx, {
          createdAt: START + index,
          authorId: 3,
          authorName: `Alice ${index}`,
          credentialId: 7,
          credentialKind: 'personal_access_token',
          credentialName: 'ci',
          door: 'rest',
          action: 'project:create',
          entityType: 'Project',
          entityId: 11,
          entityPath: 'team/app',
          targetType: 'Key',
          targetId: '5',
          targetDetails: 'one',
          ipAddress: '127.0.0.1',
          message: 'Created project',
          details: { index },
        }),
      ),
    );
  return ids;
}

/** Three batches of four rows each, and one row that waits. */
async function sealedWorld(open: () => Promise<Database>) {
  const db = await open();
  const clock = new ManualClock(START);
  const house = { db, clock, keys };
  const ids: number[] = [];
  for (let batch = 0; batch < 3; batch += 1) {
    ids.push(...(await record(db, 4)));
    assert.equal((await sealAll(house))?.id, batch + 1);
    clock.advance(HOUR);
  }
  return { db, clock, house, ids, tail: (await record(db, 1))[0]! };
}

type World = Awaited<ReturnType<typeof sealedWorld>>;
const codes = async ({ house }: World, head: string | null = null) =>
  (await auditChain(house, head)).findings.map(({ code, batch, event }) => [code, batch, event]);

forEachEngine('the chain of the audit', (engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-chain-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const world = () => sealedWorld(() => engine.open());

  it('is clean when nobody touched it, and names the tail that waits', async () => {
    const { db, house, tail } = await world();
    const report = await auditChain(house, null);
    assert.deepEqual(report.findings, []);
    assert.deepEqual([report.batches, report.events, report.unsealed, report.firstUnsealed], [3, 12, 1, tail]);
    await sealAll(house);
    assert.equal((await auditChain(house, null)).unsealed, 0);
    await db.close();
  });

  it('names a sealed row of which any one column was altered', async () => {
    const w = await world();
    const id = w.ids[5]!;
    const before = await w.db.read
      .selectFrom('audit_events')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    for (const column of HASHED_COLUMNS) {
      const old = before[column];
      const changed = typeof old === 'number' ? old + 1 : `${old}x`;
      const set = (value: unknown) =>
        w.db.tx((tx) =>
          tx
            .updateTable('audit_events')
            .set({ [column]: value })
            .where('id', '=', id)
            .execute(),
        );
      await set(changed);
      assert.deepEqual(await codes(w), [['row_altered', 2, id]], column);
      await set(old);
    }
    assert.deepEqual(await codes(w), []);
    await w.db.close();
  });

  it('names a row that was removed', async () => {
    const w = await world();
    const id = w.ids[6]!;
    await w.db.tx((tx) => tx.deleteFrom('audit_events').where('id', '=', id).execute());
    assert.deepEqual(await codes(w), [['row_missing', 2, id]]);
    await w.db.close();
  });

  it('names the batch when its list was shortened along with the row', async () => {
    const w = await world();
    const id = w.ids[6]!;
    await w.db.tx(async (tx) => {
      await tx.deleteFrom('audit_events').where('id', '=', id).execute();
      await tx.deleteFrom('audit_seals').where('event_id', '=', id).execute();
    });
    assert.deepEqual(await codes(w), [['batch_altered', 2, null]]);
    await w.db.close();
  });

  it('names a row that was put in where all around it is sealed, and never seals it', async () => {
    const w = await world();
    const id = w.ids[1]!;
    const row = await w.db.read.selectFrom('audit_events').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    await w.db.tx((tx) =>
      tx
        .insertInto('audit_events')
        .values({ ...row, id: -5 })
        .execute(),
    );
    await w.db.tx((tx) => tx.updateTable('audit_events').set({ id: 0 }).where('id', '=', -5).execute());
    await w.db.tx((tx) =>
      tx
        .updateTable('audit_events')
        .set({ id: w.ids[11]! + 50 })
        .where('id', '=', w.tail)
        .execute(),
    );
    await sealAll(w.house);
    w.clock.advance(HOUR);
    const [next] = await record(w.db, 1);
    await sealAll(w.house);
    // Between the last two honest rows lies a gap; a row in it comes too late.
    await w.db.tx((tx) =>
      tx
        .insertInto('audit_events')
        .values({ ...row, id: w.ids[11]! + 20 })
        .execute(),
    );
    await sealAll(w.house);
    assert.ok(next);
    assert.deepEqual(await codes(w), [['row_inserted', null, w.ids[11]! + 20]]);
    await w.db.close();
  });

  it('tells two rows that changed places', async () => {
    const w = await world();
    const [a, b] = [w.ids[1]!, w.ids[10]!];
    const swap = (from: number, to: number) =>
      w.db.tx((tx) => tx.updateTable('audit_events').set({ id: to }).where('id', '=', from).execute());
    await swap(a, 9999);
    await swap(b, a);
    await swap(9999, b);
    assert.deepEqual(await codes(w), [
      ['rows_reordered', 1, a],
      ['rows_reordered', 3, b],
    ]);
    await w.db.close();
  });

  it('does not take a chain that was made anew without the instance keys', async () => {
    const w = await world();
    const id = w.ids[9]!;
    await w.db.tx(async (tx) => {
      await tx.updateTable('audit_events').set({ author_name: 'Mallory' }).where('id', '=', id).execute();
      const row = await tx.selectFrom('audit_events').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
      await tx
        .updateTable('audit_seals')
        .set({ hash: rowHash(row) })
        .where('event_id', '=', id)
        .execute();
      const seals = (await selectSeals(tx, 3)).map((seal) => ({ eventId: seal.event_id, hash: seal.hash }));
      const batch = (await findBatch(tx, 3))!;
      await tx
        .updateTable('audit_batches')
        .set({ hash: batchHash(batch, seals) })
        .where('id', '=', 3)
        .execute();
    });
    assert.deepEqual(await codes(w), [['mac_wrong', 3, null]]);
    await w.db.close();
  });

  it('names a batch that is gone, and the end that was cut off', async () => {
    const w = await world();
    const head = join(folder, `head-${engine.name}.json`);
    writeHead(head, (await findBatch(w.db.read, 3))!);
    await w.db.tx((tx) => tx.deleteFrom('audit_batches').where('id', '=', 3).execute());
    assert.deepEqual((await codes(w)).map(([code, batch]) => [code, batch]).slice(0, 1), [['chain_cut', 3]]);
    // The attacker is thorough: rows and list go as well. Only the note beside the database remembers.
    await w.db.tx(async (tx) => {
      await tx.deleteFrom('audit_seals').where('batch_id', '=', 3).execute();
      await tx.deleteFrom('audit_events').where('id', '>', w.ids[7]!).execute();
    });
    assert.deepEqual(await codes(w), []);
    assert.deepEqual(await codes(w, head), [['chain_cut', 3, null]]);
    await w.db.tx((tx) => tx.deleteFrom('audit_batches').where('id', '=', 1).execute());
    assert.deepEqual((await codes(w))[0], ['batch_missing', 1, null]);
    await w.db.close();
  });

  it('grows in one piece however many sealers there are, and half a batch is none', async () => {
    const db = await engine.open();
    const house = { db, clock: new ManualClock(START), keys };
    await record(db, 30);
    await Promise.all([1, 2, 3].map(() => sealAll(house)));
    const failing = db.tx(async (tx) => {
      await tx.insertInto('audit_seals').values({ event_id: 9999, batch_id: 2, hash: 'x' }).execute();
      throw new Error('killed in the middle');
    });
    await assert.rejects(failing);
    const report = await auditChain(house, null);
    assert.deepEqual([report.findings, report.events, report.unsealed], [[], 30, 0]);
    await db.close();
  });

  it('is sealed by itself, once more at the stop, and noted', async () => {
    const db = await engine.open();
    const house = { db, clock: new ManualClock(START), keys, log: { warn: assert.fail } as never };
    const headFile = join(folder, `own-${engine.name}.json`);
    const sealer = startSealer(house, { headFile, every: 10 });
    await record(db, 3);
    await sealer.stop();
    const report = await auditChain(house, headFile);
    assert.deepEqual([report.findings, report.events, report.unsealed], [[], 3, 0]);
    await db.close();
  });

  if (engine.name === 'postgres')
    it('takes a row whose transaction ended after later ones were sealed', async () => {
      const db = await engine.open();
      const house = { db, clock: new ManualClock(START), keys };
      const gate = Promise.withResolvers<void>();
      const started = Promise.withResolvers<void>();
      const slow = db.tx(async (tx) => {
        await recordAudit(tx, {
          createdAt: START,
          authorId: null,
          authorName: 'late',
          credentialId: null,
          credentialKind: null,
          credentialName: null,
          door: 'rest',
          action: 'project:create',
          entityType: 'Project',
          entityId: 1,
          ipAddress: null,
          message: 'late',
        });
        started.resolve();
        await gate.promise;
      });
      await started.promise;
      await record(db, 2);
      await sealAll(house);
      gate.resolve();
      await slow;
      assert.equal((await sealAll(house))?.count, 1);
      const report = await auditChain(house, null);
      assert.deepEqual([report.findings, report.events, report.unsealed], [[], 3, 0]);
      await db.close();
    });
});

describe('the bytes of a row', () => {
  const value = fc.oneof(fc.constant(null), fc.integer(), fc.string({ unit: 'grapheme' }));

  it('are the same for the same values alone', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), fc.array(value, { maxLength: 6 }), (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        return encode(a).equals(encode(b)) === same;
      }),
      {
        numRuns: 3000,
        examples: [
          [
            ['ab', 'c'],
            ['a', 'bc'],
          ],
          [[null], ['']],
          [[1], ['1']],
        ],
      },
    );
  });

  it('change with every column', () => {
    const base = Object.fromEntries(HASHED_COLUMNS.map((column) => [column, null])) as unknown as Omit<AuditRow, 'id'>;
    const hashes = HASHED_COLUMNS.map((column) => rowHash({ ...base, [column]: 'x' }));
    assert.equal(new Set([rowHash(base), ...hashes]).size, HASHED_COLUMNS.length + 1);
  });
});

// Who did what with which key is kept with the deed; refusals of strangers are counted and not stored one by one.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { selectRefusals } from '../../src/audit/audit-store.ts';
import { type AuditInput, getAudit, listAudit, recordAudit } from '../../src/audit/record.ts';
import { createRefusalCounter } from '../../src/audit/refusals.ts';
import { DAY, ManualClock, MINUTE } from '../../src/kernel/clock.ts';
import { forEachEngine } from '../support/engines.ts';

const START = Date.UTC(2026, 0, 1);
const page = { page: 1, perPage: 20 };

function deed(more: Partial<AuditInput> = {}): AuditInput {
  return {
    createdAt: START,
    authorId: 3,
    authorName: 'Alice',
    credentialId: 7,
    credentialKind: 'personal_access_token',
    credentialName: 'ci',
    door: 'rest',
    action: 'project:create',
    entityType: 'Project',
    entityId: 11,
    ipAddress: '127.0.0.1',
    message: 'Created project',
    ...more,
  };
}

forEachEngine('audit events', (engine) => {
  it('come back as they were recorded', async () => {
    const db = await engine.open();
    const input = deed({
      entityPath: 'a/b',
      targetType: 'Key',
      targetId: 5,
      targetDetails: 'ci',
      details: { from: [1] },
    });
    const id = await db.tx((tx) => recordAudit(tx, input));
    assert.deepEqual(await getAudit(db.read, id), { ...input, id, targetId: '5', result: 'allowed' });
    assert.equal(await getAudit(db.read, id + 1), null);
    await db.close();
  });

  it('go with their deed when it is rolled back', async () => {
    const db = await engine.open();
    const failing = db.tx(async (tx) => {
      await recordAudit(tx, deed());
      throw new Error('no');
    });
    await assert.rejects(failing);
    assert.deepEqual(await listAudit(db.list, {}, page), { events: [], total: 0 });
    await db.close();
  });

  it('are listed newest first, by page and by every filter', async () => {
    const db = await engine.open();
    await db.tx(async (tx) => {
      await recordAudit(tx, deed());
      await recordAudit(tx, deed({ createdAt: START + 1, entityType: 'Group', entityId: 12, result: 'refused' }));
      await recordAudit(
        tx,
        deed({ createdAt: START + 2, credentialId: 8, credentialKind: 'deploy_token', authorId: null }),
      );
      await recordAudit(tx, deed({ createdAt: START + 3, door: 'ssh', action: 'repository:push' }));
    });
    const ids = async (filters: Parameters<typeof listAudit>[1], at = page): Promise<number[]> =>
      (await listAudit(db.list, filters, at)).events.map((event) => event.id);
    assert.deepEqual(await ids({}), [4, 3, 2, 1]);
    assert.deepEqual(await ids({}, { page: 2, perPage: 3 }), [1]);
    assert.equal((await listAudit(db.list, {}, { page: 2, perPage: 3 })).total, 4);
    assert.deepEqual(await ids({ createdAfter: START + 1, createdBefore: START + 2 }), [3, 2]);
    assert.deepEqual(await ids({ entityType: 'Group', entityId: 12 }), [2]);
    assert.deepEqual(await ids({ entityType: 'Group', entityId: 11 }), []);
    assert.deepEqual(await ids({ result: 'refused' }), [2]);
    assert.deepEqual(await ids({ credentialId: 8 }), [3]);
    assert.deepEqual(await ids({ credentialKind: 'deploy_token' }), [3]);
    assert.deepEqual(await ids({ door: 'ssh', action: 'repository:push', authorId: 3 }), [4]);
    await db.close();
  });
});

forEachEngine('refusals of strangers', (engine) => {
  it('are counted per address, door, code and minute, and added up over flushes', async () => {
    const db = await engine.open();
    const clock = new ManualClock(START);
    const counter = createRefusalCounter({ db, clock });
    const refusal = { ip: '192.0.2.1', door: 'rest', code: 'unknown' };
    for (let i = 0; i < 5; i++) counter.countRefusal(refusal);
    counter.countRefusal({ ...refusal, ip: '192.0.2.2' });
    await counter.flush();
    clock.advance(MINUTE - 1);
    counter.countRefusal(refusal);
    clock.advance(1);
    counter.countRefusal(refusal);
    await counter.flush();
    await counter.flush();
    const rows = await selectRefusals(db.list, START, 10);
    assert.deepEqual(
      rows.map((row) => [row.minute - START, row.ip_address, row.count]),
      [
        [MINUTE, '192.0.2.1', 1],
        [0, '192.0.2.1', 6],
        [0, '192.0.2.2', 1],
      ],
    );
    await db.close();
  });

  it('from more addresses than memory should hold are counted together', async () => {
    const db = await engine.open();
    const counter = createRefusalCounter({ db, clock: new ManualClock(START) });
    for (let i = 0; i < 10_050; i++) counter.countRefusal({ ip: `2001:db8::${i}`, door: 'rest', code: 'unknown' });
    await counter.flush();
    const rows = await selectRefusals(db.list, START, 20_000);
    assert.equal(rows.length, 10_001);
    assert.equal(rows.find((row) => row.ip_address === '*')?.count, 50);
    await db.close();
  });

  it('that could not be written are kept for the next flush', async () => {
    const db = await engine.open();
    let isBroken = true;
    const flaky: typeof db = {
      ...db,
      tx: (work) => (isBroken ? Promise.reject(new Error('disk full')) : db.tx(work)),
    };
    const counter = createRefusalCounter({ db: flaky, clock: new ManualClock(START) });
    counter.countRefusal({ ip: '192.0.2.1', door: 'ssh', code: 'unknown' });
    await assert.rejects(() => counter.flush(), /disk full/);
    isBroken = false;
    counter.countRefusal({ ip: '192.0.2.1', door: 'ssh', code: 'unknown' });
    await counter.stop();
    assert.equal((await selectRefusals(db.list, START, 10))[0]?.count, 2);
    await db.close();
  });

  it('are forgotten after thirty days', async () => {
    const db = await engine.open();
    const clock = new ManualClock(START);
    const counter = createRefusalCounter({ db, clock });
    counter.countRefusal({ ip: '192.0.2.1', door: 'rest', code: 'unknown' });
    await counter.flush();
    clock.advance(30 * DAY + 1);
    counter.countRefusal({ ip: '192.0.2.9', door: 'rest', code: 'unknown' });
    await counter.flush();
    assert.deepEqual(
      (await selectRefusals(db.list, 0, 10)).map((row) => row.ip_address),
      ['192.0.2.9'],
    );
    await db.close();
  });
});

// An exported audit without any database: what its check says of every way in which a file can be changed, of files that are
// none, and of very long ones. Who changes it has the file and not the instance keys.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { after, before, it } from 'node:test';
import { batchHash, GENESIS, rowHash } from '../../src/audit/chain-encoding.ts';
import { recordAudit } from '../../src/audit/record.ts';
import { sealAll } from '../../src/audit/sealer.ts';
import { exportLines, verifyFile } from '../../src/cli/audit-file.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import { InstanceKeys } from '../../src/storage/instance-keys.ts';
import { forEachEngine } from '../support/engines.ts';

const START = Date.UTC(2026, 0, 1);
const keys = new InstanceKeys(new Map([[1, randomBytes(32)]]));
const WHO = { authorId: 3, authorName: 'Alice', credentialId: 7, credentialKind: 'personal_access_token' } as const;
const WHAT = {
  credentialName: 'ci',
  door: 'rest',
  action: 'project:create',
  entityType: 'Project',
  entityId: 1,
} as const;

// biome-ignore lint/suspicious/noExplicitAny: the lines are changed in every way, wrong ones included.
type Lines = any[];

const edit =
  (change: (lines: Lines) => void) =>
  (lines: Lines): Lines => {
    change(lines);
    return lines;
  };

forEachEngine('an exported audit', (engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-export-'));
  const lines: Lines = [];
  let count = 0;

  before(async () => {
    const db = await engine.open();
    const house = { db, clock: new ManualClock(START), keys };
    const record = () =>
      db.tx((tx) =>
        recordAudit(tx, {
          createdAt: START,
          ipAddress: null,
          ...WHO,
          ...WHAT,
          message: `Created ${++count}`,
          details: { count },
        }),
      );
    for (let batch = 0; batch < 3; batch++) {
      for (let row = 0; row < 4; row++) await record();
      await sealAll(house);
    }
    await record();
    for await (const line of exportLines(house, { from: null, to: null })) lines.push(JSON.parse(line));
    await db.close();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function check(change: (lines: Lines) => Lines | string, by: InstanceKeys | null = keys) {
    const changed = change(structuredClone(lines));
    const file = join(folder, `export-${randomBytes(4).toString('hex')}.jsonl`);
    writeFileSync(file, typeof changed === 'string' ? changed : changed.map((line) => JSON.stringify(line)).join('\n'));
    return verifyFile(file, by);
  }
  const codes = async (change: (lines: Lines) => Lines | string, by: InstanceKeys | null = keys) => [
    ...new Set((await check(change, by)).findings.map(({ code }) => code)),
  ];
  /** Puts other lines where one stood. */
  const put = (all: Lines, at: number, ...others: Lines) => [...all.slice(0, at), ...others, ...all.slice(at + 1)];

  it('is clean as it was written, with and without the keys', async () => {
    const report = await check((all) => all);
    assert.deepEqual([report.findings, report.batches, report.events, report.unsealed], [[], 3, 12, 1]);
    assert.deepEqual(await codes((all) => all, null), []);
  });

  it('names whatever was changed in it', async () => {
    const changes: [string, string, (all: Lines) => Lines][] = [
      [
        'a row altered',
        'row_altered',
        edit((all) => {
          all[2].events[1].row.message = 'Nothing';
        }),
      ],
      [
        'a row`s details altered',
        'row_altered',
        edit((all) => {
          all[2].events[1].row.details = '{}';
        }),
      ],
      [
        'a row and its hash altered',
        'batch_altered',
        (all) => {
          const event = all[2].events[1];
          event.row.author_name = 'Mallory';
          event.hash = rowHash(event.row);
          return all;
        },
      ],
      [
        'a row taken out',
        'row_missing',
        edit((all) => {
          all[2].events[1].row = null;
        }),
      ],
      [
        'a row taken out with its place',
        'batch_altered',
        edit((all) => {
          all[2].events.splice(1, 1);
        }),
      ],
      [
        'two rows changed about',
        'rows_reordered',
        (all) => {
          const [one, other] = [all[2].events[0], all[2].events[2]];
          [one.row, other.row] = [
            { ...other.row, id: one.id },
            { ...one.row, id: other.id },
          ];
          return all;
        },
      ],
      [
        'a row twice',
        'batch_altered',
        edit((all) => {
          all[2].events.push(all[2].events[3]);
        }),
      ],
      [
        'a batch`s time altered',
        'batch_altered',
        edit((all) => {
          all[2].batch.sealed_at += 1;
        }),
      ],
      ['a batch taken out', 'batch_missing', (all) => put(all, 2)],
      ['the first batch taken out', 'batch_missing', (all) => put(all, 1)],
      ['two batches changed about', 'batch_missing', (all) => [all[0], all[2], all[1], ...all.slice(3)]],
      ['a batch replaced by the one before', 'batch_missing', (all) => put(all, 2, all[1])],
      [
        'a batch numbered as another',
        'batch_altered',
        (all) => put(all, 2, { ...all[1], batch: { ...all[1].batch, id: 2 } }),
      ],
      ['the last batch cut', 'file_altered', (all) => put(all, 3)],
      ['the end cut', 'file_cut', (all) => all.slice(0, -1)],
      ['a row that waits cut', 'file_altered', (all) => put(all, 4)],
      [
        'the end told otherwise',
        'file_altered',
        edit((all) => {
          all.at(-1).events = 11;
        }),
      ],
      [
        'the last batch cut and the end told so',
        'mac_wrong',
        (all) => {
          const cut = put(all, 3);
          Object.assign(cut.at(-1), { batches: 2, events: 8, head: all[2].batch.hash });
          return cut;
        },
      ],
      ['something behind the end', 'file_altered', (all) => [...all, all[1]]],
      ['a second beginning', 'file_altered', (all) => put(all, 2, all[0], all[2])],
      [
        'another end`s MAC',
        'mac_wrong',
        edit((all) => {
          all.at(-1).mac = '0'.repeat(64);
        }),
      ],
      [
        'a key that is not at hand',
        'mac_unchecked',
        edit((all) => {
          all.at(-1).key_id = 9;
        }),
      ],
    ];
    for (const [name, code, change] of changes)
      assert.ok((await codes(change)).includes(code), `${name}: ${await codes(change)}`);
  });

  it('made anew as a whole agrees with itself, and with the keys it does not', async () => {
    const anew = (all: Lines) => {
      let previous = GENESIS;
      for (const line of all.filter(({ type }) => type === 'batch')) {
        for (const event of line.events) {
          event.row.author_name = 'Mallory';
          event.hash = rowHash(event.row);
        }
        line.batch.previous_hash = previous;
        line.batch.hash = batchHash(
          line.batch,
          line.events.map(({ id, hash }: { id: number; hash: string }) => ({ eventId: id, hash })),
        );
        previous = line.batch.hash;
      }
      all.at(-1).head = previous;
      return all;
    };
    assert.deepEqual(await codes(anew, null), []);
    assert.deepEqual(await codes(anew), ['mac_wrong']);
    assert.equal((await check(anew)).findings.length, 4, 'three batches and the end');
    assert.notEqual((await check(anew, null)).head, (await check((all) => all, null)).head, 'a noted head tells');
    const others = new InstanceKeys(new Map([[1, randomBytes(32)]]));
    assert.deepEqual(await codes((all) => all, others), ['mac_wrong']);
  });

  it('that is none, or of another version, is refused in a sentence that names the line', async () => {
    const wrong: [RegExp, (all: Lines) => Lines | string][] = [
      [/is empty/, () => ''],
      [
        /line 1 is of version 2: this program knows version 1/,
        edit((all) => {
          all[0].version = 2;
        }),
      ],
      [
        /line 1 is of version undefined/,
        edit((all) => {
          delete all[0].version;
        }),
      ],
      [/no first line/, (all) => all.slice(1)],
      [/line 1 is not a line/, () => 'garbage'],
      [/line 1 is not a line/, () => '\u0000\u0001\ufffd'],
      [/line 1 is not a line/, () => '[]'],
      [/line 1 is not a line/, () => 'null'],
      [/line 1 is not a line/, () => '{"type":"audit","version":1}'],
      [/line 3 is not a line/, (all) => put(all, 2, 'garbage')],
      [/line 3 is not a line/, (all) => put(all, 2, { type: 'other' })],
      [/line 3 is not a line/, (all) => put(all, 2, { type: '__proto__' })],
      [
        /line 3 is not a line/,
        edit((all) => {
          all[2].events = [null];
        }),
      ],
      [
        /line 3 is not a line/,
        edit((all) => {
          all[2].events[0].row = [];
        }),
      ],
      [
        /line 3 is not a line/,
        edit((all) => {
          all[2].events[0].row.message = { toString: 1 };
        }),
      ],
      [
        /line 3 is not a line/,
        edit((all) => {
          delete all[2].batch.hash;
        }),
      ],
      [
        /line 3 is not a line/,
        edit((all) => {
          all[2].batch.count = 'many';
        }),
      ],
      [
        /line 6 is not a line/,
        edit((all) => {
          delete all[5].mac;
        }),
      ],
    ];
    for (const [text, change] of wrong) await assert.rejects(check(change), text, String(text));
  });
});

it('a very long audit is checked in little memory, and a file without line feeds is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-export-'));
  try {
    const file = join(folder, 'long.jsonl');
    const out = createWriteStream(file);
    const write = async (value: unknown) => {
      if (!out.write(`${JSON.stringify(value)}\n`)) await new Promise((done) => out.once('drain', done));
    };
    await write({ type: 'audit', version: 1, after: { id: 0, hash: GENESIS, high: 0 } });
    let [previous, id] = [GENESIS, 0];
    const filler = 'a'.repeat(10_000);
    for (let batch = 1; batch <= 300; batch++) {
      const events = Array.from({ length: 40 }, () => {
        const row = {
          id: ++id,
          created_at: START,
          author_id: 1,
          author_name: 'A',
          credential_id: 1,
          credential_kind: 'k',
        };
        const rest = {
          credential_name: 'c',
          door: 'rest',
          action: 'a',
          result: 'done',
          entity_type: 'e',
          entity_id: 1,
        };
        const last = { entity_path: 'p', target_type: 't', target_id: '1', target_details: 'd', ip_address: 'i' };
        const whole = { ...row, ...rest, ...last, message: filler, details: '{}' };
        return { id, hash: rowHash(whole as never), row: whole };
      });
      const own = { id: batch, previous_hash: previous, first_event_id: events[0]!.id, last_event_id: id, count: 40 };
      const made = { ...own, high_event_id: id, sealed_at: START, mac: '', key_id: 1 };
      previous = batchHash(
        made,
        events.map((event) => ({ eventId: event.id, hash: event.hash })),
      );
      await write({ type: 'batch', batch: { ...made, hash: previous }, events });
    }
    await write({ type: 'end', batches: 300, events: id, unsealed: 0, head: previous, mac: '', key_id: 1 });
    out.end();
    await finished(out);
    const before = process.memoryUsage().rss;
    const report = await verifyFile(file, null);
    assert.deepEqual([report.findings, report.events], [[], 12_000]);
    const grown = process.memoryUsage().rss - before;
    assert.ok(grown < 100 * 1024 * 1024, `${grown >> 20} MiB more for a file of 120 MB`);

    const endless = join(folder, 'endless');
    const stream = createWriteStream(endless);
    for (let part = 0; part < 70; part++) stream.write(Buffer.alloc(1024 * 1024, 97));
    stream.end();
    await finished(stream);
    await assert.rejects(verifyFile(endless, null), /has a line longer than 64 MiB/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

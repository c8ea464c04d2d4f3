// Lists of more keys than are counted: every page in every order, without gaps or doubles, and headers that lead to the end
// although nobody counted so far (reference access-tokens 3.3, 3.4, 3.7).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CredentialFilter, listCredentials } from '../../src/credentials/credential-list-store.ts';
import { pageHeaders } from '../../src/doors/rest/pagination.ts';
import { DAY } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { MOST_COUNTED } from '../../src/storage/page-store.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld, START } from '../support/world.ts';

const KEYS = 10_450;
const PER_PAGE = 1000;
const CHUNK = 500;

interface Made {
  readonly id: number;
  readonly name: string;
  readonly created_at: number;
  readonly expires_at: number | null;
  readonly ended_at: number | null;
  /** null: never used */
  readonly used: number | null;
}

/** Keys whose times tie, run against the ids and are missing, in every mixture. */
const ALL: readonly Made[] = Array.from({ length: KEYS }, (_, i) => ({
  id: 1000 + i,
  name: i % 1000 === 7 ? `Rare ${i}` : `key ${(i * 7919) % 500}`,
  created_at: START - ((i * 31) % 400) * DAY,
  expires_at: i % 3 === 0 ? null : START + (((i * 17) % 300) - 20) * DAY,
  ended_at: i === 5000 || i === 5001 ? START + DAY : i % 11 === 0 ? START - DAY : null,
  used: i % 4 === 0 ? null : START - ((i * 13) % 50) * 1000,
}));

async function fill(db: Database, userId: number): Promise<void> {
  for (let at = 0; at < KEYS; at += CHUNK) {
    const some = ALL.slice(at, at + CHUNK);
    await db.tx(async (tx) => {
      await tx
        .insertInto('credentials')
        .values(
          some.map(({ used: _, ...row }) => ({
            ...row,
            kind: 'personal_access_token' as const,
            user_id: userId,
            scopes: '["api"]',
            impersonation: 0,
          })),
        )
        .execute();
      const uses = some.filter((row) => row.used !== null);
      await tx
        .insertInto('credential_uses')
        .values(uses.map((row) => ({ credential_id: row.id, last_used_at: row.used, ips: '[]' })))
        .execute();
    });
  }
}

const after = (a: number | string | null, b: number | string | null): number =>
  a === b ? 0 : a === null ? 1 : b === null ? -1 : a < b ? -1 : 1;

/** The ids in the order that a list by this column promises: what has no time comes last, ties go by id. */
function inOrder(rows: readonly Made[], of: (row: Made) => number | string | null, sign: 1 | -1): number[] {
  const compare = (a: Made, b: Made) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return after(x, y) || sign * (a.id - b.id);
    return sign * after(x, y) || sign * (a.id - b.id);
  };
  return rows.toSorted(compare).map((row) => row.id);
}

const COLUMNS: Readonly<Record<string, (row: Made) => number | string | null>> = {
  id: (row) => row.id,
  created: (row) => row.created_at,
  expires: (row) => row.expires_at,
  last_used: (row) => row.used,
};

forEachEngine('long lists of keys', (engine) => {
  const filter: CredentialFilter = { kinds: ['personal_access_token'] };
  const opened = (async () => {
    const db = await engine.open();
    await fill(db, (await makeWorld(db).user()).id);
    return db;
  }).bind(null);
  let shared: Promise<Database> | undefined;
  const database = () => {
    shared ??= opened();
    return shared;
  };
  const list = async (more: CredentialFilter, offset = 0, perPage = PER_PAGE) =>
    listCredentials((await database()).list, { ...filter, ...more }, { offset, perPage }, START);

  /** Follows `X-Next-Page` from the first page to the last. */
  async function walk(more: CredentialFilter): Promise<number[]> {
    const ids: number[] = [];
    for (let page = 1; ; ) {
      const { rows, total } = await list(more, (page - 1) * PER_PAGE);
      ids.push(...rows.map((row) => row.id));
      const headers = pageHeaders({ page, perPage: PER_PAGE, offset: 0 }, total, 'http://x', '');
      assert.equal('x-total' in headers, false);
      assert.doesNotMatch(headers['link'] ?? '', /rel="last"/);
      if (headers['x-next-page'] === '') return ids;
      page = Number(headers['x-next-page']);
    }
  }

  for (const [name, of] of Object.entries(COLUMNS))
    for (const [direction, sign] of [['asc', 1] as const, ['desc', -1] as const])
      test(`by ${name}, ${direction}, every key comes once and in its place`, async () => {
        assert.deepEqual(await walk({ sort: `${name}_${direction}` }), inOrder(ALL, of, sign));
      });

  test('by name, every key comes once and none before a lesser name', async () => {
    const ids = await walk({ sort: 'name_asc' });
    assert.equal(new Set(ids).size, KEYS);
    const names = new Map(ALL.map((row) => [row.id, row.name]));
    const place = ids.map((id) => names.get(id));
    assert.equal(place.filter((one, i) => one !== place[i - 1]).length, new Set(place).size);
  });

  test('a filter that leaves no more than is counted tells the exact total, whichever way it takes', async () => {
    const ended = (row: Made) => row.ended_at !== null && row.ended_at <= START;
    const expired = (row: Made) => row.expires_at !== null && row.expires_at <= START;
    const cases: [CredentialFilter, (row: Made) => boolean][] = [
      [{ search: 'rare' }, (row) => row.name.startsWith('Rare')],
      [{ search: 'KEY 499' }, (row) => row.name.includes('499') && row.name.includes('key')],
      [{ search: 'key' }, (row) => row.name.startsWith('key')],
      [{ search: 'zz' }, () => false],
      [{ state: 'rotating' }, (row) => row.ended_at === START + DAY && !expired(row)],
      [{ state: 'active' }, (row) => !ended(row) && !expired(row)],
      [{ state: 'inactive', search: 'key' }, (row) => (ended(row) || expired(row)) && row.name.startsWith('key')],
      [{ revoked: true }, ended],
      [
        { expiresAfter: START, expiresBefore: START + 30 * DAY },
        ({ expires_at: at }) => at !== null && at >= START && at < START + 30 * DAY,
      ],
      [{ createdAfter: START - 3 * DAY }, (row) => row.created_at >= START - 3 * DAY],
      [{ lastUsedBefore: START - 40_000 }, (row) => row.used !== null && row.used <= START - 40_000],
    ];
    for (const [more, keeps] of cases) {
      const wanted = ALL.filter(keeps);
      const said = JSON.stringify(more);
      for (const sort of ['id_asc', 'last_used_desc', 'expires_asc']) {
        const { rows, total } = await list({ ...more, sort }, 0, 100);
        const match = /^(\w+)_(asc|desc)$/.exec(sort)!;
        const order = inOrder(wanted, COLUMNS[match[1]!]!, match[2] === 'asc' ? 1 : -1);
        assert.deepEqual(
          rows.map((row) => row.id),
          order.slice(0, 100),
          `${said} ${sort}`,
        );
        if (wanted.length <= MOST_COUNTED) assert.equal(total, wanted.length, said);
        else assert.ok(total > MOST_COUNTED, said);
      }
    }
  });

  test('a page behind the end is empty and has no next one', async () => {
    for (const sort of ['id_asc', 'last_used_asc', 'expires_desc']) {
      const { rows, total } = await list({ sort }, 50 * PER_PAGE);
      assert.deepEqual([rows.length, total], [0, KEYS], sort);
    }
  });

  test('a list of exactly as many as are counted tells its total', async () => {
    const bound = ALL[MOST_COUNTED]!.id;
    const db = await database();
    const ids = ALL.filter((row) => row.id >= bound).map((row) => row.id);
    await db.tx((tx) =>
      tx
        .updateTable('credentials')
        .set({ forgotten_at: START })
        .where('id', 'in', ids)
        .execute()
        .then(() => {}),
    );
    assert.equal((await list({}, 0, 100)).total, MOST_COUNTED);
    await db.tx((tx) =>
      tx
        .updateTable('credentials')
        .set({ forgotten_at: null })
        .where('id', '=', bound)
        .execute()
        .then(() => {}),
    );
    assert.equal((await list({}, 0, 100)).total, MOST_COUNTED + 1);
  });
});

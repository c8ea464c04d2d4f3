// Figure a: what it takes to tell whose a presented key is, among a thousand, a hundred thousand and a million of them. In this
// process, without HTTP: the verifier and its database alone.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import pino from 'pino';
import { DIGEST_PURPOSE } from '../src/credentials/issue.ts';
import { makeRoutable } from '../src/credentials/token-text.ts';
import { createVerifier } from '../src/credentials/verify.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemRandom } from '../src/kernel/random.ts';
import type { Secret } from '../src/kernel/secret.ts';
import { loadInstanceKeys } from '../src/storage/instance-keys.ts';
import { openDatabase } from '../src/storage/open-database.ts';
import { openBulk } from './support/bulk.ts';
import { type Figure, median, text } from './support/figure.ts';
import { inFolder } from './support/processes.ts';
import { KEYS } from './support/seed.ts';
import { startServer } from './support/server.ts';

const SAMPLE = 1000;
const TIMES = 20_000;
const ROUNDS = 5;

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const sizes = [1000, 100_000, 1_000_000].filter((size) => size <= KEYS);
    const verifiers = [];
    for (const size of sizes) verifiers.push(await prepare(join(folder, String(size)), size));
    const looked = sizes.map(() => [] as number[]);
    const known = sizes.map(() => [] as number[]);
    for (let round = 0; round < ROUNDS; round += 1)
      for (const [index, { lookUp, again }] of verifiers.entries()) {
        looked[index]!.push(await lookUp());
        known[index]!.push(await again());
      }
    for (const { close } of verifiers) await close();
    const ratio = median(looked.at(-1)!) / median(looked[0]!);
    return {
      letter: 'a',
      title: `Verifying a key among 10^3, 10^5 and 10^6`,
      goal: '≤ 2 × from first to last',
      value: `${text(ratio, 2)} ×`,
      met: ratio <= 2,
      table: [
        ['keys', 'µs each, looked up', 'all rounds', 'µs each, remembered'],
        ...sizes.map((size, index) => [
          String(size),
          text(median(looked[index]!), 1),
          looked[index]!.map((one) => text(one, 1)).join(', '),
          text(median(known[index]!), 1),
        ]),
      ],
      notes: [
        `${SAMPLE} keys spread over the whole table, ${ROUNDS} rounds in turns. The ratio is that of looking up: another connection`,
        'commits first, so that nothing of the database is remembered, and each key is asked for once. Remembered is what all',
        `other requests find: ${TIMES} verifications a round with nothing committed meanwhile.`,
      ],
    };
  });
}

interface Prepared {
  /** Microseconds to verify one key when everything must be looked up. */
  lookUp(): Promise<number>;
  /** The same when its rows are remembered. */
  again(): Promise<number>;
  close(): Promise<void>;
}

/** A database with `size` keys. */
async function prepare(data: string, size: number): Promise<Prepared> {
  const server = await startServer({ data });
  await server.stop();
  const keys = loadInstanceKeys(join(data, 'keys'));
  const path = join(data, 'keyward.db');
  const bulk = await openBulk(`sqlite:${path}`);
  const id = await bulk.number('select max(id) as n from credentials');
  await bulk.copyRow('credentials', id, size, {
    secret_digest: bulk.randomDigest,
    name: `'key ' || i`,
    family_id: 'null',
  });
  const texts: Secret[] = [];
  const step = size / Math.min(SAMPLE, size);
  for (let nth = 1; nth <= Math.min(SAMPLE, size); nth += 1) {
    const secret = makeRoutable('glpat-', { o: 1, u: 1 }, systemRandom);
    const digest = keys.digest(DIGEST_PURPOSE, secret.reveal());
    await bulk.run(`update credentials set secret_digest = '${digest}' where id = ${id + Math.floor(nth * step)}`);
    texts.push(secret);
  }
  await bulk.finish();
  const raw = new DatabaseSync(path);
  const db = await openDatabase({ url: `sqlite:${path}`, clock: systemClock });
  const house = {
    db,
    keys,
    clock: systemClock,
    random: systemRandom,
    url: 'http://localhost',
    log: pino({ enabled: false }),
  };
  const verifier = createVerifier(house);
  // In no order that the disk would like.
  texts.sort((a, b) => (a.reveal() < b.reveal() ? -1 : 1));
  const verifyAll = async (times: number): Promise<number> => {
    const begin = performance.now();
    for (let count = 0; count < times; count += 1) {
      const verified = await verifier.token(texts[count % texts.length]!);
      if (!verified.ok) throw new Error(`a good key was refused: ${verified.error.code}`);
    }
    return ((performance.now() - begin) * 1000) / times;
  };
  return {
    async lookUp() {
      raw.exec(
        "insert into settings (name, value, updated_at) values ('bench', '1', 1) on conflict do update set updated_at = updated_at + 1",
      );
      // Within a turn of the event loop nobody else's commits are looked for.
      await setImmediate();
      return verifyAll(texts.length);
    },
    again: () => verifyAll(TIMES),
    async close() {
      raw.close();
      await db.close();
    },
  };
}

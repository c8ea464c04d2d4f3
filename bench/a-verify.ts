// Figure a: what it takes to tell whose a presented key is, among a thousand, a hundred thousand and a million of them. In this
// process, without HTTP: the verifier and its database alone.
import { join } from 'node:path';
import pino from 'pino';
import { DIGEST_PURPOSE } from '../src/credentials/issue.ts';
import { makeRoutable } from '../src/credentials/token-text.ts';
import { createVerifier } from '../src/credentials/verify.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { systemRandom } from '../src/kernel/random.ts';
import type { Secret } from '../src/kernel/secret.ts';
import { loadInstanceKeys } from '../src/storage/instance-keys.ts';
import { openDatabase } from '../src/storage/open-database.ts';
import { type Figure, median, text } from './support/figure.ts';
import { inFolder } from './support/processes.ts';
import { copyRow, KEYS, openRaw, RANDOM_DIGEST } from './support/seed.ts';
import { startServer } from './support/server.ts';

const SAMPLE = 1000;
const TIMES = 20_000;
const ROUNDS = 5;

export function run(): Promise<Figure> {
  return inFolder(async (folder) => {
    const sizes = [1000, 100_000, 1_000_000].filter((size) => size <= KEYS);
    const verifiers = [];
    for (const size of sizes) verifiers.push(await prepare(join(folder, String(size)), size));
    const times = sizes.map(() => [] as number[]);
    for (let round = 0; round < ROUNDS; round += 1)
      for (const [index, { once }] of verifiers.entries()) times[index]!.push(await once());
    for (const { close } of verifiers) await close();
    const medians = times.map(median);
    const ratio = medians.at(-1)! / medians[0]!;
    return {
      letter: 'a',
      title: `Verifying a key among 10^3, 10^5 and 10^6`,
      goal: '≤ 2 × from first to last',
      value: `${text(ratio, 2)} ×`,
      met: ratio <= 2,
      table: [
        ['keys', 'µs each, median', 'all rounds'],
        ...sizes.map((size, index) => [
          String(size),
          text(medians[index]!, 1),
          times[index]!.map((one) => text(one, 1)).join(', '),
        ]),
      ],
      notes: [`${SAMPLE} keys spread over the whole table, ${TIMES} verifications a round, ${ROUNDS} rounds in turns.`],
    };
  });
}

/** A database with `size` keys. `once` verifies many times and answers the microseconds of one. */
async function prepare(data: string, size: number): Promise<{ once(): Promise<number>; close(): Promise<void> }> {
  const server = await startServer({ data });
  await server.stop();
  const keys = loadInstanceKeys(join(data, 'keys'));
  const path = join(data, 'keyward.db');
  const raw = openRaw(path);
  raw.exec('begin');
  const { id } = raw.prepare('select max(id) as id from credentials').get() as { id: number };
  copyRow(raw, 'credentials', id, size, { secret_digest: RANDOM_DIGEST, name: `'key ' || i`, family_id: 'null' });
  const texts: Secret[] = [];
  const update = raw.prepare('update credentials set secret_digest = ? where id = ?');
  const step = size / Math.min(SAMPLE, size);
  for (let nth = 1; nth <= Math.min(SAMPLE, size); nth += 1) {
    const secret = makeRoutable('glpat-', { o: 1, u: 1 }, systemRandom);
    update.run(keys.digest(DIGEST_PURPOSE, secret.reveal()), id + Math.floor(nth * step));
    texts.push(secret);
  }
  raw.exec('commit');
  raw.close();
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
  return {
    async once() {
      const begin = performance.now();
      for (let count = 0; count < TIMES; count += 1) {
        const verified = await verifier.token(texts[count % texts.length]!);
        if (!verified.ok) throw new Error(`a good key was refused: ${verified.error.code}`);
      }
      return ((performance.now() - begin) * 1000) / TIMES;
    },
    close: () => db.close(),
  };
}

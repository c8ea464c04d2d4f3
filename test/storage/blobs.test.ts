// Blobs on disk and their collection: whole or not at all, ranges, and nothing left over after an abort or a crash.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { DAY, HOUR } from '../../src/kernel/clock.ts';
import { doomBlobs, insertBlob } from '../../src/storage/blob-store.ts';
import { blobTask } from '../../src/storage/blob-task.ts';
import { BlobMismatch, openBlobs } from '../../src/storage/blobs.ts';
import { MAINTENANCE, takeHold } from '../../src/storage/hold-store.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld } from '../support/world.ts';

const folders: string[] = [];
after(async () => {
  for (const folder of folders) await rm(folder, { recursive: true, force: true });
});

async function freshBlobs() {
  const root = await mkdtemp(join(tmpdir(), 'keyward-blobs-'));
  folders.push(root);
  const files = async () =>
    (await readdir(root, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ name }) => name);
  return { root, blobs: openBlobs(root), files };
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

describe('blobs', () => {
  it('give back what was written, whole and in ranges', async () => {
    const { blobs } = await freshBlobs();
    const bytes = randomBytes(700_000);
    const expect = { sha256: sha256(bytes), size: bytes.length };
    const written = await blobs.write(Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]), { expect });
    assert.deepEqual({ sha256: written.sha256, size: written.size }, expect);
    assert.match(written.key, /^[0-9a-f]{32}$/);
    assert.deepEqual(await buffer(await blobs.read(written.key)), bytes);
    const part = await buffer(await blobs.read(written.key, { first: 10, last: 399_999 }));
    assert.deepEqual(part, bytes.subarray(10, 400_000));
    const empty = await blobs.write(Readable.from([]));
    assert.deepEqual(await buffer(await blobs.read(empty.key)), Buffer.alloc(0));
  });

  it('keep nothing whose digest, size or stream is wrong', async () => {
    const { blobs, files } = await freshBlobs();
    const bytes = randomBytes(1000);
    const good = { sha256: sha256(bytes), size: 1000 };
    for (const expect of [
      { ...good, size: 999 },
      { ...good, size: 1001 },
      { ...good, sha256: sha256(Buffer.from('x')) },
    ])
      await assert.rejects(blobs.write(Readable.from([bytes]), { expect }), BlobMismatch);
    const broken = new PassThrough();
    const writing = blobs.write(broken, { expect: good });
    broken.write(bytes.subarray(0, 100));
    setImmediate(() => broken.destroy(new Error('the line went dead')));
    await assert.rejects(writing, /the line went dead/);
    const abort = new AbortController();
    const endless = new PassThrough();
    const aborted = blobs.write(endless, { signal: abort.signal });
    endless.write(bytes);
    await pause(20);
    abort.abort();
    await assert.rejects(aborted, { name: 'AbortError' });
    assert.deepEqual(await files(), []);
  });

  it('know no key but their own form, and miss what is not there', async () => {
    const { blobs } = await freshBlobs();
    for (const key of ['', '../../etc/passwd', 'a'.repeat(31), 'A'.repeat(32), `${'a'.repeat(32)}\n`])
      await assert.rejects(blobs.read(key), /32 hex/);
    await assert.rejects(blobs.read('a'.repeat(32)), { code: 'ENOENT' });
    await blobs.delete('a'.repeat(32));
  });
});

forEachEngine('the collection of blobs', (engine) => {
  it('takes doomed blobs, files without a row and old drafts, and leaves the rest', async () => {
    const { house, clock } = makeWorld(await engine.open());
    const { root, blobs, files } = await freshBlobs();
    const add = async (text: string) => {
      const written = await blobs.write(Readable.from([Buffer.from(text)]));
      const id = await house.db.tx((tx) => insertBlob(tx, { ...written, now: clock.now() }));
      return { ...written, id };
    };
    const [kept, doomed] = [await add('kept'), await add('doomed')];
    const orphan = await blobs.write(Readable.from([Buffer.from('nobody knows it')]));
    const young = await blobs.write(Readable.from([Buffer.from('its row comes in a moment')]));
    await writeFile(join(root, 'drafts', 'f'.repeat(32)), 'half');
    const old = new Date(clock.now() - 2 * DAY);
    const before = (key: string) => utimes(join(root, key.slice(0, 2), key), old, old);
    for (const { key } of [kept, doomed, orphan]) await before(key);
    await utimes(join(root, 'drafts', 'f'.repeat(32)), old, old);
    await utimes(join(root, young.key.slice(0, 2), young.key), new Date(clock.now()), new Date(clock.now()));
    await house.db.tx((tx) => doomBlobs(tx, [doomed.id], clock.now()));

    clock.advance(2 * HOUR);
    const collect = blobTask(house, blobs);
    const hold = { name: MAINTENANCE, holder: 'a backup', until: clock.now() + HOUR, now: clock.now() };
    await house.db.tx((tx) => takeHold(tx, hold));
    await collect();
    assert.equal((await files()).length, 5, 'a backup is copying');
    clock.advance(HOUR);
    await collect();
    assert.deepEqual((await files()).sort(), [kept.key, young.key].sort());
    const rows = await house.db.read.selectFrom('blobs').select('id').execute();
    assert.deepEqual(rows, [{ id: kept.id }]);
    await collect();
    assert.equal((await files()).length, 2);
  });
});

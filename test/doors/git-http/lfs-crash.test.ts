// A server that is killed in the middle of LFS uploads, again and again on one data folder: whatever it acknowledged is there
// afterwards, byte for byte, and nothing is there that was not whole.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { basic } from '../../lessons/lab.ts';
import { spawnServer } from '../../support/server.ts';

const KILLS = 10;

it('nothing that was acknowledged is lost to kill -9', { timeout: 240_000 }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-lfs-crash-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const data = join(folder, 'data');
  const acknowledged = new Map<string, number>();
  const tried = new Map<string, number>();
  let made = false;
  for (let round = 0; round <= KILLS; round += 1) {
    const server = await spawnServer({ data });
    if (!made) {
      const project = await server.api('POST', '/projects', { body: { name: 'big', path: 'big' } });
      assert.equal(project.status, 201, project.text);
      made = true;
    }
    const headers = basic('root', server.rootToken);
    const at = (oid: string) => `${server.url}/root/big.git/gitlab-lfs/objects/${oid}`;
    for (const [oid, size] of tried) {
      const answer = await fetch(at(oid), { headers });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (acknowledged.has(oid)) assert.equal(answer.status, 200, 'an acknowledged object is gone');
      if (answer.status !== 200) continue;
      assert.equal(bytes.length, size);
      assert.equal(createHash('sha256').update(bytes).digest('hex'), oid);
    }
    tried.clear();
    if (round < KILLS) {
      const uploads = Array.from({ length: 8 }, async () => {
        for (;;) {
          const bytes = randomBytes(randomInt(1, 400_000));
          const oid = createHash('sha256').update(bytes).digest('hex');
          tried.set(oid, bytes.length);
          const answer = await fetch(`${at(oid)}/${bytes.length}`, { method: 'PUT', headers, body: bytes }).catch(
            () => null,
          );
          if (answer === null) return;
          assert.equal(answer.status, 200);
          acknowledged.set(oid, bytes.length);
        }
      });
      await pause(randomInt(100, 900));
      server.kill();
      await Promise.all(uploads);
    }
    await server.stop();
  }
  assert.ok(acknowledged.size > KILLS, `${acknowledged.size} uploads were acknowledged`);
});

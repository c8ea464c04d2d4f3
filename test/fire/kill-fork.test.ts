// A server is killed while it copies a fork: nobody goes on with the copy, so the fork must not say for ever that it was started,
// and nothing of the half-made repository may show.
import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { spawnServer } from '../support/server.ts';

let data: string;
before(async () => {
  data = await mkdtemp(join(tmpdir(), 'keyward-kill-fork-'));
});
after(() => rm(data, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 }));

const halfMade = (): Promise<string[]> => readdir(join(data, 'repositories', '+new')).catch(() => []);

it('a fork whose server was killed on the way says failed after the next start, and nothing half-made is left', async () => {
  let server = await spawnServer({ data });
  const body = { name: 'source', initialize_with_readme: true };
  const source = (await server.api('POST', '/projects', { body })).body;
  for (let round = 0; (await halfMade()).length === 0; round++) {
    assert.ok(round < 10, 'no kill came while a fork was copied');
    if (round > 0) server = await spawnServer({ data });
    const wish = { body: { name: `f${round}`, path: `f${round}` } };
    let over = false;
    const fork = server.api('POST', `/projects/${source.id}/fork`, wish).then(
      () => (over = true),
      () => (over = true),
    );
    while (!over && (await halfMade()).length === 0) await pause(1);
    await server.kill();
    await fork;
  }
  server = await spawnServer({ data });
  try {
    assert.deepEqual(await halfMade(), []);
    const forks = (await server.api('GET', `/projects/${source.id}/forks`)).body as { id: number }[];
    const statuses = await Promise.all(
      forks.map(async ({ id }) => (await server.api('GET', `/projects/${id}`)).body.import_status),
    );
    assert.ok(statuses.includes('failed') && !statuses.includes('started'), String(statuses));
  } finally {
    await server.stop();
  }
});

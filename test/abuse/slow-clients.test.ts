// Clients that take their time: every connection ends by itself, whatever its other side does not do, and nothing of it stands in
// the log as a failure of ours.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import { route } from '../../src/doors/rest/route.ts';
import { none, object, optional, text } from '../../src/doors/rest/schema.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import type { Database } from '../../src/storage/database.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { type RestWorld, startRest } from '../support/rest.ts';
import { pause, say } from './wire.ts';

const LIMITS = { headers: 600, idle: 900, body: 1500 };

describe('a slow client', () => {
  let db: Database;
  let rest: RestWorld;
  let folder = '';
  let url = '';
  let streamEnded = false;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-slow-'));
    db = await openDatabase({ url: `sqlite:${join(folder, 'keyward.db')}`, clock: systemClock });
    rest = await startRest(db, {
      limits: LIMITS,
      routes: [
        route({
          method: 'POST',
          path: '/echo',
          action: 'catalogue:read',
          params: object({ name: optional(text('Anything')) }),
          summary: 'For the test',
          handler: async ({ input }) => ({ type: 'json', status: 201, body: { name: input.name ?? null } }),
        }),
        route({
          method: 'GET',
          path: '/endless',
          action: 'catalogue:read',
          params: none,
          summary: 'For the test',
          handler: async () => {
            const body = new Readable({
              read() {
                this.push(Buffer.alloc(256 * 1024));
              },
              destroy(error, done) {
                streamEnded = true;
                done(error);
              },
            });
            return { type: 'stream', status: 200, headers: { 'content-type': 'application/octet-stream' }, body };
          },
        }),
      ],
    });
    const address = rest.app.server.address() as { port: number };
    url = `http://127.0.0.1:${address.port}`;
  });
  after(async () => {
    await rest.stop();
    await db.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('who connects and says nothing is closed', async () => {
    const wire = await say(url);
    assert.ok((await wire.closed()) < 4000);
  });

  it('who sends a header a moment is closed once all of them took too long', async () => {
    const wire = await say(url, 'GET /api/v4/echo HTTP/1.1\r\nHost: x\r\n');
    const drip = setInterval(() => wire.socket.write('X-More: 1\r\n'), 100);
    const took = await wire.closed().finally(() => clearInterval(drip));
    assert.ok(took < 4000, `${took} ms`);
    assert.match(wire.heard(), /^HTTP\/1\.1 408 /);
  });

  it('who stops in the middle of a body is closed', async () => {
    const wire = await say(url, 'POST /api/v4/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nname=');
    assert.ok((await wire.closed()) < 1450, 'by its silence, before the time of the whole body is over');
  });

  it('who sends a byte a moment is closed once the body took too long', async () => {
    const wire = await say(url, 'POST /api/v4/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n');
    const drip = setInterval(() => wire.socket.write('a'), 100);
    const took = await wire.closed().finally(() => clearInterval(drip));
    assert.ok(took >= 1400 && took < 5000, `${took} ms`);
  });

  it('who asks for much and reads nothing is closed, and so is what was read for him', async () => {
    const wire = await say(url);
    wire.socket.pause();
    wire.socket.write('GET /api/v4/endless HTTP/1.1\r\nHost: x\r\n\r\n');
    const deadline = performance.now() + 8000;
    while (!streamEnded && performance.now() < deadline) await pause(20);
    assert.equal(streamEnded, true);
    wire.socket.destroy();
  });

  it('who is merely slow is served', async () => {
    const wire = await say(url, 'POST /api/v4/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 6\r\n');
    await pause(200);
    wire.socket.write('\r\nname');
    await pause(400);
    wire.socket.write('=a');
    await wire.closed();
    assert.match(wire.heard(), /^HTTP\/1\.1 201 .*\{"name":"a"\}$/s);
  });

  it('leaves no failure in the log, whoever left when', async () => {
    const wire = await say(url, 'POST /api/v4/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nname=');
    await pause(50);
    wire.socket.resetAndDestroy();
    await pause(100);
    const failures = rest.log.filter((line) => JSON.parse(line).level >= 50);
    assert.deepEqual(failures, []);
  });
});

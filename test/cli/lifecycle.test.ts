// How a server begins and ends: two nodes on one database at once, TLS, what trusted proxies change, and an end that lets
// running requests finish and keeps what was noted.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import { findCredential } from '../../src/credentials/credential-store.ts';
import { listUsers } from '../../src/identity/user-store.ts';
import { openHouse } from '../../src/open-house.ts';
import { startServer as startRealServer } from '../../src/server.ts';
import { postgresDatabase } from '../support/engines.ts';
import { ROOT_TOKEN, startServer } from '../support/server.ts';

const log = pino({ level: 'silent' });

describe('the life of a server', () => {
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-life-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('lets two nodes start on one empty database together, and makes one root', async () => {
    const database = await postgresDatabase();
    const config = (name: string) =>
      readConfig(
        {
          KEYWARD_DATA: join(folder, name),
          KEYWARD_KEYS: join(folder, 'keys'),
          KEYWARD_LISTEN: '127.0.0.1:0',
          KEYWARD_SSH_LISTEN: 'off',
          KEYWARD_DATABASE_URL: database.url,
          KEYWARD_ROOT_TOKEN: ROOT_TOKEN,
        },
        folder,
      );
    const nodes = await Promise.all([startRealServer(config('a'), { log }), startRealServer(config('b'), { log })]);
    assert.equal(nodes.filter((node) => node.generatedPassword !== null).length, 1, 'one password was made up');
    const { total } = await listUsers(nodes[0].services.db.read, { humans: true }, { offset: 0, perPage: 10 });
    assert.equal(total, 1);
    for (const { url } of nodes) {
      const answer = await fetch(`${url}/api/v4/user`, { headers: { 'PRIVATE-TOKEN': ROOT_TOKEN } });
      assert.equal(answer.status, 200, 'both nodes know the token');
    }
    await Promise.all(nodes.map((node) => node.stop()));
    await database.drop();
  });

  it('speaks HTTPS when it is given a certificate', async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const flags = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    execFileSync('openssl', ['req', ...flags, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' });
    const server = await startServer({ env: { KEYWARD_TLS_CERT: cert, KEYWARD_TLS_KEY: key } });
    assert.match(server.url, /^https:\/\/localhost:\d+$/);
    const ca = await readFile(cert);
    const status = await new Promise((resolve, reject) => {
      request(`${server.url}/-/health`, { ca, host: '127.0.0.1', servername: 'localhost' }, (answer) => {
        answer.resume();
        resolve(answer.statusCode);
      })
        .on('error', reject)
        .end();
    });
    assert.equal(status, 200);
    await server.stop();
  });

  it('believes X-Forwarded-For from trusted proxies alone', async () => {
    for (const [trusted, expected] of [
      ['', '127.0.0.1'],
      ['127.0.0.1', '203.0.113.9'],
    ] as const) {
      const lines: string[] = [];
      const server = await startServer({ env: { KEYWARD_TRUSTED_PROXIES: trusted }, log: (line) => lines.push(line) });
      await server.api('GET', '/version', { headers: { 'X-Forwarded-For': '203.0.113.9' } });
      const request = lines.map((line) => JSON.parse(line)).find((entry) => entry.url === '/api/v4/version');
      assert.equal(request?.ip, expected);
      await server.stop();
    }
  });

  it('finishes what runs, takes nothing new, and keeps what was noted', async () => {
    const data = join(folder, 'drain');
    const config = readConfig(
      { KEYWARD_DATA: data, KEYWARD_LISTEN: '127.0.0.1:0', KEYWARD_SSH_LISTEN: 'off', KEYWARD_ROOT_TOKEN: ROOT_TOKEN },
      folder,
    );
    const server = await startRealServer(config, { log });
    const port = Number(new URL(server.url).port);
    const slow = connect(port, '127.0.0.1');
    let answer = '';
    slow.setEncoding('utf8').on('data', (text) => (answer += text));
    const closed = new Promise((resolve) => slow.on('close', resolve));
    const body = JSON.stringify({ name: 'Slow', path: 'slow' });
    slow.write(
      `POST /api/v4/groups HTTP/1.1\r\nHost: localhost\r\nPRIVATE-TOKEN: ${ROOT_TOKEN}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`,
    );
    await new Promise((next) => setTimeout(next, 200));
    const stopped = server.stop();
    await new Promise((next) => setTimeout(next, 100));
    const refused = await new Promise((resolve) =>
      connect(port, '127.0.0.1')
        .on('connect', () => resolve(false))
        .on('error', () => resolve(true)),
    );
    assert.equal(refused, true, 'nothing new is taken');
    slow.write(body.slice(5));
    await closed;
    assert.match(answer, /^HTTP\/1\.1 201 /);
    await stopped;
    assert.equal(await server.stop(), undefined, 'stopping again is the same stop');

    const house = await openHouse(config, { url: server.url, log });
    const used = await findCredential(house.services.db.read, 1);
    assert.notEqual(used?.last_used_at, null, 'the last use was written on the way out');
    await house.close();
    const again = await startRealServer(config, { log });
    const group = await fetch(`${again.url}/api/v4/groups/slow`, { headers: { 'PRIVATE-TOKEN': ROOT_TOKEN } });
    assert.equal(group.status, 200, 'and the group is there');
    await again.stop();
  });

  it('leaves nothing open when it cannot start', async () => {
    const blocker = await startServer();
    const config = readConfig(
      {
        KEYWARD_DATA: blocker.data,
        KEYWARD_LISTEN: '127.0.0.1:0',
        KEYWARD_SSH_LISTEN: 'off',
        KEYWARD_ROOT_TOKEN: ROOT_TOKEN,
      },
      folder,
    );
    await assert.rejects(startRealServer(config, { log }), /already running/);
    assert.equal((await blocker.api('GET', '/version')).status, 200);
    await blocker.stop();
  });
});

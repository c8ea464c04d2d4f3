// What is too much: of headers, address, body, parameters, pages, and of requests and connections of one address at a time. Each
// is refused with an answer that says so, and before anything was done with it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { CROWD_LIMITS } from '../../src/doors/http/crowding.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { Crowd } from './crowd.ts';
import { pause, say, type Wire } from './wire.ts';

const MB = 1024 * 1024;

describe('too much', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  const raw = async (text: string): Promise<string> => {
    const wire = await say(server.url, text);
    await wire.closed();
    return wire.heard();
  };
  const get = (path: string, headers = '') =>
    raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`);

  it('of headers is 431', async () => {
    assert.match(await get('/api/v4/version', `X-Long: ${'a'.repeat(40_000)}\r\n`), /^HTTP\/1\.1 431 /);
    const many = Array.from({ length: 3000 }, (_, index) => `X-${index}: some more of it\r\n`).join('');
    assert.match(await get('/api/v4/version', many), /^HTTP\/1\.1 431 /);
  });

  it('of a path is 404, of a URL 431', async () => {
    assert.match(await get(`/api/v4/projects/${'a'.repeat(10_000)}`), /^HTTP\/1\.1 404 /);
    assert.match(await get(`/${'a/'.repeat(4000)}x.git/info/refs?service=git-upload-pack`), /^HTTP\/1\.1 (401|404) /);
    assert.match(await get(`/api/v4/projects?x=${'a'.repeat(40_000)}`), /^HTTP\/1\.1 431 /);
  });

  it('of a body is 413: a megabyte of a stranger, fifty of somebody with a key, however it is told', async () => {
    const type = 'Content-Type: application/json\r\n';
    const told = await raw(
      `POST /api/v4/keyward/session HTTP/1.1\r\nHost: x\r\n${type}Content-Length: ${2 * MB}\r\n\r\n{"login":"`,
    );
    assert.match(told, /^HTTP\/1\.1 413 /);
    assert.match(told, /connection: close/i, 'what was not read is not taken for the next request');
    const chunked = await say(
      server.url,
      `POST /api/v4/keyward/session HTTP/1.1\r\nHost: x\r\n${type}Transfer-Encoding: chunked\r\n\r\n`,
    );
    const chunk = `10000\r\n${'a'.repeat(65_536)}\r\n`;
    for (let sent = 0; sent < 2 * MB && !chunked.heard(); sent += 65_536) {
      chunked.socket.write(chunk);
      await pause(1);
    }
    await chunked.closed();
    assert.match(chunked.heard(), /^HTTP\/1\.1 413 /);
    const own = `PRIVATE-TOKEN: ${server.rootToken}\r\n${type}Content-Length: ${51 * MB}\r\n\r\n{`;
    assert.match(await raw(`POST /api/v4/projects HTTP/1.1\r\nHost: x\r\n${own}`), /^HTTP\/1\.1 413 /);
    const fits = await server.api('POST', '/projects', { body: { name: 'x', description: 'a'.repeat(2 * MB) } });
    assert.notEqual(fits.status, 413);
  });

  it('of fields and files in a form is refused', async () => {
    const form = (count: number, disposition: (index: number) => string) => ({
      headers: { 'content-type': 'multipart/form-data; boundary=b' },
      raw: `${Array.from({ length: count }, (_, index) => `--b\r\nContent-Disposition: form-data; ${disposition(index)}\r\n\r\nx\r\n`).join('')}--b--\r\n`,
    });
    const fields = await server.api(
      'POST',
      '/projects',
      form(600, (index) => `name="${index}"`),
    );
    assert.equal(fields.status, 413, fields.text);
    const files = await server.api(
      'POST',
      '/projects',
      form(20, (index) => `name="${index}"; filename="x"`),
    );
    assert.equal(files.status, 413, files.text);
    assert.ok(!/missing|invalid/.test(files.text), 'not for what is in it');
  });

  it('of a page is a hundred, and a page beyond all is empty or refused', async () => {
    const list = await server.api('GET', '/users?per_page=100000');
    assert.equal(list.headers.get('x-per-page'), '100');
    assert.equal((await server.api('GET', '/users?page=2147483648')).body.length, 0);
    assert.equal((await server.api('GET', '/users?page=99999999999999999999')).status, 400);
    assert.equal((await server.api('GET', '/users?per_page=-1')).status, 400);
  });

  it('of requests at once from one address is 429, while others are answered, and over when they are', async () => {
    const crowd = await Crowd.gather(server.url, CROWD_LIMITS.requests);
    const one = await server.http('GET', '/api/v4/version', { token: server.rootToken });
    assert.equal(one.status, 429);
    assert.equal(one.headers.get('retry-after'), '2');
    assert.deepEqual(one.body, { message: '429 Too Many Requests' });
    const git = await server.http('GET', '/a/b.git/info/refs?service=git-upload-pack');
    assert.equal(git.status, 429);
    assert.match(git.text, /^Too many requests/);
    assert.match(await crowd.fromElsewhere('/-/health'), /^HTTP\/1\.1 200 /);
    await crowd.leave();
    await pause(100);
    assert.equal((await server.api('GET', '/version')).status, 200);
  });

  it('of connections from one address are closed unread, while those of others are served', async () => {
    const wires: Wire[] = [];
    for (let index = 0; index < CROWD_LIMITS.connections; index++) wires.push(await say(server.url));
    await pause(100);
    const extra = await say(server.url, 'GET /-/health HTTP/1.1\r\nHost: x\r\n\r\n');
    await extra.closed(2000);
    assert.equal(extra.heard(), '');
    assert.match(await Crowd.from('127.0.0.9', server.url, '/-/health'), /^HTTP\/1\.1 200 /);
    for (const { socket } of wires) socket.destroy();
    await Promise.all(wires.map(({ socket }) => (socket.closed ? null : once(socket, 'close'))));
    await pause(100);
    assert.equal((await server.http('GET', '/-/health')).status, 200);
  });
});

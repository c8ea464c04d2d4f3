// The end of a request is told once to all who wait for it, whenever they begin to wait: nothing that a request holds outlives it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { RequestEnd } from '../../../src/doors/rest/request-end.ts';

/** Serves one request; `leave`: its client is gone before it hears anything. */
async function serveOne(leave: boolean, listener: RequestListener): Promise<void> {
  let heard = (): void => {};
  const closed = new Promise<void>((resolve) => {
    heard = resolve;
  });
  const server = createServer((incoming, response) => {
    response.once('close', heard);
    listener(incoming, response);
    if (leave) client.destroy();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = request({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, agent: false });
  client.on('error', () => {});
  client.on('response', (response) => response.resume());
  client.end();
  await closed;
  await new Promise((done) => setImmediate(done));
  server.close();
}

describe('the end of a request', () => {
  it('is told once when the answer is out, and nobody has left', async () => {
    let told = 0;
    let end: RequestEnd | null = null;
    await serveOne(false, (_request, response) => {
      end = new RequestEnd(response);
      end.after(() => (told += 1));
      assert.equal(told, 0);
      response.end('x');
    });
    assert.equal(told, 1);
    assert.equal(end!.left.aborted, false);
    end!.after(() => (told += 10));
    assert.equal(told, 11);
  });

  it('is told once when the client leaves', async () => {
    let told = 0;
    let left: AbortSignal | null = null;
    await serveOne(true, (_request, response) => {
      const end = new RequestEnd(response);
      end.after(() => (told += 1));
      left = end.left;
    });
    assert.equal(told, 1);
    assert.equal(left!.aborted, true);
  });

  it('is known to whoever begins to look when it is over', async () => {
    const closed: { response?: ConstructorParameters<typeof RequestEnd>[0] } = {};
    await serveOne(true, (_request, response) => {
      closed.response = response;
    });
    const end = new RequestEnd(closed.response!);
    let told = 0;
    end.after(() => (told += 1));
    assert.equal(told, 1);
    assert.equal(end.left.aborted, true);
  });
});

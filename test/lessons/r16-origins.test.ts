// Lesson R16 (CVE-2025-7659: tokens were stolen through a loose check of the page's origin):
// 1. somebody signed in visits a page of an attacker, at a name that looks like ours;
// 2. the page reads our answers across origins, or sends a form with the visitor's cookie;
// 3. it learns a key, or makes one.
// No answer allows another origin to read it, and a session from another page may not write.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fill, type Lab, openLab, reading } from './lab.ts';

describe('another origin', () => {
  let lab: Lab;
  let cookie: string;
  let csrf: string;
  let origins: string[];

  before(async () => {
    lab = await openLab();
    const body = { login: 'root', password: lab.server.rootPassword };
    const signedIn = await lab.api('POST', '/keyward/session', { token: null, body });
    cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    csrf = signedIn.body.csrf_token;
    const { url } = lab.server;
    const { host, hostname, port } = new URL(url);
    origins = [
      'https://evil.example',
      'null',
      `${url}.evil.example`,
      `http://1${host}`,
      `http://evil.example:${port}`,
      `http://${hostname}.evil.example:${port}`,
      `http://${hostname}:${Number(port) + 1}`,
      url.replace('http:', 'https:'),
      url.replace(hostname, hostname === 'localhost' ? '127.0.0.1' : 'localhost'),
      '*',
    ];
  });
  after(() => lab?.stop());

  test('is named in no answer as one that may read', async () => {
    for (const route of reading)
      for (const method of ['GET', 'OPTIONS']) {
        const headers = { origin: origins[0]!, cookie, 'access-control-request-method': 'POST' };
        const answer = await lab.raw(method, `/api/v4${fill(route, {})}`, headers);
        const names = Object.keys(answer.headers).filter((name) => name.startsWith('access-control-'));
        assert.deepEqual(names, [], `${method} ${route.path}`);
      }
  });

  test('writes nothing with the cookie, even with the CSRF text', async () => {
    const target = '/api/v4/user/personal_access_tokens';
    const body = JSON.stringify({ name: 'stolen', scopes: ['api'] });
    const own = {
      cookie,
      'x-csrf-token': csrf,
      'content-type': 'application/json',
      'content-length': String(body.length),
    };
    for (const origin of origins) {
      const answer = await lab.raw('POST', target, { ...own, origin }, body);
      assert.equal(answer.status, 401, `${origin}: ${answer.text}`);
    }
    for (const site of ['cross-site', 'same-site', 'none', 'Same-Origin']) {
      const answer = await lab.raw('POST', target, { ...own, 'sec-fetch-site': site, origin: lab.server.url }, body);
      assert.equal(answer.status, 401, `${site}: ${answer.text}`);
    }
    const { 'x-csrf-token': _without, ...withoutProof } = own;
    assert.equal((await lab.raw('POST', target, { ...withoutProof, origin: lab.server.url }, body)).status, 401);
    const good = await lab.raw('POST', target, { ...own, origin: lab.server.url }, body);
    assert.equal(good.status, 201, good.text);
  });
});

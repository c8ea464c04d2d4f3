// What every REST route gets from the frame: paths, methods, encodings, pages, moved projects, streams, faults, logs
// (reference access-tokens 3, git-and-deploy 3.3, 4).
import assert from 'node:assert/strict';
import { type AddressInfo, connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { endCredential } from '../../../src/credentials/end.ts';
import type { Project } from '../../../src/identity/records.ts';
import { forEachEngine } from '../../support/engines.ts';
import { eventually, type RestWorld, startRest } from '../../support/rest.ts';
import { testRoutes } from '../../support/rest-routes.ts';

forEachEngine('the frame of REST', (engine) => {
  let rest: RestWorld;
  let text: string;
  let tokenId: number;
  let project: Project;
  let shut: Project;

  before(async () => {
    rest = await startRest(await engine.open(), { routes: testRoutes });
    const alice = await rest.user({ username: 'alice' });
    const token = await rest.issue({ kind: 'personal_access_token', userId: alice.id });
    text = token.secret.reveal();
    tokenId = token.credential.id;
    const group = await rest.group({ visibility: 'public', path: 'acme' });
    project = await rest.project(group, { visibility: 'public', path: 'tool.js' });
    shut = await rest.project(group, { path: 'shut' });
    await rest.member(alice, { project }, 40);
    await rest.house.db.tx(async (tx) => {
      for (const [path, id] of [
        ['acme/old', project.id],
        ['acme/older-shut', shut.id],
      ] as const)
        await tx
          .insertInto('path_redirects')
          .values({ full_path_lower: path, project_id: id, namespace_id: null, created_at: 0 })
          .execute();
    });
  });
  after(() => rest.stop());

  describe('paths and methods', () => {
    test('a place is an id or an encoded path, in any letter case', async () => {
      for (const id of [String(project.id), 'acme%2Ftool.js', 'ACME%2ftool.js'])
        assert.equal((await rest.call('GET', `/api/v4/projects/${id}`)).body.id, project.id);
    });

    test('a final * takes the rest of the path, decoded once', async () => {
      const answer = await rest.call('GET', `/api/v4/projects/${project.id}/files/src/a%20b%2Fc%252F.md`);
      assert.deepEqual(answer.body, { id: String(project.id), path: 'src/a b/c%2F.md' });
    });

    for (const target of [
      '/api/v4/nothing',
      '/api/v4/projects/acme/tool.js/x/y',
      '/api/v4//whoami',
      '/api/v4/whoami/',
      '/api/v4/whoami;x=1',
      '/api/v4/x/../whoami',
      '/api/v4/x/%2e%2e/whoami',
      '/api/v4/%zz',
      '/api/v4/whoami%00',
      '/%61pi/v4/whoami',
      '/api/v4',
    ])
      test(`${target} is an unknown route`, async () => {
        const answer = await rest.call('GET', target, { token: text });
        assert.equal(answer.status, 404);
        assert.ok(!answer.text.includes('alice'));
        if (target.startsWith('/api/v4/')) assert.deepEqual(answer.body, { error: '404 Not Found' });
      });

    test('a wrong method on a known path is 405 and names the right ones', async () => {
      const answer = await rest.call('PATCH', `/api/v4/projects/${project.id}`, { token: text });
      assert.deepEqual([answer.status, answer.body], [405, { error: '405 Not Allowed' }]);
      assert.equal(answer.headers['allow'], 'GET, HEAD, PUT, DELETE');
    });

    test('HEAD works wherever GET does: the same headers, no body', async () => {
      const got = await rest.call('GET', '/api/v4/list?total=45');
      const head = await rest.call('HEAD', '/api/v4/list?total=45');
      assert.deepEqual([head.status, head.text], [200, '']);
      for (const name of ['x-total', 'link', 'content-type', 'content-length'])
        assert.equal(head.headers[name], got.headers[name], name);
      assert.equal((await rest.call('HEAD', '/api/v4/stream')).text, '');
      assert.equal((await rest.call('HEAD', '/api/v4/whoami')).status, 401);
    });

    test('a moved project: GET leads to its id, writes are refused, and without read permission there is none', async () => {
      const get = await rest.call('GET', '/api/v4/projects/acme%2Fold/files/a%2Fb?x=1&private_token=', { token: text });
      assert.equal(get.status, 301);
      assert.equal(get.headers['location'], `${rest.house.url}/api/v4/projects/${project.id}/files/a/b?x=1`);
      const put = await rest.call('PUT', '/api/v4/projects/acme%2Fold', { token: text });
      assert.deepEqual(
        [put.status, put.body],
        [405, { message: 'Non GET methods are not allowed for moved projects' }],
      );
      assert.equal((await rest.call('GET', '/api/v4/projects/acme%2Folder-shut', { token: text })).status, 404);
    });
  });

  describe('encodings', () => {
    const target = () => `/api/v4/projects/${project.id}/echo`;
    const expected = {
      name: 'n',
      scopes: ['api', 'read_api'],
      count: 3,
      flag: true,
      expires_at: Date.UTC(2026, 0, 31),
      per: 7,
      nested: { deep: 'x' },
    };
    const pairs: [string, string][] = [
      ['name', 'n'],
      ['scopes[]', 'api'],
      ['scopes[]', 'read_api'],
      ['count', '3'],
      ['flag', '1'],
      ['expires_at', '2026-01-31'],
      ['nested[deep]', 'x'],
      ['unknown', 'ignored'],
    ];
    const query = () => new URLSearchParams(pairs).toString();
    const asMultipart = (fields: [string, string][], file?: Buffer) => {
      const parts = fields.map(
        ([name, value]) => `--XX\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      );
      const head = '--XX\r\nContent-Disposition: form-data; name="upload"; filename="a.bin"\r\n\r\n';
      const body = [Buffer.from(parts.join('')), ...(file ? [Buffer.from(head), file, Buffer.from('\r\n')] : [])];
      return {
        headers: { 'content-type': 'multipart/form-data; boundary=XX' },
        body: Buffer.concat([...body, Buffer.from('--XX--\r\n')]),
      };
    };

    test('query, form, multipart and JSON mean the same', async () => {
      const form = { 'content-type': 'application/x-www-form-urlencoded' };
      const json = { 'content-type': 'application/json; charset=utf-8' };
      const value = { ...expected, expires_at: '2026-01-31', unknown: [1] };
      const answers = [
        await rest.call('POST', `${target()}?${query()}`, { token: text }),
        await rest.call('POST', target(), { token: text, headers: form, body: query() }),
        await rest.call('POST', target(), { token: text, ...asMultipart(pairs) }),
        await rest.call('POST', target(), { token: text, headers: json, body: JSON.stringify(value) }),
      ];
      for (const [index, answer] of answers.entries())
        assert.deepEqual(answer.body?.input, expected, `${index}: ${answer.text}`);
    });

    test('the body wins over the query, and the token may be in either', async () => {
      const answer = await rest.call('POST', `${target()}?name=q&scopes=api&count=1`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ private_token: text, name: 'b' }),
      });
      assert.deepEqual(answer.body.input, { name: 'b', scopes: ['api'], count: 1, per: 7 });
    });

    test('uploaded files reach the handler whole', async () => {
      const upload = asMultipart(
        [
          ['name', 'n'],
          ['scopes', 'api'],
        ],
        Buffer.alloc(100_000, 1),
      );
      const answer = await rest.call('POST', target(), { token: text, ...upload });
      assert.deepEqual(answer.body.files, { upload: { filename: 'a.bin', size: 100_000 } });
    });

    test('several mistakes are one sentence under `error`', async () => {
      const answer = await rest.call('POST', `${target()}?scopes=nope&count=11&state=x`, { token: text });
      assert.deepEqual(
        [answer.status, answer.body],
        [
          400,
          {
            error:
              'name is missing, scopes does not have a valid value, count does not have a valid value, state does not have a valid value',
          },
        ],
      );
    });

    for (const [what, headers, body, status] of [
      ['broken JSON', { 'content-type': 'application/json' }, '{"a":', 400],
      ['a JSON list', { 'content-type': 'application/json' }, '[1]', 400],
      ['bytes that are no text', { 'content-type': 'application/json' }, Buffer.from([0x7b, 0xff]), 400],
      ['an unknown type', { 'content-type': 'text/csv' }, 'a,b', 415],
      ['a broken multipart body', { 'content-type': 'multipart/form-data; boundary=XX' }, 'nonsense', 400],
    ] as const)
      test(`${what} is ${status} with an \`error\``, async () => {
        const answer = await rest.call('POST', target(), { token: text, headers, body });
        assert.equal(answer.status, status, answer.text);
        assert.equal(typeof answer.body.error, 'string');
      });

    test('a stranger may not send much', async () => {
      for (const size of [1024 * 1024 + 1, 3 * 1024 * 1024]) {
        const body = 'x'.repeat(size);
        assert.equal((await rest.call('POST', '/api/v4/fault', { body })).status, 413);
        const unannounced = { 'transfer-encoding': 'chunked' };
        assert.equal((await rest.call('POST', '/api/v4/fault', { body, headers: unannounced })).status, 413);
      }
    });

    test('a body of megabytes is read from those who are let in, and refused unread from others', async () => {
      const json = { 'content-type': 'application/json' };
      const body = JSON.stringify({ name: 'n', scopes: 'api', unknown: 'x'.repeat(3 * 1024 * 1024) });
      assert.equal((await rest.call('POST', target(), { token: text, headers: json, body })).status, 200);
      const other = await rest.call('POST', '/api/v4/projects/424242/echo', { token: text, headers: json, body });
      assert.deepEqual([other.status, other.headers['connection']], [404, 'close']);
    });

    test('"continue" is said only to those who are let in', async () => {
      const json = { 'content-type': 'application/json', expect: '100-continue' };
      const body = JSON.stringify({ name: 'n', scopes: 'api' });
      const good = await rest.call('POST', target(), { token: text, headers: json, body });
      assert.deepEqual([good.status, good.continued], [200, true]);
      const bad = await rest.call('POST', target(), { token: 'glpat-zzzzzzzzzzzzzzzzzzzz', headers: json, body });
      assert.deepEqual([bad.status, bad.continued], [401, false]);
      const other = await rest.call('POST', '/api/v4/projects/424242/echo', { token: text, headers: json, body });
      assert.deepEqual([other.status, other.continued], [404, false]);
    });
  });

  describe('pages', () => {
    const list = (query: string) => rest.call('GET', `/api/v4/list?${query}`);
    const links = (header: unknown) =>
      Object.fromEntries([...String(header).matchAll(/<([^>]+)>; rel="(\w+)"/g)].map((match) => [match[2], match[1]]));

    test('a middle page has every header, and its links repeat the query without credentials', async () => {
      const answer = await list(`total=45&search=a%20b&per_page=10&page=2&private_token=${text}&token=x`);
      assert.deepEqual(answer.body, [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
      const { headers } = answer;
      assert.deepEqual(
        ['x-page', 'x-per-page', 'x-next-page', 'x-prev-page', 'x-total', 'x-total-pages'].map((name) => headers[name]),
        ['2', '10', '3', '1', '45', '5'],
      );
      const base = `${rest.house.url}/api/v4/list?total=45&search=a+b`;
      assert.deepEqual(links(headers['link']), {
        prev: `${base}&page=1&per_page=10`,
        next: `${base}&page=3&per_page=10`,
        first: `${base}&page=1&per_page=10`,
        last: `${base}&page=5&per_page=10`,
      });
    });

    test('the last page has no next one, and an empty list has one page', async () => {
      const last = await list('total=45&page=3');
      assert.deepEqual([last.headers['x-next-page'], last.body.length], ['', 5]);
      assert.equal(links(last.headers['link'])['next'], undefined);
      const empty = await list('total=0');
      assert.deepEqual([empty.headers['x-total'], empty.headers['x-total-pages'], empty.body], ['0', '1', []]);
    });

    test('above 10,000 rows the totals are not told', async () => {
      const answer = await list('total=10001');
      assert.equal(answer.headers['x-total'], undefined);
      assert.equal(answer.headers['x-total-pages'], undefined);
      assert.deepEqual(Object.keys(links(answer.headers['link'])).sort(), ['first', 'next']);
      assert.equal((await list('total=10000')).headers['x-total'], '10000');
    });

    test('more than a hundred counts as a hundred; below one and no number are refused', async () => {
      assert.equal((await list('total=500&per_page=1000')).body.length, 100);
      for (const [query, sentence] of [
        ['per_page=0', 'per_page does not have a valid value'],
        ['page=-1', 'page does not have a valid value'],
        ['page=x', 'page is invalid'],
        ['page=99999999999999999999', 'page is invalid'],
      ] as const) {
        const answer = await list(`total=1&${query}`);
        assert.deepEqual([answer.status, answer.body], [400, { error: sentence }]);
      }
    });

    test('a keyset page links to the next one alone', async () => {
      const answer = await rest.call('GET', `/api/v4/keyset?a=1&access_token=${text}`);
      assert.equal(answer.headers['link'], `<${rest.house.url}/api/v4/keyset?a=1&id_after=2>; rel="next"`);
      assert.equal(answer.headers['x-total'], undefined);
    });
  });

  describe('answers', () => {
    for (const [code, status, body] of [
      ['bad_request', 400, { message: '400 Bad request - Token already revoked' }],
      ['unprocessable', 422, { message: 'no' }],
      ['invalid_record', 400, { message: { expires_at: ['must be before 2027-03-01'] } }],
      ['not_found', 404, { message: '404 Not found' }],
      ['user_not_found', 404, { message: '404 User Not Found' }],
      ['conflict', 409, { message: '409 Conflict' }],
      ['method_not_allowed', 405, { message: '405 Method Not Allowed' }],
      ['precondition_failed', 412, { message: '412 Precondition Failed' }],
      ['too_many_requests', 429, { message: '429 Too Many Requests' }],
      ['crash', 500, { message: '500 Internal Server Error' }],
    ] as const)
      test(`the fault ${code} is ${status}`, async () => {
        const answer = await rest.call('POST', `/api/v4/fault?code=${code}`);
        assert.deepEqual([answer.status, answer.body], [status, body]);
      });

    test('JSON is exactly application/json, is not stored by anyone, and carries a request id', async () => {
      const { headers } = await rest.call('GET', '/api/v4/whoami', { token: text });
      assert.equal(headers['content-type'], 'application/json');
      assert.equal(headers['cache-control'], 'no-store');
      assert.match(String(headers['x-request-id']), /^[0-9a-f-]{36}$/);
    });

    test('no answer of any form leaves its key in use', async () => {
      for (const [method, path] of [
        ['POST', '/api/v4/fault?code=crash'],
        ['POST', '/api/v4/fault?code=forbidden'],
        ['PUT', `/api/v4/projects/${project.id}?name=x`],
        ['HEAD', '/api/v4/stream'],
        ['GET', '/api/v4/stream'],
        ['HEAD', '/api/v4/list'],
        ['GET', '/api/v4/list?page=x'],
        ['PATCH', '/api/v4/list'],
        ['GET', '/api/v4/nothing'],
      ] as const) {
        const { status } = await rest.call(method, path, { token: text });
        assert.ok(status > 0);
        await eventually(async () => rest.services.liveUses.size === 0);
      }
    });

    test('204 has no body, and streams come as they are', async () => {
      const empty = await rest.call('PUT', `/api/v4/projects/${project.id}?name=x`, { token: text });
      assert.deepEqual([empty.status, empty.text], [204, '']);
      assert.equal((await rest.call('GET', '/api/v4/stream')).text, 'onetwo');
    });

    test('ending a key ends what runs under it', async () => {
      const made = await rest.issue({ kind: 'personal_access_token', userId: (await rest.user()).id });
      const open = rest.services.liveUses.size;
      const waiting = rest.call('GET', '/api/v4/wait', { token: made.secret.reveal() });
      while (rest.services.liveUses.size === open) await new Promise((resolve) => setTimeout(resolve, 5));
      await rest.house.db.tx((tx) => endCredential(tx, rest.house, made.credential.id, 'revoked'));
      assert.deepEqual((await waiting).body, { aborted: true });
    });

    test('a client that leaves is forgotten, and what ran for it hears of it', async () => {
      const open = rest.services.liveUses.size;
      const { port } = rest.app.server.address() as AddressInfo;
      const client = connect(port, '127.0.0.1');
      client.write(`GET /api/v4/wait HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: ${text}\r\n\r\n`);
      await eventually(async () => rest.services.liveUses.size === open + 1);
      client.destroy();
      await eventually(async () => rest.services.liveUses.size === open);
    });

    test('use is noted for what was let in, and not for what was refused', async () => {
      const uses = () =>
        rest.house.db.read.selectFrom('credential_uses').select('ips').where('credential_id', '=', tokenId).execute();
      await rest.verifier.flush();
      assert.match((await uses())[0]!.ips, /127\.0\.0\.1/);
      const made = await rest.issue({ kind: 'personal_access_token', userId: (await rest.user()).id });
      await rest.call('GET', `/api/v4/projects/${shut.id}`, { token: made.secret.reveal() });
      await rest.verifier.flush();
      const none = await rest.house.db.read
        .selectFrom('credential_uses')
        .selectAll()
        .where('credential_id', '=', made.credential.id)
        .where('last_used_at', 'is not', null)
        .execute();
      assert.deepEqual(none, []);
    });

    test('no secret reaches the log, and a crash is there with its request id', async () => {
      for (const name of ['private_token', 'access_token', 'private%5Ftoken'])
        await rest.call('GET', `/api/v4/whoami?${name}=${text}`);
      await rest.call('GET', '/api/v4/whoami', { headers: { authorization: `Bearer ${text}` } });
      const crash = await rest.call('POST', '/api/v4/fault?code=crash');
      const all = rest.log.join('');
      assert.ok(all.includes('/api/v4/whoami?private_token=[FILTERED]'));
      assert.ok(!all.includes(text));
      assert.ok(
        rest.log.some((line) => line.includes('crashed') && line.includes(String(crash.headers['x-request-id']))),
      );
    });
  });

  describe('beside the API', () => {
    test('health, liveness and readiness', async () => {
      for (const path of ['health', 'liveness', 'readiness'])
        assert.equal((await rest.call('HEAD', `/-/${path}`)).status, 200, path);
      const health = await rest.call('GET', '/-/health');
      assert.deepEqual([health.status, health.text], [200, 'GitLab OK']);
      assert.equal((await rest.call('GET', '/-/liveness')).text, '{"status":"ok"}');
      assert.equal((await rest.call('GET', '/-/readiness?all=1')).status, 200);
    });

    test('metrics are for loopback and administrators', async () => {
      assert.match((await rest.call('GET', '/-/metrics')).text, /keyward_http_requests_total\{door="rest"/);
      const forwarded = await rest.call('GET', '/-/metrics', { headers: { 'x-forwarded-for': '10.0.0.1' } });
      assert.equal(forwarded.status, 401);
      assert.equal((await rest.call('GET', '/-/metrics', { token: text })).status, 403);
      const root = await rest.user({ admin: 1 });
      const key = await rest.issue({ kind: 'personal_access_token', userId: root.id });
      assert.equal((await rest.call('GET', '/-/metrics', { token: key.secret.reveal() })).status, 200);
    });
  });
});

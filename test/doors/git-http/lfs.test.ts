// The LFS routes on the wire, on both engines: batch, objects, locks, and every refusal with its own status and words (reference
// git-and-deploy 9).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { endCredential } from '../../../src/credentials/end.ts';
import { LFS_TOKEN_LIFE } from '../../../src/credentials/lfs-token.ts';
import { hashPassword } from '../../../src/identity/passwords.ts';
import type { Namespace, Project, User } from '../../../src/identity/records.ts';
import { HOUR } from '../../../src/kernel/clock.ts';
import { Secret } from '../../../src/kernel/secret.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import { basic, type Lab, openLab } from '../../lessons/lab.ts';

const LFS = 'application/vnd.git-lfs+json';
const MISSING = "Object does not exist on the server or you don't have permissions to access it";
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`git LFS over HTTP (${engine})`, () => {
    let lab: Lab;
    let group: Namespace;
    let project: Project;
    let maintainer: User;
    let developer: User;
    let owner: string;
    let dev: string;

    before(async () => {
      lab = await openLab({ engine });
      group = await lab.world.group();
      project = await lab.project(group);
      maintainer = await lab.world.user({ username: 'maren' });
      developer = await lab.world.user({ username: 'dora', name: 'Dora D.' });
      await lab.world.member(maintainer, { project }, 40);
      await lab.world.member(developer, { project }, 30);
      owner = await lab.pat(maintainer, 'api');
      dev = await lab.pat(developer, 'write_repository');
    });
    after(() => lab.stop());

    type Who = string | { authorization: string } | null;
    const headersOf = (who: Who) => (who === null ? {} : typeof who === 'string' ? basic('x', who) : who);
    async function call(method: string, path: string, who: Who, body?: unknown, at: Project = project) {
      const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
      const answer = await lab.raw(
        method,
        `/${at.full_path}.git${path}`,
        { ...headersOf(who), 'content-type': LFS },
        text,
      );
      const isJson = String(answer.headers['content-type']).startsWith(LFS);
      // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert what they find.
      return { ...answer, body: (isJson ? JSON.parse(answer.text) : null) as any };
    }
    const batch = (who: Who, operation: string, objects: unknown, at: Project = project) =>
      call('POST', '/info/lfs/objects/batch', who, { operation, objects, transfers: ['basic'] }, at);
    async function put(who: Who, oid: string, size: number, bytes: Buffer, at: Project = project) {
      return lab.raw('PUT', `/${at.full_path}.git/gitlab-lfs/objects/${oid}/${size}`, headersOf(who), bytes);
    }
    async function stored(bytes = randomBytes(1000), at: Project = project) {
      const oid = sha256(bytes);
      assert.equal((await put(owner, oid, bytes.length, bytes, at)).status, 200);
      return { oid, size: bytes.length, bytes };
    }
    const blobFiles = async () =>
      (await readdir(join(lab.server.data, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])).filter(
        (entry) => entry.isFile(),
      ).length;
    const rows = () => lab.server.services.db.read.selectFrom('lfs_objects').select('oid').execute();

    it('a batch tells what to upload, the upload is checked, and then it is there to download', async () => {
      const bytes = randomBytes(5000);
      const object = { oid: sha256(bytes), size: bytes.length };
      const asked = await batch(dev, 'upload', [object]);
      assert.equal(asked.status, 200);
      assert.equal(asked.headers['content-type'], LFS);
      const [{ actions, ...told }] = asked.body.objects;
      assert.deepEqual(told, object);
      const { href, header, expires_in } = actions.upload;
      const base = `${lab.server.url}/${project.full_path}.git/gitlab-lfs/objects/${object.oid}`;
      assert.equal(href, `${base}/${object.size}`);
      assert.equal(header['Content-Type'], 'application/octet-stream');
      assert.equal(header['Transfer-Encoding'], 'chunked');
      assert.equal(expires_in, LFS_TOKEN_LIFE / 1000);
      const [login, token] = Buffer.from(header.Authorization.slice(6), 'base64').toString().split(':');
      assert.equal(login, 'dora');
      assert.notEqual(token, dev);

      const sent = await put({ authorization: header.Authorization }, object.oid, object.size, bytes);
      assert.deepEqual([sent.status, sent.text], [200, '']);
      assert.deepEqual((await batch(dev, 'upload', [object])).body, { objects: [object] }, 'already there');

      const down = (await batch(dev, 'download', [object])).body.objects[0];
      assert.deepEqual([down.oid, down.size, down.authenticated], [object.oid, object.size, undefined]);
      assert.equal(down.actions.download.href, base);
      const got = await fetch(base, { headers: down.actions.download.header });
      assert.equal(got.status, 200);
      assert.equal(got.headers.get('content-type'), 'application/octet-stream');
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
    });

    it('what is missing is an error of its own inside the answer', async () => {
      const there = await stored();
      const oid = 'a'.repeat(64);
      const answer = await batch(dev, 'download', [
        { oid, size: 3 },
        { oid: there.oid, size: there.size },
      ]);
      assert.equal(answer.status, 200);
      assert.deepEqual(answer.body.objects[0], { oid, size: 3, error: { code: 404, message: MISSING } });
      assert.ok(answer.body.objects[1].actions);
      const direct = await call('GET', `/gitlab-lfs/objects/${oid}`, dev);
      assert.deepEqual([direct.status, direct.body.message], [404, 'Not found.']);
      assert.equal(direct.body.documentation_url, `${lab.server.url}/help`);
    });

    it('bytes that are not what they are called are refused and not kept', async () => {
      const before = await blobFiles();
      const bytes = randomBytes(100);
      const oid = sha256(bytes);
      const other = sha256(randomBytes(3));
      for (const [name, size] of [
        [other, 100],
        [oid, 99],
        [oid, 101],
      ] as const) {
        const answer = await put(owner, name, size, bytes);
        assert.deepEqual([answer.status, answer.text], [400, 'SHA256 or size mismatch\n'], `${name} ${size}`);
      }
      const chunked = await upload(owner, other, 100);
      chunked.sent.end(bytes);
      assert.equal((await chunked.answer).statusCode, 400);
      const long = await upload(owner, oid, 50);
      long.sent.end(bytes);
      assert.equal((await long.answer).statusCode, 400);
      assert.equal(await blobFiles(), before);
      assert.ok(!(await rows()).some((row) => row.oid === other || row.oid === oid));
    });

    async function upload(who: Who, oid: string, size: number) {
      const { hostname, port } = new URL(lab.server.url);
      const path = `/${project.full_path}.git/gitlab-lfs/objects/${oid}/${size}`;
      const headers = { ...headersOf(who), 'transfer-encoding': 'chunked' };
      const sent: ClientRequest = request({ hostname, port, method: 'PUT', path, headers, agent: false });
      const answer = new Promise<IncomingMessage>((resolve, reject) => {
        sent.on('response', (response) => resolve(response.resume()));
        sent.on('error', reject);
      });
      answer.catch(() => {});
      sent.flushHeaders();
      return { sent, answer };
    }

    it('a client that leaves, and a key that ends, leave nothing; the end of an LFS token cuts nothing', async () => {
      const before = await blobFiles();
      const bytes = randomBytes(300_000);
      const oid = sha256(bytes);
      const left = await upload(owner, oid, bytes.length);
      left.sent.write(bytes.subarray(0, 100_000));
      await until(async () => (await blobFiles()) === before + 1);
      left.sent.destroy();
      await until(async () => (await blobFiles()) === before);

      const { credential, secret } = await lab.world.issue({
        kind: 'personal_access_token',
        userId: developer.id,
        scopes: ['api'],
      });
      const { header } = (await batch(secret.reveal(), 'upload', [{ oid, size: bytes.length }])).body.objects[0].actions
        .upload;
      const slow = await upload({ authorization: header.Authorization }, oid, bytes.length);
      slow.sent.write(bytes.subarray(0, 100_000));
      await until(async () => (await blobFiles()) === before + 1);
      lab.clock.advance(LFS_TOKEN_LIFE + 1);
      const late = await put({ authorization: header.Authorization }, oid, bytes.length, bytes);
      assert.equal(late.status, 401, 'it begins nothing any more');
      slow.sent.end(bytes.subarray(100_000));
      assert.equal((await slow.answer).statusCode, 200, 'but what it began goes on');

      const more = randomBytes(200_000);
      const cut = await upload(secret.reveal(), sha256(more), more.length);
      cut.sent.write(more.subarray(0, 100_000));
      await until(async () => (await blobFiles()) === before + 2);
      const { services } = lab.server;
      await services.db.tx((tx) => endCredential(tx, services, credential.id, 'revoked'));
      await until(async () => (await blobFiles()) === before + 1);
      await cut.answer.then(
        (response) => assert.equal(response.statusCode, 401),
        (error: NodeJS.ErrnoException) => assert.match(error.code ?? '', /ECONNRESET|EPIPE/),
      );
      assert.ok(!(await rows()).some((row) => row.oid === sha256(more)));
    });

    it('two uploads of one object at the same moment are one object', async () => {
      const before = await blobFiles();
      const bytes = randomBytes(50_000);
      const answers = await Promise.all([1, 2, 3].map(() => put(owner, sha256(bytes), bytes.length, bytes)));
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 200, 200],
      );
      assert.equal(await blobFiles(), before + 1);
      assert.equal((await rows()).filter((row) => row.oid === sha256(bytes)).length, 1);
    });

    it('a download may be taken in parts', async () => {
      const { oid, bytes } = await stored();
      const get = async (headers: Record<string, string>) => {
        const answer = await fetch(`${lab.server.url}/${project.full_path}.git/gitlab-lfs/objects/${oid}`, {
          headers: { ...headersOf(dev), ...headers },
        });
        return {
          status: answer.status,
          range: answer.headers.get('content-range'),
          body: Buffer.from(await answer.arrayBuffer()),
        };
      };
      for (const [range, from, to] of [
        ['bytes=0-0', 0, 1],
        ['bytes=10-19', 10, 20],
        ['bytes=900-', 900, 1000],
        ['bytes=900-5000', 900, 1000],
        ['bytes=-1', 999, 1000],
        ['bytes=-5000', 0, 1000],
      ] as const) {
        const part = await get({ range });
        assert.equal(part.status, 206, range);
        assert.equal(part.range, `bytes ${from}-${to - 1}/1000`);
        assert.deepEqual(part.body, bytes.subarray(from, to));
      }
      for (const range of [
        'bytes=5-4',
        'bytes=-',
        'bytes=1-2,4-5',
        'lines=1-2',
        'bytes=x-2',
        `bytes=${'9'.repeat(30)}-`,
      ])
        assert.deepEqual([(await get({ range })).status, (await get({ range })).body.length], [200, 1000], range);
      for (const range of ['bytes=1000-', 'bytes=-0']) assert.equal((await get({ range })).status, 416, range);
      assert.equal((await get({ range: 'bytes=0-1', 'if-range': '"other"' })).status, 200);
      assert.equal((await get({ range: 'bytes=0-1', 'if-range': `"${oid}"` })).status, 206);
    });

    it('names of objects that are none open nothing', async () => {
      const bad = [
        '',
        'a'.repeat(63),
        'a'.repeat(65),
        'A'.repeat(64),
        `${'a'.repeat(63)}g`,
        '../../../../etc/passwd',
        '..%2f..%2fetc%2fpasswd',
        `${'a'.repeat(64)}%00`,
        `${'a'.repeat(64)}/../x`,
        `sha256:${'a'.repeat(64)}`,
        'ａ'.repeat(64),
        '-'.repeat(64),
      ];
      for (const oid of bad) {
        const target = `/gitlab-lfs/objects/${encodeURI(oid)}`;
        for (const [method, path] of [
          ['GET', target],
          ['PUT', `${target}/1`],
        ] as const) {
          const answer = await call(method, path, owner);
          assert.ok([404, 400].includes(answer.status), `${method} ${oid}: ${answer.status}`);
        }
        const down = await batch(owner, 'download', [{ oid, size: 1 }]);
        assert.equal(down.body.objects[0].error.code, 404, oid);
        const up = await batch(owner, 'upload', [{ oid, size: 1 }]);
        assert.equal(up.body.objects[0].error.code, 422, oid);
        assert.equal(up.body.objects[0].actions, undefined);
      }
      for (const object of [null, 1, 'x', [], {}, { oid: 1, size: 1 }, { oid: 'a'.repeat(64) }])
        assert.equal((await batch(owner, 'upload', [object])).body.objects[0].error.code, 422, JSON.stringify(object));
      for (const size of [-1, 1.5, 1e20, '5', null])
        assert.equal((await batch(owner, 'upload', [{ oid: 'a'.repeat(64), size }])).body.objects[0].error.code, 422);
      for (const size of ['-1', '1.5', '01', '1e3', '9'.repeat(20), ''])
        assert.equal((await call('PUT', `/gitlab-lfs/objects/${'a'.repeat(64)}/${size}`, owner)).status, 404, size);
    });

    it('a batch that asks for nothing, or for what is not served, is told so', async () => {
      const object = { oid: 'a'.repeat(64), size: 1 };
      for (const objects of [[], undefined, 'x', {}]) {
        const answer = await batch(owner, 'download', objects);
        assert.deepEqual([answer.status, answer.body.message], [404, 'Not found.']);
      }
      assert.equal((await batch(owner, 'delete', [object])).status, 404);
      const path = '/info/lfs/objects/batch';
      for (const body of ['{', '[]', 'null', '"x"', '1'])
        assert.equal((await call('POST', path, owner, body)).status, 400, body);
      assert.equal((await call('POST', path, owner, `{"x":"${'x'.repeat(1_100_000)}"}`)).status, 413);
      const asked = { operation: 'download', objects: [object] };
      assert.equal((await call('POST', path, owner, { ...asked, hash_algo: 'sha512' })).status, 409);
      for (const transfers of [['tus'], ['ssh', 'basic'], [], 'tus', null]) {
        const answer = await call('POST', path, owner, { ...asked, transfers });
        assert.deepEqual([answer.status, 'transfer' in answer.body], [200, false], 'naming none means basic');
      }
      for (const [method, old] of [
        ['POST', '/info/lfs/objects'],
        ['GET', `/info/lfs/objects/${object.oid}`],
      ] as const) {
        const answer = await call(method, old, owner, method === 'POST' ? {} : undefined);
        assert.equal(answer.status, 501);
        assert.match(answer.body.message, /^Server supports batch API only/);
      }
      assert.equal((await call('GET', '/info/lfs/else', owner)).status, 404);
      assert.equal((await call('DELETE', `/gitlab-lfs/objects/${object.oid}`, owner)).status, 404);
    });

    it('who may not hears what git-lfs can say', async () => {
      const { oid, size } = await stored();
      const guest = await lab.world.user();
      await lab.world.member(guest, { project }, 10);
      const stranger = await lab.world.user();
      const reporter = await lab.world.user();
      await lab.world.member(reporter, { project }, 20);
      const deployToken = await lab.key({
        kind: 'deploy_token',
        projectId: project.id,
        scopes: ['read_repository'],
        username: 'robot',
      });
      const robot = basic('robot', deployToken);
      const forbidden = 'Access forbidden. Check your access level.';
      const cases: [string, Who, number, number, string | null][] = [
        ['nobody', null, 401, 401, null],
        ['wrong', 'glpat-wrongwrongwrongwrong', 401, 401, null],
        ['guest', await lab.pat(guest, 'api'), 403, 403, forbidden],
        ['stranger', await lab.pat(stranger, 'api'), 404, 404, 'Not found.'],
        ['reporter', await lab.pat(reporter, 'api'), 200, 403, forbidden],
        ['read scope', await lab.pat(maintainer, 'read_repository'), 200, 403, forbidden],
        ['other scope', await lab.pat(maintainer, 'read_user'), 403, 403, forbidden],
        ['deploy token', robot, 200, 403, forbidden],
        ['deploy token, wrong name', basic('x', deployToken), 401, 401, null],
        ['developer', dev, 200, 200, null],
      ];
      for (const [name, who, down, up, message] of cases) {
        const download = await batch(who, 'download', [{ oid, size }]);
        const upload = await batch(who, 'upload', [{ oid: 'b'.repeat(64), size: 1 }]);
        assert.deepEqual([download.status, upload.status], [down, up], name);
        if (up !== 401 && message) assert.equal(upload.body.message, message, name);
        if (up === 401) {
          assert.match(upload.text, /^HTTP Basic: Access denied/);
          assert.equal(upload.headers['www-authenticate'], 'Basic realm="GitLab"');
        }
        const bytes = randomBytes(10);
        assert.equal((await put(who, sha256(bytes), 10, bytes)).status, up, `${name} put`);
        assert.equal((await call('GET', `/gitlab-lfs/objects/${oid}`, who)).status, down, `${name} get`);
        assert.equal((await call('POST', '/info/lfs/locks/verify', who, {})).status, up, `${name} verify`);
      }
      const echoed = (await batch(robot, 'download', [{ oid, size }])).body.objects[0].actions.download;
      assert.equal(echoed.header.Authorization, robot.authorization, 'a deploy token is its own key');
    });

    it('public objects are read by anybody, without a key in the answer', async () => {
      const open = await lab.project(group, { visibility: 'public' });
      await lab.world.member(maintainer, { project: open }, 40);
      const { oid, size, bytes } = await stored(randomBytes(10), open);
      const [object] = (await batch(null, 'download', [{ oid, size }], open)).body.objects;
      assert.equal(object.authenticated, true);
      assert.deepEqual(object.actions.download.header, {});
      const got = await fetch(object.actions.download.href);
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), bytes);
      assert.equal((await batch(null, 'upload', [{ oid, size }], open)).status, 401);
    });

    it('an account password works, and its token dies with it', async () => {
      const user = await lab.world.user({
        username: 'paula',
        password_digest: await hashPassword(new Secret('the password of paula')),
      });
      await lab.world.member(user, { project }, 30);
      const object = { oid: 'c'.repeat(64), size: 1 };
      const asked = await batch(basic('paula', 'the password of paula'), 'upload', [object]);
      const who = { authorization: asked.body.objects[0].actions.upload.header.Authorization };
      assert.equal((await batch(who, 'upload', [object])).status, 200);
      const { db } = lab.server.services;
      const digest = await hashPassword(new Secret('a new one'));
      await db.tx((tx) => tx.updateTable('users').set({ password_digest: digest }).where('id', '=', user.id).execute());
      assert.equal((await batch(who, 'upload', [object])).status, 401);
    });

    it('a project without LFS, and one that is archived, say so', async () => {
      const off = await lab.project(group, { settings: JSON.stringify({ lfs_enabled: false }) });
      const archived = await lab.project(group, { archived: 1 }, {});
      for (const at of [off, archived]) await lab.world.member(maintainer, { project: at }, 40);
      const object = { oid: 'd'.repeat(64), size: 1 };
      assert.equal((await batch(owner, 'download', [object], off)).status, 403);
      assert.equal((await batch(owner, 'upload', [object], off)).status, 403);
      assert.equal((await batch(dev, 'upload', [object], off)).status, 404);
      assert.equal((await batch(owner, 'download', [object], archived)).status, 200);
      assert.equal((await batch(owner, 'upload', [object], archived)).status, 403);
    });

    it('where git is for SSH only, the tokens that SSH gives are let in and keys are not', async () => {
      const object = { oid: 'e'.repeat(64), size: 1 };
      const asked = await batch(dev, 'upload', [object]);
      const who = { authorization: asked.body.objects[0].actions.upload.header.Authorization };
      const { db, clock } = lab.server.services;
      const set = (value: string | null) =>
        db.tx((tx) => updateSettings(tx, { enabled_git_access_protocol: value }, clock.now()));
      await set('ssh');
      try {
        assert.equal((await batch(dev, 'upload', [object])).status, 403);
        assert.equal((await batch(who, 'upload', [object])).status, 200);
      } finally {
        await set('');
      }
      assert.equal((await batch(dev, 'upload', [object])).status, 200);
    });

    it('an LFS token is for the LFS routes alone, and does not renew itself', async () => {
      const object = { oid: 'f'.repeat(64), size: 1 };
      const asked = await batch(dev, 'upload', [object]);
      const who = { authorization: asked.body.objects[0].actions.upload.header.Authorization };
      const again = (await batch(who, 'upload', [object])).body.objects[0].actions.upload;
      assert.equal(again.header.Authorization, who.authorization);
      const [, token = ''] = Buffer.from(who.authorization.slice(6), 'base64').toString().split(':');
      const git = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
      assert.equal((await lab.raw('GET', git, who)).status, 401);
      assert.equal((await lab.api('GET', '/user', { token })).status, 401);
    });

    it('locks are taken, listed, verified and let go', async () => {
      const { body, status } = await call('POST', '/info/lfs/locks', dev, {
        path: 'art/logo.psd',
        ref: { name: 'refs/heads/main' },
      });
      assert.equal(status, 201);
      const { lock } = body;
      assert.deepEqual(Object.keys(lock).sort(), ['id', 'locked_at', 'owner', 'path']);
      assert.equal(typeof lock.id, 'string');
      assert.deepEqual([lock.path, lock.owner], ['art/logo.psd', { name: 'Dora D.' }]);
      const taken = await call('POST', '/info/lfs/locks', owner, { path: 'art/logo.psd' });
      assert.deepEqual([taken.status, taken.body.message, taken.body.lock], [409, 'already locked', lock]);
      const mine = (await call('POST', '/info/lfs/locks', owner, { path: 'b.bin' })).body.lock;

      assert.deepEqual((await call('GET', '/info/lfs/locks', dev)).body, { locks: [lock, mine] });
      assert.deepEqual((await call('GET', '/info/lfs/locks?path=b.bin', dev)).body, { locks: [mine] });
      assert.deepEqual((await call('GET', `/info/lfs/locks?id=${lock.id}`, dev)).body, { locks: [lock] });
      for (const none of ['path=art', 'id=0', 'id=x', 'id=999999'])
        assert.deepEqual((await call('GET', `/info/lfs/locks?${none}`, dev)).body, { locks: [] }, none);
      const first = (await call('GET', '/info/lfs/locks?limit=1', dev)).body;
      assert.deepEqual(first, { locks: [lock], next_cursor: lock.id });
      const second = (await call('GET', `/info/lfs/locks?limit=1&cursor=${first.next_cursor}`, dev)).body;
      assert.deepEqual(second.locks, [mine]);
      assert.deepEqual((await call('POST', '/info/lfs/locks/verify', dev, {})).body, { ours: [lock], theirs: [mine] });

      const foreign = await call('POST', `/info/lfs/locks/${mine.id}/unlock`, dev, {});
      assert.deepEqual(
        [foreign.status, foreign.body.message],
        [403, `b.bin is locked by GitLab User ${maintainer.id}`],
      );
      const forced = await call('POST', `/info/lfs/locks/${mine.id}/unlock`, dev, { force: true });
      assert.deepEqual(
        [forced.status, forced.body.message],
        [403, 'You must have maintainer access to force delete a lock'],
      );
      const byReader = await lab.pat(developer, 'read_repository');
      const reader = await call('POST', `/info/lfs/locks/${lock.id}/unlock`, byReader, {});
      assert.deepEqual([reader.status, reader.body.message], [403, 'You have no permissions']);
      assert.equal((await call('GET', '/info/lfs/locks', byReader)).status, 200, 'reading them is reading');
      const opened = await call('POST', `/info/lfs/locks/${lock.id}/unlock`, owner, { force: true });
      assert.deepEqual([opened.status, opened.body], [200, { lock }]);
      const gone = await call('POST', `/info/lfs/locks/${lock.id}/unlock`, dev, {});
      assert.deepEqual([gone.status, gone.body.message], [404, 'Lock not found']);
      assert.equal((await call('POST', `/info/lfs/locks/${mine.id}/unlock`, owner, {})).status, 200);
      const own = (await call('POST', '/info/lfs/locks', dev, { path: 'c.bin' })).body.lock;
      assert.equal(
        (await call('POST', `/info/lfs/locks/${own.id}/unlock`, dev, { force: true })).status,
        200,
        'his own',
      );
      for (const path of ['', '/a', 'a//b', '../x', 'a/./b', 'a\u0000b', 'a\nb', 'x'.repeat(1025), 5, null])
        assert.equal((await call('POST', '/info/lfs/locks', dev, { path })).status, 422, JSON.stringify(path));
    });

    it('one of many who lock a path at once has it', async () => {
      const answers = await Promise.all(
        [dev, owner, dev, owner].map((who) => call('POST', '/info/lfs/locks', who, { path: 'race.bin' })),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409, 409]);
    });

    it('locks of a deleted user are the Ghost User’s', async () => {
      const leaver = await lab.world.user();
      await lab.world.member(leaver, { project }, 30);
      const { lock } = (await call('POST', '/info/lfs/locks', await lab.pat(leaver, 'api'), { path: 'left.bin' })).body;
      assert.equal((await lab.api('DELETE', `/users/${leaver.id}`)).status, 204);
      const [found] = (await call('GET', '/info/lfs/locks?path=left.bin', dev)).body.locks;
      assert.deepEqual([found.id, found.owner.name], [lock.id, 'Ghost User']);
    });

    it('REST gives the object behind a pointer when asked, and only one that this repository holds', async () => {
      const { oid, size, bytes } = await stored(randomBytes(2000));
      const pointer = (name: string, length: number) =>
        `version https://git-lfs.github.com/spec/v1\noid sha256:${name}\nsize ${length}\n`;
      const texts = {
        'there.bin': pointer(oid, size),
        'missing.bin': pointer('9'.repeat(64), 5),
        'text.bin': `${pointer(oid, size)}\nand more\n`,
      };
      const at = await lab.project(group, {}, texts);
      await lab.world.member(maintainer, { project: at }, 40);
      const read = async (name: string, lfs: boolean) => {
        const path = `/api/v4/projects/${at.id}/repository/files/${name}/raw?ref=main&lfs=${lfs}`;
        const answer = await fetch(lab.server.url + path, { headers: { 'private-token': owner } });
        assert.equal(answer.status, 200, name);
        return Buffer.from(await answer.arrayBuffer());
      };
      assert.equal((await read('there.bin', true)).toString(), texts['there.bin'], 'held by another repository only');
      assert.equal((await put(owner, oid, size, bytes, at)).status, 200);
      assert.deepEqual(await read('there.bin', true), bytes);
      assert.equal((await read('there.bin', false)).toString(), texts['there.bin']);
      for (const name of ['missing.bin', 'text.bin'] as const)
        assert.equal((await read(name, true)).toString(), texts[name]);
    });

    it('uploads and locks are audited with their key', async () => {
      const { oid } = await stored();
      const { body } = await lab.api('GET', `/audit_events?per_page=100&entity_type=Project&entity_id=${project.id}`);
      assert.ok(JSON.stringify(body).includes(oid), 'the object is named');
    });

    it('a deleted project leaves neither objects, locks nor files', async () => {
      const doomed = await lab.project(group);
      await lab.world.member(maintainer, { project: doomed }, 50);
      const before = await blobFiles();
      const { oid } = await stored(randomBytes(20), doomed);
      await call('POST', '/info/lfs/locks', owner, { path: 'x' }, doomed);
      assert.equal(await blobFiles(), before + 1);
      const found = await lab.api('GET', `/projects/${doomed.id}?statistics=true`);
      assert.equal(found.body.statistics.lfs_objects_size, 20);
      assert.equal((await lab.api('DELETE', `/projects/${doomed.id}`)).status, 202);
      assert.equal((await call('GET', `/gitlab-lfs/objects/${oid}`, owner, undefined, doomed)).status, 404);
      const settled = (there: () => Promise<boolean>) =>
        until(async () => {
          await lab.server.runTasks();
          return there();
        });
      await settled(async () => !(await rows()).some((row) => row.oid === oid));
      lab.clock.advance(7 * HOUR);
      await settled(async () => (await blobFiles()) === before);
    });
  });

async function until(there: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 250; tries += 1) {
    if (await there()) return;
    await pause(20);
  }
  assert.fail('it did not happen within five seconds');
}

// The LFS routes at their edges: media types, odd batches, pages of locks, uploads that break off and are repeated, and projects that
// were renamed or moved while clients and tokens remember the old address (reference git-and-deploy 9, 13.2).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Namespace, Project, User } from '../../../src/identity/records.ts';
import { basic, type Lab, openLab } from '../../lessons/lab.ts';

const LFS = 'application/vnd.git-lfs+json';
const BATCH = '/info/lfs/objects/batch';
const LOCKS = '/info/lfs/locks';
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`git LFS at its edges (${engine})`, () => {
    let lab: Lab;
    let group: Namespace;
    let project: Project;
    let user: User;
    let token: string;

    before(async () => {
      lab = await openLab({ engine });
      group = await lab.world.group();
      user = await lab.world.user();
      await lab.world.member(user, { group }, 50);
      project = await lab.project(group);
      token = await lab.pat(user, 'api', 'write_repository');
    });
    after(() => lab?.stop());

    async function call(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
      at: string = project.full_path,
    ) {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const sent = { 'content-type': LFS, ...basic('x', token), ...headers };
      const answer = await lab.raw(method, `/${at}.git${path}`, sent, text);
      const isJson = String(answer.headers['content-type']).startsWith(LFS) && answer.text !== '';
      // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert what they find.
      return { ...answer, body: (isJson ? JSON.parse(answer.text) : null) as any };
    }
    const put = (oid: string, size: number, bytes: Buffer, at = project.full_path) =>
      lab.raw('PUT', `/${at}.git/gitlab-lfs/objects/${oid}/${size}`, basic('x', token), bytes);
    async function stored(bytes: Buffer): Promise<string> {
      const oid = sha256(bytes);
      assert.equal((await put(oid, bytes.length, bytes)).status, 200);
      return oid;
    }
    const blobFiles = async () =>
      (await readdir(join(lab.server.data, 'blobs'), { recursive: true, withFileTypes: true }).catch(() => [])).filter(
        (entry) => entry.isFile(),
      ).length;
    async function until(there: () => Promise<boolean>): Promise<void> {
      for (let tries = 0; tries < 250; tries += 1) {
        if (await there()) return;
        await pause(20);
      }
      assert.fail('it did not happen within five seconds');
    }

    it('answers those who take its JSON, and reads what is called JSON', async () => {
      const body = { operation: 'download', objects: [{ oid: 'a'.repeat(64), size: 1 }] };
      for (const accept of [LFS, `${LFS}; charset=utf-8`, 'application/json', '*/*', `text/html, ${LFS};q=0.5`])
        assert.equal((await call('POST', BATCH, body, { accept })).status, 200, accept);
      for (const accept of ['text/html', 'application/xml, image/*', ''])
        for (const [method, path] of [
          ['POST', BATCH],
          ['GET', LOCKS],
        ] as const) {
          const answer = await call(method, path, method === 'POST' ? body : undefined, { accept });
          assert.deepEqual([answer.status, answer.headers['content-type']], [406, LFS], `${accept} ${path}`);
          assert.match(answer.body.message, /^The Accept header needs to be application\/vnd\.git-lfs\+json/);
        }
      for (const type of [LFS, `${LFS}; charset=utf-8`, 'Application/JSON'])
        assert.equal((await call('POST', BATCH, body, { 'content-type': type })).status, 200, type);
      const unnamed = await lab.raw(
        'POST',
        `/${project.full_path}.git${BATCH}`,
        basic('x', token),
        JSON.stringify(body),
      );
      assert.equal(unnamed.status, 200, 'called nothing');
      for (const type of [
        'text/plain',
        'application/x-www-form-urlencoded',
        'multipart/form-data; boundary=x',
        'json',
      ]) {
        const before = (await call('GET', LOCKS)).body.locks.length;
        const batch = await call('POST', BATCH, body, { 'content-type': type });
        const lock = await call('POST', LOCKS, { path: 'a page elsewhere did it' }, { 'content-type': type });
        assert.deepEqual([batch.status, lock.status], [415, 415], type);
        assert.equal((await call('GET', LOCKS)).body.locks.length, before);
      }
      assert.equal((await call('POST', BATCH, body, { 'content-encoding': 'br' })).status, 415);
      const oid = await stored(randomBytes(10));
      const object = await call('GET', `/gitlab-lfs/objects/${oid}`, undefined, { accept: 'application/octet-stream' });
      assert.equal(object.status, 200, 'objects are bytes');
    });

    it('answers each object of a batch for itself, the same one as often as it is asked for', async () => {
      const bytes = randomBytes(20);
      const there = { oid: await stored(bytes), size: 20 };
      const missing = { oid: 'b'.repeat(64), size: 3 };
      const down = await call('POST', BATCH, { operation: 'download', objects: [there, missing, there, null] });
      assert.equal(down.status, 200);
      const [one, two, three, four] = down.body.objects;
      assert.deepEqual(one, three);
      assert.deepEqual([one.actions.download !== undefined, two.error.code, four.error.code], [true, 404, 404]);
      const most = { oid: 'c'.repeat(64), size: 999_999_999_999_999 };
      const up = await call('POST', BATCH, {
        operation: 'upload',
        objects: [missing, missing, there, most, { ...missing, size: 1e15 }, { ...missing, size: Number.MAX_VALUE }],
        ref: { name: 'refs/heads/main' },
      });
      const [first, second, known, large, ...huge] = up.body.objects;
      assert.equal(first.actions.upload.href, second.actions.upload.href);
      assert.deepEqual(Object.keys(first.actions), ['upload'], 'no verify: an upload is checked when it is answered');
      assert.deepEqual(known, there);
      assert.ok(large.actions.upload);
      for (const each of huge) assert.deepEqual([each.error.code, each.actions], [422, undefined]);
      for (const ref of [null, 'x', { name: 5 }, { name: '../..' }, {}]) {
        const answer = await call('POST', BATCH, { operation: 'download', objects: [there], ref });
        assert.ok(answer.body.objects[0].actions, 'an object belongs to the repository, whatever the ref');
      }
      for (const hash of ['sha512', '', 5, null]) {
        const answer = await call('POST', BATCH, { operation: 'upload', objects: [missing], hash_algo: hash });
        assert.deepEqual([answer.status, answer.body.documentation_url], [409, `${lab.server.url}/help`], String(hash));
      }
      const same = await call('POST', BATCH, { operation: 'upload', objects: [missing], hash_algo: 'sha256' });
      assert.equal(same.status, 200);
    });

    it('takes an empty object and gives it back, whole and in parts', async () => {
      const oid = await stored(Buffer.alloc(0));
      assert.equal(oid, 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
      const path = `/gitlab-lfs/objects/${oid}`;
      const whole = await call('GET', path);
      assert.deepEqual([whole.status, whole.text, whole.headers['content-length']], [200, '', '0']);
      const part = await call('GET', path, undefined, { range: 'bytes=0-' });
      assert.deepEqual([part.status, part.headers['content-range']], [416, 'bytes */0']);
    });

    it('says by HEAD what a download would be, to those who may read it', async () => {
      const oid = await stored(randomBytes(1234));
      const path = `/gitlab-lfs/objects/${oid}`;
      for (const headers of [{}, { range: 'bytes=0-9' }] as Record<string, string>[]) {
        const answer = await call('HEAD', path, undefined, headers);
        assert.deepEqual([answer.status, answer.text], [200, '']);
        assert.deepEqual(
          [answer.headers['content-length'], answer.headers['accept-ranges'], answer.headers['etag']],
          ['1234', 'bytes', `"${oid}"`],
        );
      }
      assert.equal((await call('HEAD', `/gitlab-lfs/objects/${'d'.repeat(64)}`)).status, 404);
      assert.equal((await lab.raw('HEAD', `/${project.full_path}.git${path}`)).status, 401);
      assert.equal((await call('HEAD', `${path}/1234`)).status, 404);
    });

    it('gives locks page by page, and no page after the last', async () => {
      const own = await lab.project(group);
      const at = own.full_path;
      const made: { id: string; path: string }[] = [];
      for (let index = 0; index < 5; index += 1)
        made.push((await call('POST', LOCKS, { path: `f${index}.bin` }, {}, at)).body.lock);
      for (const limit of [1, 2, 5, 100]) {
        const [listed, verified]: [unknown[], unknown[]] = [[], []];
        let pages = 0;
        for (let cursor = ''; ; pages += 1) {
          const query = `?limit=${limit}${cursor && `&cursor=${cursor}`}&refspec=refs%2Fheads%2Fother`;
          const { body } = await call('GET', LOCKS + query, undefined, {}, at);
          const asked = { limit, ...(cursor && { cursor }), ref: { name: 'refs/heads/other' } };
          const checked = (await call('POST', `${LOCKS}/verify`, asked, {}, at)).body;
          assert.deepEqual([checked.theirs, checked.next_cursor], [[], body.next_cursor]);
          listed.push(...body.locks);
          verified.push(...checked.ours);
          cursor = body.next_cursor ?? '';
          if (cursor === '') break;
        }
        assert.deepEqual([listed, verified], [made, made]);
        assert.equal(pages + 1, Math.ceil(5 / limit), `pages of ${limit}`);
      }
      for (const odd of ['limit=0', 'limit=-1', 'limit=x', 'limit=1e9', 'cursor=x', 'cursor=-5'])
        assert.equal((await call('GET', `${LOCKS}?${odd}`, undefined, {}, at)).body.locks.length, 5, odd);
      const past = (await call('GET', `${LOCKS}?cursor=${made[4]!.id}`, undefined, {}, at)).body;
      assert.deepEqual(past, { locks: [] });
      const both = (await call('GET', `${LOCKS}?path=f1.bin&id=${made[2]!.id}`, undefined, {}, at)).body;
      assert.deepEqual(both, { locks: [] }, 'a lock is of the path and the id that are asked for');
      const twice = await call('POST', LOCKS, { path: 'f0.bin' }, {}, at);
      assert.deepEqual([twice.status, twice.body.lock], [409, made[0]], 'his own lock, too, is taken');
      const foreign = await call('POST', `${LOCKS}/${made[0]!.id}/unlock`, { force: true });
      assert.deepEqual([foreign.status, foreign.body.message], [404, 'Lock not found'], 'of another repository');
    });

    it('an upload that breaks off leaves nothing, and can be repeated', async () => {
      const before = await blobFiles();
      const bytes = randomBytes(400_000);
      const oid = sha256(bytes);
      const { hostname, port } = new URL(lab.server.url);
      const path = `/${project.full_path}.git/gitlab-lfs/objects/${oid}/${bytes.length}`;
      const headers = { ...basic('x', token), 'content-length': bytes.length };
      for (let round = 0; round < 3; round += 1) {
        const sent = request({ hostname, port, method: 'PUT', path, headers, agent: false });
        sent.on('error', () => {});
        sent.write(bytes.subarray(0, 200_000));
        await until(async () => (await blobFiles()) === before + 1);
        sent.destroy();
        await until(async () => (await blobFiles()) === before);
      }
      // Half-closed: nothing more will come, but an answer could be heard.
      const wire = connect(Number(port), hostname);
      wire.on('error', () => {});
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
      wire.write(`PUT ${path} HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`);
      wire.end(bytes.subarray(0, 1000));
      await until(async () => wire.resume().closed);
      await until(async () => (await blobFiles()) === before);
      const asked = await call('POST', BATCH, { operation: 'upload', objects: [{ oid, size: bytes.length }] });
      assert.ok(asked.body.objects[0].actions.upload, 'still to be uploaded');
      assert.equal((await put(oid, bytes.length, bytes)).status, 200);
      assert.equal((await put(oid, bytes.length, bytes)).status, 200, 'once more is no error');
      assert.equal(await blobFiles(), before + 1);
      assert.equal((await put(oid, bytes.length - 1, bytes)).status, 400, 'also not of one that is there');
    });

    it('a renamed or transferred project keeps its objects, locks and tokens, at both addresses', async () => {
      const own = await lab.project(group);
      const old = own.full_path;
      const other = await lab.world.group();
      await lab.world.member(user, { group: other }, 50);
      const robot = await lab.key({
        kind: 'deploy_token',
        projectId: own.id,
        scopes: ['read_repository'],
        username: 'robot',
      });
      const tree = await lab.folder();
      const git = async (folder: string, ...args: string[]) => {
        const { code, out } = await lab.git(folder, ...args);
        assert.equal(code, 0, `git ${args.join(' ')}: ${out}`);
        return out;
      };
      const commit = async (name: string, bytes: Buffer) => {
        await writeFile(join(tree, name), bytes);
        await git(tree, 'add', '-A');
        await git(tree, 'commit', '-q', '-m', name);
      };
      await git(tree, 'clone', '-q', lab.remote(own, 'x', token), '.');
      await git(tree, 'lfs', 'install', '--local');
      await git(tree, 'lfs', 'track', '*.bin');
      const first = randomBytes(5000);
      await commit('a.bin', first);
      await git(tree, 'push', '-q');
      await git(tree, 'lfs', 'lock', 'a.bin');
      const object = { oid: sha256(first), size: first.length };
      const before = await call('POST', BATCH, { operation: 'download', objects: [object] }, {}, old);
      const { download } = before.body.objects[0].actions;

      const renamed = await lab.api('PUT', `/projects/${own.id}`, { body: { path: 'renamed', name: 'renamed' } });
      assert.equal(renamed.status, 200, renamed.text);
      const paths = [old, renamed.body.path_with_namespace as string];
      const moved = await lab.api('PUT', `/projects/${own.id}/transfer`, { body: { namespace: other.id } });
      assert.equal(moved.status, 200, moved.text);
      const now = moved.body.path_with_namespace as string;
      assert.equal(now, `${other.full_path}/renamed`);

      for (const at of [...paths, now]) {
        const again = await call('POST', BATCH, { operation: 'download', objects: [object] }, {}, at);
        const { href } = again.body.objects[0].actions.download;
        assert.equal(href, `${lab.server.url}/${now}.git/gitlab-lfs/objects/${object.oid}`, `from ${at}`);
        assert.equal((await call('GET', LOCKS, undefined, {}, at)).body.locks[0].path, 'a.bin');
        const byToken = await call('POST', BATCH, { operation: 'download', objects: [object] }, download.header, at);
        assert.ok(byToken.body.objects[0].actions.download, 'the token is of the repository, not of its address');
        const byRobot = await call(
          'POST',
          BATCH,
          { operation: 'download', objects: [object] },
          basic('robot', robot),
          at,
        );
        assert.equal(byRobot.status, 200, `a deploy token at ${at}`);
      }
      const got = await fetch(download.href, { headers: download.header });
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), first, 'what was handed out before still works');

      const second = randomBytes(6000);
      await commit('b.bin', second);
      await git(tree, 'push', '-q');
      await git(tree, 'lfs', 'unlock', 'a.bin');
      const fresh = await lab.folder();
      await git(fresh, 'lfs', 'install', '--skip-repo');
      await git(fresh, 'clone', '-q', lab.remote({ ...own, full_path: now }, 'robot', robot), 'copy');
      assert.deepEqual(await readFile(join(fresh, 'copy', 'a.bin')), first);
      assert.deepEqual(await readFile(join(fresh, 'copy', 'b.bin')), second);
    });
  });

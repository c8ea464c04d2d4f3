// Archives of a repository that real git-lfs filled, unpacked by tar and unzip: the real files in place of their pointers where
// .gitattributes say so and this repository holds the object, and pointers everywhere else.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, readdir, readFile, readlink, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import type { Project } from '../../src/identity/records.ts';
import { type Lab, openLab } from '../lessons/lab.ts';

const run = promisify(execFile);
const FORMATS = ['tar', 'tar.gz', 'tar.bz2', 'zip'] as const;
const ENDS = { tar: 'tar', 'tar.gz': 'tar.gz', 'tar.bz2': 'tar.bz2', zip: 'zip' } as const;
const LONG = `${'deep/'.repeat(30)}${'n'.repeat(120)}.bin`;
const pointerTo = (oid: string, size: number) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`archives with LFS objects (${engine})`, () => {
    let lab: Lab;
    let project: Project;
    let token: string;
    /** what lies in the work tree of whoever pushed: name -> bytes */
    const files = new Map<string, Buffer>();
    const big = randomBytes(3 * 1024 * 1024 + 7);

    const url = (query: string, format = 'tar', at: Project = project) =>
      `${lab.server.url}/api/v4/projects/${at.id}/repository/archive.${format}${query}`;
    const get = async (query: string, format = 'tar', key: string | null = token, at: Project = project) => {
      const answer = await fetch(url(query, format, at), { headers: key === null ? {} : { 'private-token': key } });
      return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
    };
    /** Unpacks an archive with the usual program and gives the one folder that it holds. */
    async function unpacked(bytes: Buffer, format: (typeof FORMATS)[number]): Promise<string> {
      const folder = await lab.folder();
      const file = join(folder, `it.${ENDS[format]}`);
      await writeFile(file, bytes);
      const out = join(folder, 'out');
      await mkdir(out);
      if (format === 'zip') await run('unzip', ['-q', file, '-d', out], { env: { ...process.env, LANG: 'C.UTF-8' } });
      else await run('tar', ['-xf', file, '-C', out]);
      const [name, ...others] = await readdir(out);
      assert.deepEqual(others, []);
      return join(out, name!);
    }
    async function git(folder: string, ...args: string[]): Promise<void> {
      const { code, out } = await lab.git(folder, ...args);
      assert.equal(code, 0, `git ${args.join(' ')}: ${out}`);
    }

    before(async () => {
      lab = await openLab({ engine });
      const group = await lab.world.group();
      project = await lab.project(group);
      const user = await lab.world.user();
      await lab.world.member(user, { project }, 40);
      token = await lab.pat(user, 'api', 'write_repository');
      const tree = await lab.folder();
      await git(tree, 'clone', '-q', lab.remote(project, 'x', token), '.');
      await git(tree, 'lfs', 'install', '--local');
      const put = async (name: string, bytes: Buffer) => {
        await mkdir(dirname(join(tree, name)), { recursive: true });
        await writeFile(join(tree, name), bytes);
        files.set(name, bytes);
      };
      await put('.gitattributes', Buffer.from('*.bin filter=lfs diff=lfs merge=lfs -text\nsecret.bin export-ignore\n'));
      await put('raw/.gitattributes', Buffer.from('*.bin -filter -diff -merge\n'));
      await put('README.md', (await readFile(join(tree, 'README.md'))) as Buffer);
      await put('big.bin', big);
      await put('sub/ümläut name.bin', randomBytes(70_000));
      await put('sub/small.bin', Buffer.from('a small one'));
      await put('sub/large.txt', randomBytes(200_000));
      await put('again.bin', big);
      for (const name of ['rows.bin', 'rows.txt']) await put(name, Buffer.from('the same row again\n'.repeat(30_000)));
      await put('empty.bin', Buffer.alloc(0));
      await put('empty.txt', Buffer.alloc(0));
      await put(LONG, randomBytes(1000));
      // A pointer like any other, in a place that hands nothing to LFS.
      await put('raw/kept.bin', Buffer.from(pointerTo(sha256(big), big.length)));
      await put('pointer.txt', Buffer.from(pointerTo(sha256(big), big.length)));
      await writeFile(join(tree, 'secret.bin'), randomBytes(10));
      await symlink('big.bin', join(tree, 'link.bin'));
      await chmod(join(tree, 'sub/small.bin'), 0o755);
      await git(tree, 'add', '-A');
      // What .gitattributes hand to LFS and is none: an object that never came, and a file that was stored as it is.
      const missing = join(tree, 'missing');
      await writeFile(missing, pointerTo('9'.repeat(64), 5));
      const plain = join(tree, 'plain');
      await writeFile(plain, 'I am no pointer');
      for (const [name, file] of [
        ['missing.bin', missing],
        ['plain.bin', plain],
      ] as const) {
        const { out } = await lab.git(tree, 'hash-object', '-w', '--no-filters', file);
        await git(tree, 'update-index', '--add', '--cacheinfo', `100644,${out.trim()},${name}`);
        files.set(name, await readFile(file));
      }
      await git(tree, 'commit', '-q', '-m', 'many');
      await git(tree, '-c', 'lfs.allowincompletepush=true', 'push', '-q');
    });
    after(() => lab?.stop());

    for (const format of FORMATS)
      it(`give the real files as ${format}, the same bytes every time`, async () => {
        const [first, second] = [await get('', format), await get('?include_lfs_blobs=true', format)];
        assert.equal(first.status, 200);
        assert.ok(first.bytes.equals(second.bytes));
        const folder = await unpacked(first.bytes, format);
        for (const [name, bytes] of files) assert.deepEqual(await readFile(join(folder, name)), bytes, name);
        assert.equal(await readlink(join(folder, 'link.bin')), 'big.bin');
        assert.equal(((await lstat(join(folder, 'sub/small.bin'))).mode & 0o111) !== 0, true, 'still executable');
        await assert.rejects(lstat(join(folder, 'secret.bin')), 'what export-ignore keeps out stays out');
        const all = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(
          (each) => !each.isDirectory(),
        );
        assert.equal(all.length, files.size + 1);

        const without = await get('?include_lfs_blobs=false', format);
        assert.notEqual(without.headers.get('etag'), first.headers.get('etag'));
        const pointers = await unpacked(without.bytes, format);
        assert.equal((await readFile(join(pointers, 'big.bin'))).toString(), pointerTo(sha256(big), big.length));
        assert.equal(
          (await readdir(pointers, { recursive: true })).length,
          (await readdir(folder, { recursive: true })).length,
        );
      });

    it('give them below a path alone, and name the commit as git does', async () => {
      const { bytes } = await get('?path=sub', 'zip');
      const folder = await unpacked(bytes, 'zip');
      assert.deepEqual(await readdir(folder), ['sub']);
      assert.deepEqual(await readFile(join(folder, 'sub/small.bin')), files.get('sub/small.bin'));
      const { body } = await lab.api('GET', `/projects/${project.id}/repository/commits/main`, { token });
      assert.ok(bytes.subarray(-40).toString() === body.id, 'the comment of a zip');
      const file = join(await lab.folder(), 'a.tar');
      await writeFile(file, (await get('?path=sub')).bytes);
      const { stdout } = await run('sh', ['-c', `git get-tar-commit-id <"$1"`, 'sh', file]);
      assert.equal(stdout.trim(), body.id);
    });

    it('are whole tars and zips for those who read them strictly', async () => {
      const tar = (await get('')).bytes;
      assert.equal(tar.length % 10_240, 0);
      const file = join(await lab.folder(), 'a.zip');
      const zip = (await get('', 'zip')).bytes;
      assert.ok(zip.length < tar.length - 1_000_000, 'what can be pressed is');
      await writeFile(file, zip);
      const { stdout } = await run('unzip', ['-t', file]);
      assert.match(stdout, /No errors detected/);
    });

    it('leave pointers where LFS is switched off, as raw files do', async () => {
      const set = (on: boolean) => lab.api('PUT', `/projects/${project.id}`, { body: { lfs_enabled: on } });
      const raw = async () => {
        const path = `/api/v4/projects/${project.id}/repository/files/big.bin/raw?lfs=true`;
        const answer = await fetch(lab.server.url + path, { headers: { 'private-token': token } });
        return (await answer.arrayBuffer()).byteLength;
      };
      assert.equal(await raw(), big.length);
      assert.equal((await set(false)).status, 200);
      try {
        const folder = await unpacked((await get('')).bytes, 'tar');
        assert.equal((await readFile(join(folder, 'big.bin'))).toString(), pointerTo(sha256(big), big.length));
        assert.ok((await raw()) < 1024);
      } finally {
        assert.equal((await set(true)).status, 200);
      }
    });

    it('hold what their own repository holds, whatever others hold; a fork holds what its source held', async () => {
      const group = await lab.world.group();
      const text = { '.gitattributes': '*.bin filter=lfs\n', 'stolen.bin': pointerTo(sha256(big), big.length) };
      const thief = await lab.world.user();
      await lab.world.member(thief, { group }, 50);
      const other = await lab.project(group, {}, text);
      const own = await lab.project(group, {}, { ...text, 'x.bin': 'x' });
      const key = await lab.pat(thief, 'api');
      const mine = Buffer.from('mine');
      const put = await lab.raw(
        'PUT',
        `/${own.full_path}.git/gitlab-lfs/objects/${sha256(mine)}/4`,
        { authorization: `Basic ${Buffer.from(`x:${key}`).toString('base64')}` },
        mine,
      );
      assert.equal(put.status, 200);
      for (const at of [other, own]) {
        const folder = await unpacked((await get('', 'tar', key, at)).bytes, 'tar');
        assert.equal(
          (await readFile(join(folder, 'stolen.bin'))).toString(),
          text['stolen.bin'],
          'no object of others',
        );
      }
      assert.equal((await get('', 'tar', key)).status, 404);
      assert.equal((await get('', 'tar', null)).status, 404);

      await lab.world.member(thief, { project }, 30);
      const body = { namespace_id: group.id, path: 'forked', name: 'forked' };
      const forked = await lab.api('POST', `/projects/${project.id}/fork`, { token: key, body });
      assert.equal(forked.status, 201, forked.text);
      const folder = await unpacked((await get('', 'tar', key, forked.body)).bytes, 'tar');
      assert.deepEqual(await readFile(join(folder, 'big.bin')), big);
    });

    it('keep the pointer of an object whose file is lost, and break off when it is cut', async () => {
      const bytes = files.get('sub/small.bin')!;
      const { db } = lab.server.services;
      const row = await db.read
        .selectFrom('lfs_objects as o')
        .innerJoin('blobs as b', 'b.id', 'o.blob_id')
        .select('b.storage_key')
        .where('o.oid', '=', sha256(bytes))
        .executeTakeFirstOrThrow();
      const file = join(lab.server.data, 'blobs', row.storage_key.slice(0, 2), row.storage_key);
      await truncate(file, 5);
      await assert.rejects(get('?path=sub'), 'a file with fewer bytes than announced would shift all that follows');
      await run('mv', [file, `${file}.away`]);
      const folder = await unpacked((await get('?path=sub')).bytes, 'tar');
      assert.equal((await readFile(join(folder, 'sub/small.bin'))).toString(), pointerTo(sha256(bytes), bytes.length));
      await writeFile(file, bytes);
      assert.deepEqual(
        await readFile(join(await unpacked((await get('?path=sub')).bytes, 'tar'), 'sub/small.bin')),
        bytes,
      );
    });

    it('leave nothing behind when their reader leaves', async () => {
      const { git, repositories } = lab.server.services;
      for (const format of ['tar', 'zip']) {
        const controller = new AbortController();
        const answer = await fetch(url('', format), { headers: { 'private-token': token }, signal: controller.signal });
        await answer.body!.getReader().read();
        controller.abort();
      }
      for (let tries = 0; git.running().stream > 0 && tries < 200; tries += 1)
        await new Promise((go) => setTimeout(go, 20));
      assert.equal(git.running().stream, 0);
      const left = await readdir(join(repositories.path(project.repository_id!), 'objects'));
      assert.deepEqual(
        left.filter((name) => name.startsWith('tmp_')),
        [],
      );
    });
  });

// The real git-lfs against a running server: 300 MB out and back, keys that may only read, locks, and the same over SSH, where
// `git-lfs-authenticate` hands out the key for the objects (reference git-and-deploy 9, 10.4, 13.2 item 11).
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { basic, type Lab, openLab } from '../lessons/lab.ts';
import { openSshForge, type SshForge, type TestKey } from '../support/ssh.ts';

type Git = (folder: string, ...args: string[]) => Promise<{ code: number; out: string }>;

/** Runs git and fails with what it said. */
async function must(git: Git, folder: string, ...args: string[]): Promise<string> {
  const { code, out } = await git(folder, ...args);
  assert.equal(code, 0, `git ${args[0]} ${args[1]}: ${out}`);
  return out;
}

async function track(git: Git, tree: string): Promise<void> {
  await must(git, tree, 'lfs', 'install', '--local');
  await must(git, tree, 'lfs', 'track', '*.bin');
  await must(git, tree, 'add', '.gitattributes');
}

async function commitFile(git: Git, tree: string, name: string, bytes: Buffer): Promise<void> {
  await writeFile(join(tree, name), bytes);
  await must(git, tree, 'add', '-A');
  await must(git, tree, 'commit', '-q', '-m', `add ${name}`);
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`git-lfs over HTTP (${engine})`, () => {
    let lab: Lab;
    before(async () => {
      lab = await openLab({ engine });
    });
    after(() => lab?.stop());

    async function place() {
      const group = await lab.world.group();
      const project = await lab.project(group);
      const user = await lab.world.user();
      await lab.world.member(user, { project }, 40);
      const token = await lab.pat(user, 'write_repository');
      const tree = await lab.folder();
      await must(lab.git, tree, 'clone', '-q', lab.remote(project, 'x', token), '.');
      await track(lab.git, tree);
      return { project, user, token, tree };
    }

    // The bytes never meet the database, so the long way is gone once.
    const megabytes = engine === 'sqlite' ? 300 : 30;

    it(`pushes and pulls ${megabytes} MB without holding them in memory`, { timeout: 180_000 }, async () => {
      const { project, token, tree } = await place();
      const megabyte = randomBytes(1024 * 1024);
      const blocks = function* () {
        for (let index = 0; index < megabytes; index += 1) {
          megabyte.writeUInt32LE(index);
          yield Buffer.from(megabyte);
        }
      };
      await pipeline(Readable.from(blocks()), createWriteStream(join(tree, 'big.bin')));
      await must(lab.git, tree, 'add', '-A');
      await must(lab.git, tree, 'commit', '-q', '-m', 'big');
      const start = process.memoryUsage().arrayBuffers;
      let peak = 0;
      const watch = setInterval(() => {
        peak = Math.max(peak, process.memoryUsage().arrayBuffers - start);
      }, 20);
      await must(lab.git, tree, 'push', '-q');
      const fresh = await lab.folder();
      await must(lab.git, fresh, 'lfs', 'install', '--skip-repo');
      await must(lab.git, fresh, 'clone', '-q', lab.remote(project, 'x', token), 'copy');
      clearInterval(watch);
      const copy = join(fresh, 'copy', 'big.bin');
      assert.equal((await stat(copy)).size, megabytes * 1024 * 1024);
      assert.equal(await digestOf(copy), await digestOf(join(tree, 'big.bin')));
      assert.ok(peak < 100 * 1024 * 1024, `${Math.round(peak / 1024 / 1024)} MB of buffers at the most`);
    });

    it('pulls with a deploy token and with a token that only reads, which push nothing', async () => {
      const { project, user, tree } = await place();
      const bytes = randomBytes(50_000);
      await commitFile(lab.git, tree, 'a.bin', bytes);
      await must(lab.git, tree, 'push', '-q');
      const deployToken = { kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] } as const;
      const robot = await lab.key({ ...deployToken, username: 'robot' });
      const reader = await lab.pat(user, 'read_repository');
      for (const [login, secret] of [
        ['robot', robot],
        ['x', reader],
      ] as const) {
        const folder = await lab.folder();
        await must(lab.git, folder, 'lfs', 'install', '--skip-repo');
        await must(lab.git, folder, 'clone', '-q', lab.remote(project, login, secret), 'copy');
        const copy = join(folder, 'copy');
        assert.deepEqual(await readFile(join(copy, 'a.bin')), bytes);
        await track(lab.git, copy);
        await commitFile(lab.git, copy, 'mine.bin', randomBytes(100));
        const pushed = await lab.git(copy, 'lfs', 'push', '--all', 'origin');
        assert.notEqual(pushed.code, 0);
        assert.match(pushed.out, /Access forbidden\. Check your access level\.|403|Authorization error/);
        assert.ok(!pushed.out.replaceAll(/\/\/[^@\s]*@/g, '//').includes(secret), 'its key is in no message');
        assert.notEqual((await lab.git(copy, 'lfs', 'lock', 'a.bin')).code, 0);
      }
    });

    it('locks and unlocks, and keeps others from pushing what is locked', async () => {
      const { project, tree } = await place();
      await commitFile(lab.git, tree, 'a.bin', randomBytes(100));
      await must(lab.git, tree, 'push', '-q');
      await must(lab.git, tree, 'lfs', 'lock', 'a.bin');
      const other = await lab.world.user();
      await lab.world.member(other, { project }, 40);
      const theirs = await lab.folder();
      await must(lab.git, theirs, 'lfs', 'install', '--skip-repo');
      await must(lab.git, theirs, 'clone', '-q', lab.remote(project, 'x', await lab.pat(other, 'api')), '.');
      await must(lab.git, theirs, 'config', 'lfs.locksverify', 'true');
      assert.match(await must(lab.git, theirs, 'lfs', 'locks'), /^a\.bin\s+user\d+\s+ID:\d+/);
      await commitFile(lab.git, theirs, 'a.bin', randomBytes(100));
      const pushed = await lab.git(theirs, 'push', '-q');
      assert.notEqual(pushed.code, 0);
      assert.match(pushed.out, /Unable to push locked files[\s\S]*a\.bin/);
      assert.notEqual((await lab.git(theirs, 'lfs', 'unlock', 'a.bin')).code, 0);
      await must(lab.git, theirs, 'lfs', 'unlock', '--force', 'a.bin');
      await must(lab.git, theirs, 'push', '-q');
      const twice = await lab.git(tree, 'lfs', 'unlock', '--id=999999');
      assert.match(twice.out, /Lock not found/);
    });
  });

for (const transport of ['ssh2', 'openssh'] as const)
  describe(`git-lfs over SSH by ${transport === 'ssh2' ? 'its own server' : "Debian's sshd"}`, () => {
    let forge: SshForge;
    before(async () => {
      forge = await openSshForge(transport);
    });
    after(() => forge?.close());
    const gitOf =
      (key: TestKey): Git =>
      (folder, ...args) =>
        forge.git(key, folder, ...args);

    async function place(name: string) {
      const owner = await forge.person(name);
      const made = await forge.server.api('POST', '/projects', { token: owner.token, body: { name: 'p', path: 'p' } });
      assert.equal(made.status, 201, made.text);
      const url = forge.url(`${name}/p.git`);
      const git = gitOf(owner.key);
      const tree = await forge.workTree();
      await must(git, tree, 'remote', 'add', 'origin', url);
      await track(git, tree);
      await must(git, tree, 'commit', '-q', '-m', 'track');
      await must(git, tree, 'push', '-q', 'origin', 'main');
      return { owner, id: made.body.id as number, url, git, tree };
    }
    async function deployKey(id: number, token: string, canPush: boolean) {
      const key = await forge.key();
      const body = { title: 'deploy', key: key.line, can_push: canPush };
      const added = await forge.server.api('POST', `/projects/${id}/deploy_keys`, { token, body });
      assert.equal(added.status, 201, added.text);
      return { key, id: added.body.id as number };
    }
    /** What `git-lfs-authenticate` prints. */
    async function authenticate(key: TestKey, path: string, operation: string) {
      const { code, out } = await forge.ssh(key, '--', 'git-lfs-authenticate', path, operation);
      return { code, out, answer: code === 0 && out !== '' ? JSON.parse(out) : null };
    }

    it('pushes with the key of a person and with a deploy key that may, and pulls with one that reads', async () => {
      const { owner, id, url, git, tree } = await place('ann');
      const first = randomBytes(80_000);
      await commitFile(git, tree, 'a.bin', first);
      await must(git, tree, 'push', '-q', 'origin', 'main');

      const writer = await deployKey(id, owner.token, true);
      const byKey = gitOf(writer.key);
      const second = randomBytes(90_000);
      await commitFile(byKey, tree, 'b.bin', second);
      await must(byKey, tree, 'push', '-q', 'origin', 'main');

      const reader = await deployKey(id, owner.token, false);
      const reading = gitOf(reader.key);
      const folder = await forge.workTree(false);
      await must(reading, folder, 'lfs', 'install', '--skip-repo');
      await must(reading, folder, 'clone', '-q', url, 'copy');
      const copy = join(folder, 'copy');
      assert.deepEqual(await readFile(join(copy, 'a.bin')), first);
      assert.deepEqual(await readFile(join(copy, 'b.bin')), second);
      await commitFile(reading, copy, 'c.bin', randomBytes(10));
      const pushed = await reading(copy, 'lfs', 'push', '--all', 'origin');
      assert.notEqual(pushed.code, 0);
      assert.notEqual((await reading(copy, 'lfs', 'lock', 'a.bin')).code, 0);
      await must(git, tree, 'lfs', 'lock', 'a.bin');
      assert.match(await must(git, tree, 'lfs', 'locks', '--verify'), /^O a\.bin/);
      await must(git, tree, 'lfs', 'unlock', 'a.bin');
    });

    it('prints one line with the key and the address, for what the SSH key may do and no more', async () => {
      const { owner, id } = await place('bob');
      const mine = await authenticate(owner.key, 'bob/p.git', 'upload');
      assert.equal(mine.code, 0, mine.out);
      assert.equal(mine.out.trim().split('\n').length, 1);
      assert.deepEqual(Object.keys(mine.answer).sort(), ['expires_in', 'header', 'href']);
      assert.equal(mine.answer.href, `${forge.server.url}/bob/p.git/info/lfs`);
      assert.ok(mine.answer.expires_in > 1700 && mine.answer.expires_in <= 1800);
      const pairOf = (authorization: string) => Buffer.from(authorization.slice(6), 'base64').toString().split(':');
      assert.equal(pairOf(mine.answer.header.Authorization)[0], 'bob');

      const reader = await deployKey(id, owner.token, false);
      const down = await authenticate(reader.key, 'bob/p.git', 'download');
      const header = down.answer.header.Authorization;
      assert.equal(pairOf(header)[0], `lfs+deploy-key-${reader.id}`);
      for (const [operation, path] of [
        ['upload', 'bob/p.git'],
        ['delete', 'bob/p.git'],
        ['download', 'bob/none.git'],
      ] as const)
        assert.notEqual((await authenticate(reader.key, path, operation)).code, 0, `${operation} ${path}`);

      const batch = (operation: string, headers: Record<string, string>) =>
        forge.server.http('POST', '/bob/p.git/info/lfs/objects/batch', {
          headers,
          body: { operation, objects: [{ oid: 'a'.repeat(64), size: 1 }] },
        });
      assert.equal((await batch('download', { authorization: header })).status, 200);
      assert.equal((await batch('upload', { authorization: header })).status, 403);
      const [, token = ''] = pairOf(header);
      assert.equal((await batch('download', basic('bob', token))).status, 401, 'under another name');
      const off = await forge.server.api('DELETE', `/projects/${id}/deploy_keys/${reader.id}`, { token: owner.token });
      assert.equal(off.status, 204);
      assert.ok([401, 404].includes((await batch('download', { authorization: header })).status), 'dead with its key');
    });
  });

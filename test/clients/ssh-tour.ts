// The whole tour of a build server that has nothing but `ssh` and `git`, once with a key of each type: clone, fetch, shallow clone,
// push, tags, archive, a protected branch under each fate of the key's creator, and git-lfs with 300 MB (reference
// git-and-deploy 13.2, items 7, 8 and 11). The test files run it once for each SSH server.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { after, before, describe, it } from 'node:test';
import { openSshForge, type SshForge } from '../support/ssh.ts';

const MEGABYTE = 1024 * 1024;
const BIG = 300 * MEGABYTE;
const PROTECTED = /GitLab: You are not allowed to push code to protected branches on this project\./;

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Runs the tour with each type of key through one transport. */
export function sshTour(transport: SshForge['transport']): void {
  describe(`a build server with ssh and git alone, by ${transport === 'ssh2' ? 'its own server' : "Debian's sshd"}`, () => {
    let forge: SshForge;
    before(async () => {
      forge = await openSshForge(transport);
    });
    after(() => forge?.close());

    const api = async (method: string, path: string, body?: unknown, token?: string) => {
      const { server } = forge;
      const wish = { ...(body === undefined ? {} : { body }), ...(token === undefined ? {} : { token }) };
      const answer = await server.api(method, path, wish);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.body;
    };

    for (const type of ['ed25519', 'ecdsa', 'rsa'] as const)
      it(`clones, pushes, is held by protected branches and moves 300 MB with an ${type} key`, async () => {
        const owner = await forge.person(`owner-${type}`);
        const maker = await forge.person(`maker-${type}`);
        const { id } = await api('POST', '/projects', { name: 'p' }, owner.token);
        const url = forge.url(`owner-${type}/p.git`);
        const first = await forge.workTree();
        assert.equal((await forge.git(owner.key, first, 'push', '-q', url, 'main')).code, 0);
        await api('POST', `/projects/${id}/members`, { user_id: maker.id, access_level: 40 }, owner.token);
        const level = (access_level: number) => api('PUT', `/projects/${id}/members/${maker.id}`, { access_level });
        const key = await forge.key(type);
        const wish = { title: type, key: key.line, can_push: true };
        const { id: keyId } = await api('POST', `/projects/${id}/deploy_keys`, wish, maker.token);

        const tree = await forge.workTree(false);
        const git = (...args: string[]) => forge.git(key, tree, ...args);
        const must = async (...args: string[]) => {
          const { code, out } = await git(...args);
          assert.equal(code, 0, `git ${args.join(' ')}: ${out}`);
          return out;
        };
        const push = async (ref: string) => {
          await forge.commit(tree);
          return git('push', 'origin', `HEAD:${ref}`);
        };

        await must('clone', '-q', url, '.');
        await forge.commit(tree, 'read.me', 'a build\n');
        await must('tag', '-a', '-m', 'one', 'v1');
        await must('push', '-q', 'origin', 'main', 'v1', 'HEAD:refs/heads/work');
        assert.match(await must('archive', `--remote=${url}`, 'v1', 'read.me'), /a build/);
        await forge.commit(first);
        assert.equal((await forge.git(owner.key, first, 'push', '-q', url, 'HEAD:refs/heads/news')).code, 0);
        await must('fetch', '-q', '--tags', 'origin', 'news');
        await must('lfs', 'install', '--local');
        await must('lfs', 'track', '*.bin');
        const big = join(tree, 'big.bin');
        const block = randomBytes(MEGABYTE);
        await pipeline(Readable.from(Array<Buffer>(BIG / MEGABYTE).fill(block)), createWriteStream(big));
        await must('add', '-A');
        await must('commit', '-q', '-m', 'big');
        await must('push', '-q', 'origin', 'HEAD:main');
        // Its hook would sign in again with each of the pushes below.
        await must('lfs', 'uninstall', '--local');
        const copy = await forge.workTree(false);
        assert.equal((await forge.git(key, copy, 'clone', '-q', '--depth', '1', url, '.')).code, 0);
        assert.equal((await forge.git(key, copy, 'rev-list', '--count', 'HEAD')).out.trim(), '1');
        assert.equal((await forge.git(key, copy, 'lfs', 'install', '--local')).code, 0);
        assert.equal((await forge.git(key, copy, 'lfs', 'pull')).code, 0);
        assert.equal((await stat(join(copy, 'big.bin'))).size, BIG);
        assert.equal(await digestOf(join(copy, 'big.bin')), await digestOf(big));
        await rm(copy, { recursive: true, force: true });

        assert.equal((await push('main')).code, 0, 'its creator is a Maintainer');
        await level(30);
        assert.match((await push('main')).out, PROTECTED);
        assert.equal((await push('free')).code, 0);
        await api('DELETE', `/projects/${id}/protected_branches/main`);
        const rule = { name: 'main', push_access_level: 0, allowed_to_push: [{ deploy_key_id: keyId }] };
        await api('POST', `/projects/${id}/protected_branches`, rule);
        assert.equal((await push('main')).code, 0, 'a rule names the key');
        assert.match((await forge.git(owner.key, tree, 'push', url, 'HEAD~1:main', '--force')).out, /not allowed/);
        await api('DELETE', `/projects/${id}/members/${maker.id}`);
        assert.match((await push('free')).out, /You are not allowed to push code to this project\./);
        assert.equal((await git('ls-remote', 'origin')).code, 0, 'a creator who left ends no pull');
        await api('POST', `/users/${maker.id}/block`);
        for (const blocked of [await git('ls-remote', 'origin'), await push('free')])
          assert.match(blocked.out, /Your account has been blocked\./);
      });
  });
}

// What a real `ssh` and a real `git` must be able to do, and must be told, whichever SSH server stands in front (reference
// git-and-deploy 13.2, items 7 to 9; 10.2, 10.3). The test files run it once for each.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, it } from 'node:test';
import { openSshForge, type SshForge, type TestKey } from '../support/ssh.ts';

const NOT_FOUND = /The project you were looking for could not be found or you don't have permission to view it\./;

/** Runs every case against one transport. */
export function sshCases(transport: SshForge['transport']): void {
  describe(`git over SSH by ${transport === 'ssh2' ? 'its own server' : "Debian's sshd"}`, () => {
    let forge: SshForge;
    let names = 0;
    before(async () => {
      forge = await openSshForge(transport);
    });
    after(() => forge?.close());

    const api = (method: string, path: string, body?: unknown, token?: string) =>
      forge.server.api(method, path, { ...(body === undefined ? {} : { body }), ...(token ? { token } : {}) });
    const must = async (method: string, path: string, body?: unknown, token?: string) => {
      const answer = await api(method, path, body, token);
      assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
      return answer.body;
    };
    const frame = (message: string) =>
      ['', '='.repeat(72), '', `${transport === 'ssh2' ? 'ERROR: ' : ''}${message}`, '', '='.repeat(72), '']
        .map((line) => `remote: ${line}\n`)
        .join('');

    /** A private project of a fresh owner, with one commit on main. */
    async function place() {
      const owner = await forge.person(`owner${++names}`);
      const project = await must('POST', '/projects', { name: `p${names}`, path: `p${names}` }, owner.token);
      const path: string = project.path_with_namespace;
      const tree = await forge.workTree();
      const pushed = await forge.git(owner.key, tree, 'push', '-q', forge.url(`${path}.git`), 'main');
      assert.equal(pushed.code, 0, pushed.out);
      return { owner, id: project.id as number, path, tree };
    }
    async function deployKey(id: number, token: string, canPush: boolean): Promise<{ key: TestKey; id: number }> {
      const key = await forge.key();
      const body = { title: 'deploy', key: key.line, can_push: canPush };
      return { key, id: (await must('POST', `/projects/${id}/deploy_keys`, body, token)).id };
    }
    async function push(key: TestKey, tree: string, path: string, ref = 'HEAD:main') {
      await forge.commit(tree);
      return forge.git(key, tree, 'push', forge.url(path), ref);
    }

    it('greets ed25519, ECDSA and RSA keys, and clones, fetches and pushes with each', async () => {
      const { owner, path } = await place();
      for (const type of ['ed25519', 'ecdsa', 'rsa'] as const) {
        const key = await forge.key(type);
        await forge.addKey(owner.token, key);
        const greeting = await forge.ssh(key);
        assert.deepEqual(greeting, { code: 0, out: `Welcome to GitLab, @${owner.username}!\n` });
        const tree = await forge.workTree(false);
        const cloned = await forge.git(key, tree, 'clone', '-q', forge.url(`${path}.git`), '.');
        assert.equal(cloned.code, 0, cloned.out);
        const pushed = await push(key, tree, path, `HEAD:${type}`);
        assert.equal(pushed.code, 0, pushed.out);
        const fetched = await forge.git(key, tree, 'fetch', '-q', forge.url(path), `${type}:copy`);
        assert.equal(fetched.code, 0, fetched.out);
      }
    });

    it('serves shallow and partial clones, tags, push options, large pushes, and git archive', async () => {
      const { owner, path, tree } = await place();
      const url = forge.url(`${path}.git`);
      await forge.commit(tree, 'big.bin', randomBytes(3 * 1024 * 1024));
      await forge.git(owner.key, tree, 'tag', 'v1');
      const pushed = await forge.git(owner.key, tree, 'push', '-q', '-o', 'ci.skip', '--atomic', url, 'main', 'v1');
      assert.equal(pushed.code, 0, pushed.out);
      const copy = await forge.workTree(false);
      const v2 = [
        '-c',
        'protocol.version=2',
        'clone',
        '-q',
        '--filter=blob:none',
        '--no-checkout',
        '--depth',
        '1',
        url,
        '.',
      ];
      const partial = await forge.git(owner.key, copy, ...v2);
      assert.equal(partial.code, 0, partial.out);
      assert.equal((await forge.git(owner.key, copy, 'rev-list', '--count', 'HEAD')).out.trim(), '1');
      const missing = await forge.git(owner.key, copy, 'rev-list', '--objects', '--missing=print', 'HEAD');
      assert.match(missing.out, /^\?/m, 'the server honoured the filter, so it heard GIT_PROTOCOL');
      const head = (await forge.git(owner.key, tree, 'rev-parse', 'HEAD^')).out.trim();
      assert.equal((await forge.git(owner.key, copy, 'fetch', '-q', url, head)).code, 0);
      const archive = await forge.git(owner.key, tree, 'archive', `--remote=${url}`, 'v1', 'big.bin');
      assert.equal(archive.code, 0, archive.out.slice(-2000));
      assert.ok(archive.out.length > 3 * 1024 * 1024);
    });

    it('makes a private project for a push to a free path, and nothing for a look at it', async () => {
      const person = await forge.person(`maker${++names}`);
      const tree = await forge.workTree();
      const path = `${person.username}/fresh`;
      await forge.git(person.key, tree, 'push', '--dry-run', forge.url(path), 'main');
      assert.equal((await api('GET', `/projects/${encodeURIComponent(path)}`, undefined, person.token)).status, 404);
      const pushed = await forge.git(person.key, tree, 'push', forge.url(`${path}.git`), 'main');
      assert.equal(pushed.code, 0, pushed.out);
      assert.match(pushed.out, new RegExp(`The private project ${path} was successfully created\\.`));
      const again = await push(person.key, tree, path);
      assert.equal(again.code, 0, again.out);
      const project = await must('GET', `/projects/${encodeURIComponent(path)}`, undefined, person.token);
      assert.equal(project.visibility, 'private');
    });

    it('lets a read-only deploy key clone and says why it may not push; each project decides for itself', async () => {
      const { owner, id, path } = await place();
      const { owner: other, id: otherId, path: otherPath } = await place();
      const { key, id: keyId } = await deployKey(id, owner.token, false);
      const tree = await forge.workTree(false);
      assert.equal((await forge.git(key, tree, 'clone', '-q', forge.url(path), '.')).code, 0);
      assert.equal((await forge.ssh(key)).out, `Welcome to GitLab, @${owner.username}!\n`);
      const refused = await push(key, tree, path, 'HEAD:work');
      assert.equal(refused.code, 128);
      assert.ok(
        refused.out.includes(frame('This deploy key does not have write access to this project.')),
        refused.out,
      );
      assert.equal((await forge.ssh(key, `git-receive-pack '${path}.git'`)).code, 1);

      assert.match((await forge.git(key, tree, 'ls-remote', forge.url(otherPath))).out, NOT_FOUND);
      await must('POST', `/projects/${otherId}/members`, { user_id: owner.id, access_level: 40 }, other.token);
      await must('POST', `/projects/${otherId}/deploy_keys/${keyId}/enable`, {}, owner.token);
      await must('PUT', `/projects/${id}/deploy_keys/${keyId}`, { can_push: true }, owner.token);
      const pushed = await push(key, tree, path, 'HEAD:work');
      assert.equal(pushed.code, 0, pushed.out);
      assert.equal((await forge.git(key, tree, 'ls-remote', forge.url(otherPath))).code, 0);
      const there = await push(key, tree, otherPath, 'HEAD:work');
      assert.match(there.out, /This deploy key does not have write access to this project\./);

      await must('DELETE', `/projects/${otherId}/deploy_keys/${keyId}`, undefined, owner.token);
      assert.match((await forge.git(key, tree, 'ls-remote', forge.url(otherPath))).out, NOT_FOUND);
    });

    it("asks for the creator's right with every push of a deploy key", async () => {
      const { owner, id, path } = await place();
      const maker = await forge.person(`maker${++names}`);
      const level = (access_level: number) =>
        must('PUT', `/projects/${id}/members/${maker.id}`, { access_level }, owner.token);
      await must('POST', `/projects/${id}/members`, { user_id: maker.id, access_level: 40 }, owner.token);
      const { key } = await deployKey(id, maker.token, true);
      const tree = await forge.workTree(false);
      await forge.git(key, tree, 'clone', '-q', forge.url(path), '.');
      const asMaintainer = await push(key, tree, path);
      assert.equal(asMaintainer.code, 0, asMaintainer.out);
      await level(30);
      const asDeveloper = await push(key, tree, path);
      assert.equal(asDeveloper.code, 1);
      assert.match(
        asDeveloper.out,
        /remote: GitLab: You are not allowed to push code to protected branches on this project\./,
      );
      assert.equal((await push(key, tree, path, 'HEAD:free')).code, 0);
      await must('DELETE', `/projects/${id}/members/${maker.id}`, undefined, owner.token);
      const gone = await push(key, tree, path, 'HEAD:free');
      assert.equal(gone.code, 128);
      assert.ok(gone.out.includes(frame('You are not allowed to push code to this project.')), gone.out);
      assert.equal((await forge.git(key, tree, 'ls-remote', forge.url(path))).code, 0);
      await must('POST', `/users/${maker.id}/block`);
      const blocked = await forge.git(key, tree, 'ls-remote', forge.url(path));
      assert.ok(blocked.out.includes(frame('Your account has been blocked.')), blocked.out);
      const own = await forge.ssh(maker.key, `git-upload-pack '${path}'`);
      assert.ok(own.out.includes(frame('Your account has been blocked.')), own.out);
      assert.equal(own.code, 1);
    });

    it('lets a rule that names one deploy key admit that key alone', async () => {
      const { owner, id, path, tree } = await place();
      const named = await deployKey(id, owner.token, true);
      const another = await deployKey(id, owner.token, true);
      await must('DELETE', `/projects/${id}/protected_branches/main`, undefined, owner.token);
      const rule = { name: 'main', push_access_level: 0, allowed_to_push: [{ deploy_key_id: named.id }] };
      await must('POST', `/projects/${id}/protected_branches`, rule, owner.token);
      const byName = await push(named.key, tree, path);
      assert.equal(byName.code, 0, byName.out);
      for (const key of [another.key, owner.key]) {
        const refused = await push(key, tree, path);
        assert.equal(refused.code, 1);
        assert.match(refused.out, /You are not allowed to push code to protected branches on this project\./);
      }
      await must('DELETE', `/projects/${id}/protected_branches/main`, undefined, owner.token);
      await must('POST', `/projects/${id}/protected_branches`, { name: 'main', push_access_level: 0 }, owner.token);
      assert.equal((await push(named.key, tree, path)).code, 1);
    });

    it('refuses what is not on its list, and says so as this server does', async () => {
      const { owner, path } = await place();
      const ours = transport === 'ssh2';
      const unknown = await forge.ssh(owner.key, 'frobnicate', 'now');
      assert.equal(unknown.code, ours ? 128 : 1);
      assert.equal(unknown.out, ours ? frame('Unknown command: frobnicate') : 'Disallowed command\n');
      assert.equal((await forge.ssh(owner.key, 'git-lfs-transfer', path, 'download')).code, ours ? 128 : 1);
      const unclosed = await forge.ssh(owner.key, "git-upload-pack 'x");
      assert.equal(unclosed.code, ours ? 128 : 1);
      assert.match(unclosed.out, /Invalid SSH command: /);
      for (const wrong of ['git-upload-pack', `git-upload-pack ${path} ${path}`, 'git-receive-pack --help']) {
        const refused = await forge.ssh(owner.key, wrong);
        assert.deepEqual(refused, { code: 1, out: frame('Disallowed command') });
      }
      const missing = await forge.ssh(owner.key, "git-upload-pack 'no/such.git'");
      assert.equal(missing.code, 1);
      assert.match(missing.out, NOT_FOUND);
      const twoFactor = await forge.ssh(owner.key, '2fa_recovery_codes');
      assert.deepEqual(twoFactor, { code: 1, out: frame('Two-factor authentication is not enabled for this user') });
      const stranger = await forge.ssh(await forge.key());
      assert.equal(stranger.code, 255);
      assert.match(stranger.out, /Permission denied \(publickey\)/);
    });

    it('runs nothing that is smuggled into a command', async () => {
      const { owner, path } = await place();
      const canary = `${forge.folder}/canary`;
      for (const command of [
        `git-upload-pack '${path}'; touch ${canary}`,
        `git-upload-pack '${path}' && touch ${canary}`,
        `git-upload-pack '${path}' | touch ${canary}`,
        `git-upload-pack $(touch ${canary})`,
        `git-upload-pack \`touch ${canary}\``,
        `git-upload-pack "$(touch ${canary})"`,
        `git-upload-pack '$(touch ${canary})'`,
        `git-upload-pack --upload-pack=touch\\ ${canary} '${path}'`,
        `git-upload-pack '--upload-pack=touch ${canary}'`,
        `git-upload-pack '-oProxyCommand=touch ${canary}'`,
        `git-upload-pack '../../../../etc'`,
        `git-upload-pack '${path}/../../..'`,
        `git-upload-pack '${path}\n'`,
        `git-upload-pack '${path}'\ntouch ${canary}`,
        `git upload-pack '${path}' --exec=${canary}`,
        `sh -c 'touch ${canary}'`,
        `env X=1 git-upload-pack '${path}'`,
        `git-upload-archive '--exec=touch ${canary}'`,
        `git-shell -c "git-upload-pack '${path}'"`,
        `git-upload-pack '${'a'.repeat(20_000)}'`,
      ]) {
        const ran = await forge.ssh(owner.key, command);
        assert.notEqual(ran.code, 0, command);
        assert.doesNotMatch(ran.out, /^[0-9a-f]{4}[0-9a-f]{40} HEAD/, command);
        assert.ok(!ran.out.includes(forge.server.data), 'no path of the server');
      }
      const listed = await forge.ssh(owner.key, `test -e ${canary}`);
      assert.notEqual(listed.code, 0);
      const { existsSync } = await import('node:fs');
      assert.equal(existsSync(canary), false);
    });

    it('makes a personal access token for a user key, and none for a deploy key', async () => {
      const { owner, id } = await place();
      const made = await forge.ssh(owner.key, 'personal_access_token', 'laptop', 'read_api,read_repository', '5');
      assert.equal(made.code, 0, made.out);
      const [, token] =
        /^Token: {3}(\S+)\nScopes: {2}read_api,read_repository\nExpires: \d{4}-\d\d-\d\d\n$/.exec(made.out) ?? [];
      const self = await must('GET', '/personal_access_tokens/self', undefined, token);
      assert.equal(self.name, 'laptop');
      const words = async (...args: string[]) => forge.ssh(owner.key, 'personal_access_token', ...args);
      assert.match(
        (await words('x')).out,
        /Usage: personal_access_token <name> <scope1\[,scope2,\.\.\.\]> \[ttl_days\]/,
      );
      assert.match((await words('x', 'api', 'soon')).out, /Invalid value for days_ttl: 'soon'/);
      assert.match((await words('x', 'sudo')).out, /Invalid scope: 'sudo'\. Valid scopes are: \[/);
      const { key } = await deployKey(id, owner.token, true);
      const refused = await forge.ssh(key, 'personal_access_token', 'x', 'api');
      assert.equal(refused.code, 1);
      assert.match(refused.out, /Deploy keys cannot be used to create personal access tokens/);
    });

    it('ends what runs under a key when the key ends: removed, disabled, expired, or its owner blocked', async () => {
      const { owner, id, path } = await place();
      const { id: otherId } = await place();
      const maker = await forge.person(`maker${++names}`);
      for (const project of [id, otherId])
        await must('POST', `/projects/${project}/members`, { user_id: maker.id, access_level: 40 });
      const [removed, disabled, blocked] = [
        await deployKey(id, owner.token, true),
        await deployKey(id, maker.token, true),
        await deployKey(id, maker.token, true),
      ];
      await must('POST', `/projects/${otherId}/deploy_keys/${disabled.id}/enable`, {}, maker.token);
      const late = await forge.key();
      const soon = new Date(Date.now() + 60_000).toISOString();
      const { id: lateId } = await must(
        'POST',
        '/user/keys',
        { title: 'late', key: late.line, expires_at: soon },
        owner.token,
      );
      const { services } = forge.server;
      const endings: [string, TestKey, () => Promise<unknown>][] = [
        ['removed', removed.key, () => must('DELETE', `/projects/${id}/deploy_keys/${removed.id}`)],
        ['disabled', disabled.key, () => must('DELETE', `/projects/${id}/deploy_keys/${disabled.id}`)],
        [
          'expired',
          late,
          () =>
            services.db.tx((tx) =>
              tx
                .updateTable('credentials')
                .set({ expires_at: services.clock.now() })
                .where('id', '=', lateId)
                .execute(),
            ),
        ],
        ['blocked', blocked.key, () => must('POST', `/users/${maker.id}/block`)],
      ];
      for (const [how, key, end] of endings) {
        const held = forge.hold(key, `git-upload-pack '${path}'`);
        let out = '';
        held.stderr?.on('data', (chunk) => (out += chunk));
        await once(held.stdout!, 'data');
        const ended = once(held, 'close');
        await end();
        assert.equal((await ended)[0], 1, `${how}: ${out}`);
        assert.equal(out, frame('This SSH key was ended while it was in use.'), how);
      }
      assert.equal((await forge.ssh(removed.key)).code, 255);
    });

    it('tells of an expired key only with the command, and of a moved project with the push', async () => {
      const { owner, id, path, tree } = await place();
      const late = await forge.key();
      const keyId = await forge.addKey(owner.token, late);
      const { services } = forge.server;
      await services.db.tx((tx) =>
        tx
          .updateTable('credentials')
          .set({ expires_at: services.clock.now() - 1 })
          .where('id', '=', keyId)
          .execute(),
      );
      const expired = await forge.ssh(late, `git-upload-pack '${path}'`);
      assert.deepEqual(expired, { code: 1, out: frame('Your SSH key has expired.') });
      await must('PUT', `/projects/${id}`, { path: `moved${names}` }, owner.token);
      const pushed = await push(owner.key, tree, path, 'HEAD:work');
      assert.equal(pushed.code, 0, pushed.out);
      assert.match(pushed.out, new RegExp(`Project '${path}' was moved to '${owner.username}/moved${names}'\\.`));
    });
  });
}

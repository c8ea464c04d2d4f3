// The life of the SSH door with its server: clone URLs, a taken port, a session under way when the server stops, and the child's
// end when the server is killed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { sshCloneUrl } from '../../../src/storage/house.ts';
import { startServer } from '../../support/server.ts';
import { openSshForge, type SshForge } from '../../support/ssh.ts';

describe('the SSH door', () => {
  let forge: SshForge;
  let stopped = false;
  before(async () => {
    forge = await openSshForge('ssh2');
  });
  after(async () => {
    if (!stopped) await forge?.close();
  });

  it('is in clone URLs, scp-like on port 22', async () => {
    const url = 'https://git.example.com';
    for (const [sshUrl, clone] of [
      [null, 'git@git.example.com:a/b.git'],
      ['ssh://git@ssh.example.com', 'git@ssh.example.com:a/b.git'],
      ['ssh://git@ssh.example.com:22', 'git@ssh.example.com:a/b.git'],
      ['ssh://ssh.example.com:2222', 'ssh://git@ssh.example.com:2222/a/b.git'],
    ] as const)
      assert.equal(sshCloneUrl({ url, sshUrl }, 'a/b'), clone);
    const alice = await forge.person('alice');
    const made = await forge.server.api('POST', '/projects', { token: alice.token, body: { name: 'p' } });
    assert.equal(made.body.ssh_url_to_repo, `ssh://git@localhost:${forge.port}/alice/p.git`);
    const listed = await forge.git(alice.key, forge.folder, 'ls-remote', made.body.ssh_url_to_repo);
    assert.equal(listed.code, 0, listed.out);
  });

  it('says which port is taken, and leaves nothing open', async () => {
    const squatter = createServer();
    await new Promise<void>((done) => squatter.listen(0, '127.0.0.1', done));
    const { port } = squatter.address() as { port: number };
    await assert.rejects(
      startServer({ env: { KEYWARD_SSH_LISTEN: `127.0.0.1:${port}` } }),
      new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port} \\(KEYWARD_SSH_LISTEN\\): another program listens there`),
    );
    await new Promise((done) => squatter.close(done));
  });

  it('lets a push that is under way end when the server stops, and takes no new connection', async () => {
    const bob = await forge.person('bob');
    const tree = await forge.workTree();
    const first = await forge.git(bob.key, tree, 'push', '-q', forge.url('bob/p'), 'main');
    assert.equal(first.code, 0, first.out);
    const held = forge.hold(bob.key, "git-upload-pack 'bob/p'");
    await once(held.stdout!, 'data');
    stopped = true;
    const closing = forge.close();
    await pause(500);
    assert.equal((await forge.ssh(bob.key)).code, 255, 'no new connection');
    const ended = once(held, 'close');
    // The client has heard the refs and wants nothing: that is a whole conversation.
    held.stdin!.end('0000');
    assert.deepEqual(await ended, [0, null]);
    await closing;
  });
});

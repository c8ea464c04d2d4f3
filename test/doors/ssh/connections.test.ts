// The SSH server as a hostile network sees it: clients that never sign in, garbage instead of a key exchange, requests for
// terminals and tunnels, too many sessions, and a child process that is killed.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, stat } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { openSshForge, type SshForge, type TestKey } from '../../support/ssh.ts';

describe("Keyward's own SSH server", () => {
  let forge: SshForge;
  let alice: Awaited<ReturnType<SshForge['person']>>;
  before(async () => {
    forge = await openSshForge('ssh2');
    alice = await forge.person('alice');
  });
  after(() => forge?.close());

  async function client(key: TestKey, options: Record<string, unknown> = {}): Promise<Client> {
    const made = new ssh2.Client();
    const ready = once(made, 'ready');
    made.connect({
      host: '127.0.0.1',
      port: forge.port,
      username: 'git',
      privateKey: await readFile(key.path),
      ...options,
    });
    await ready;
    return made;
  }
  const refusedBy = (work: (done: (error: Error | undefined) => void) => void) =>
    new Promise<boolean>((resolve) => work((error) => resolve(error !== undefined)));
  const greeted = async () => assert.match((await forge.ssh(alice.key)).out, /^Welcome to GitLab, @alice!/);

  it('lets in the login git with a public key, and nobody else', async () => {
    const stranger = await forge.ssh(alice.key, '-l', 'root', '--');
    assert.equal(stranger.code, 255);
    assert.match(stranger.out, /Permission denied \(publickey\)/);
    const password = new ssh2.Client();
    const failed = once(password, 'error');
    password.connect({ host: '127.0.0.1', port: forge.port, username: 'git', password: 'a password of root' });
    assert.match(String(await failed), /authentication methods failed/);
    const signing = await forge.key();
    const body = { title: 'signing', key: signing.line, usage_type: 'signing' };
    assert.equal((await forge.server.api('POST', '/user/keys', { token: alice.token, body })).status, 201);
    assert.equal((await forge.ssh(signing)).code, 255);
  });

  it('speaks modern algorithms alone', async () => {
    for (const option of [
      'Ciphers=aes128-cbc',
      'KexAlgorithms=diffie-hellman-group1-sha1',
      'MACs=hmac-sha1,hmac-md5',
    ]) {
      const words = option.startsWith('MACs') ? ['-o', 'Ciphers=aes128-ctr', '-o', option] : ['-o', option];
      const refused = await forge.ssh(alice.key, ...words, '--');
      assert.equal(refused.code, 255, option);
    }
    const rsa = await forge.key('rsa');
    await forge.addKey(alice.token, rsa);
    const old = await forge.ssh(rsa, '-o', 'PubkeyAcceptedAlgorithms=ssh-rsa', '--');
    assert.equal(old.code, 255, 'a signature with SHA-1 is none');
    assert.equal((await forge.ssh(rsa, '-o', 'PubkeyAcceptedAlgorithms=rsa-sha2-256', '--')).code, 0);
  });

  it('gives no terminal, tunnel, agent, file transfer or variable beyond GIT_PROTOCOL', async () => {
    const connection = await client(alice.key);
    assert.ok(await refusedBy((done) => connection.sftp(done)), 'sftp');
    assert.ok(await refusedBy((done) => connection.subsys('netconf', done)), 'a subsystem');
    assert.ok(await refusedBy((done) => connection.forwardOut('127.0.0.1', 1, '127.0.0.1', 22, done)), 'a tunnel');
    assert.ok(await refusedBy((done) => connection.forwardIn('127.0.0.1', 0, done)), 'a tunnel back');
    assert.ok(await refusedBy((done) => connection.exec('x', { pty: true }, done)), 'a terminal');
    assert.ok(await refusedBy((done) => connection.exec('x', { x11: true }, done)), 'a display');
    connection.end();
    const env = ['-o', 'SetEnv=LD_PRELOAD=/tmp/x.so', '-o', 'SetEnv=GIT_PROTOCOL=$(id)'];
    assert.equal((await forge.ssh(alice.key, ...env, '--')).code, 0, 'the client goes on without them');
  });

  it('serves ten sessions in one connection and refuses the eleventh', async () => {
    const connection = await client(alice.key);
    const tree = await forge.workTree();
    const pushed = await forge.git(alice.key, tree, 'push', '-q', forge.url('alice/many'), 'main');
    assert.equal(pushed.code, 0, pushed.out);
    const open = () =>
      new Promise<ClientChannel | null>((resolve) =>
        connection.exec("git-lfs-authenticate 'alice/many' neither", (error, channel) =>
          resolve(error ? null : channel),
        ),
      );
    const quiet = () =>
      new Promise<ClientChannel | null>((resolve) =>
        connection.exec("git-upload-pack 'alice/many'", (error, channel) => resolve(error ? null : channel)),
      );
    const held = await Promise.all(Array.from({ length: 10 }, quiet));
    assert.ok(held.every((channel) => channel !== null));
    assert.equal(await open(), null, 'the eleventh');
    held[0]!.close();
    await pause(300);
    const again = await open();
    assert.ok(again, 'a place became free');
    again.resume();
    assert.equal((await once(again, 'exit'))[0], 1);
    connection.end();
  });

  it('runs no git for a client that has gone', async () => {
    const connection = await client(alice.key);
    await new Promise<void>((resolve, reject) =>
      connection.exec("git-upload-pack 'alice/many'", (error, channel) => {
        if (error) reject(error);
        else channel.once('data', () => resolve());
      }),
    );
    assert.ok(forge.server.services.git.running().stream > 0);
    connection.destroy();
    for (let tries = 0; forge.server.services.git.running().stream > 0; tries += 1) {
      assert.ok(tries < 100, 'git still runs');
      await pause(50);
    }
    assert.equal(forge.server.services.liveUses.size, 0);
  });

  it('outlives garbage in place of a key exchange', async () => {
    for (const bytes of [
      randomBytes(4096),
      Buffer.from(`SSH-2.0-x\r\n${'\0'.repeat(4096)}`),
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(65_536)]),
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.from([0xff, 0xff, 0xff, 0xff]), randomBytes(64)]),
      Buffer.from(`SSH-2.0-${'x'.repeat(100_000)}`),
      Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    ]) {
      const socket = connect(forge.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      socket.end(bytes);
      await Promise.race([once(socket, 'close'), pause(3000)]);
      socket.destroy();
    }
    await greeted();
  });

  it('serves others while 500 connections from the same address never sign in', async () => {
    const crowd: Socket[] = [];
    for (let index = 0; index < 500; index += 1) {
      const socket = connect(forge.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      if (index % 2 === 0) socket.write('SSH-2.0-idler\r\n');
      crowd.push(socket);
    }
    await pause(500);
    for (let index = 0; index < 3; index += 1) await greeted();
    const waiting = crowd.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
    assert.ok(waiting <= 100, `${waiting} of them are still there`);
    for (const socket of crowd) socket.destroy();
    const { services } = forge.server;
    // The child tells once a second who did not sign in: the crowd, and the garbage and wrong logins of the cases above.
    for (let tries = 0; ; tries += 1) {
      await pause(250);
      await services.refusals.flush();
      const rows = await services.db.read
        .selectFrom('audit_refusals')
        .select(['ip_address', 'code', 'count'])
        .where('door', '=', 'ssh')
        .execute();
      const told = (code: string) =>
        rows
          .filter((row) => row.ip_address === '127.0.0.1' && row.code === code)
          .reduce((sum, row) => sum + row.count, 0);
      if (told('crowded') >= 400 && told('no_key_exchange') >= 6 && told('not_signed_in') >= 3) break;
      assert.ok(tries < 40, JSON.stringify(rows));
    }
  });

  it('is started again on the same port when its process dies, with the same host keys', async () => {
    const before = await client(alice.key);
    const closed = once(before, 'close');
    before.on('error', () => {});
    process.kill(await childOf(process.pid), 'SIGKILL');
    await closed;
    for (let tries = 0; ; tries += 1) {
      const again = await forge.ssh(alice.key);
      if (again.code === 0) break;
      assert.ok(tries < 40, again.out);
      await pause(250);
    }
    const keys = await readdir(join(forge.server.data, 'keys'));
    for (const name of keys.filter((file) => file.startsWith('ssh_host_') && !file.endsWith('.pub')))
      assert.equal((await stat(join(forge.server.data, 'keys', name))).mode & 0o777, 0o600);
    assert.equal(keys.filter((file) => file.startsWith('ssh_host_')).length, 6);
  });
});

/** The SSH child of this process, by the program in its command line. */
async function childOf(parent: number): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [status, command] = await Promise.all(
      ['status', 'cmdline'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    if (status!.includes(`\nPPid:\t${parent}\n`) && command!.includes('ssh2-child.ts')) return Number(name);
  }
  throw new Error('the SSH child does not run');
}

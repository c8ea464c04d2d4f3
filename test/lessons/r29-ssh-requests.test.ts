// Lesson R29 (CVE-2024-39930, Gogs: an `env` request of an SSH session became an argument of a program):
// 1. somebody with a good key opens a session and sends variables whose names or values read as options, or that git obeys;
// 2. or he asks for a terminal, a subsystem, a tunnel, or a command that is not git's;
// 3. or he names a repository that reads as an option, a command line or a path out of the folder;
// 4. the server runs something for him.
// The commands are a closed list without a shell, of the environment only a checked GIT_PROTOCOL gets through, and whatever a
// repository's name looks like, it is a name.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { openSshForge, type SshForge } from '../support/ssh.ts';

describe('a session over SSH', () => {
  let forge: SshForge;
  let client: Client;
  let canary: string;
  let touch: string;

  before(async () => {
    forge = await openSshForge('ssh2');
    const mallory = await forge.person('mallory');
    const body = { name: 'p', initialize_with_readme: true };
    assert.equal((await forge.server.api('POST', '/projects', { token: mallory.token, body })).status, 201);
    canary = join(forge.folder, 'canary');
    touch = `touch ${canary}`;
    client = new ssh2.Client();
    const ready = once(client, 'ready');
    const privateKey = await readFile(mallory.key.path);
    client.connect({ host: '127.0.0.1', port: forge.port, username: 'git', privateKey });
    await ready;
  });
  after(async () => {
    client?.end();
    await forge?.close();
  });

  /** Runs a command with no input; `out` is all that came back. */
  const run = (command: string, env: Record<string, string> = {}) =>
    new Promise<{ code: number; out: string }>((resolve, reject) =>
      client.exec(command, { env }, (error: Error | undefined, channel: ClientChannel) => {
        if (error) return reject(error);
        let out = '';
        for (const stream of [channel, channel.stderr])
          stream.on('data', (chunk: Buffer) => {
            out += chunk.toString('latin1');
          });
        let code = -1;
        channel.on('exit', (status: number) => {
          code = status;
        });
        channel.on('close', () => resolve({ code, out }));
        channel.end('0000');
      }),
    );
  const refused = (work: (done: (error: Error | undefined) => void) => void) =>
    new Promise<boolean>((resolve) => work((error) => resolve(error !== undefined)));

  test('hands git no variable of the client but a sound GIT_PROTOCOL', async () => {
    const plain = await run("git-upload-pack 'mallory/p'");
    assert.equal(plain.code, 0);
    for (const [name, value] of [
      ['GIT_TRACE', canary],
      ['GIT_TRACE_SETUP', canary],
      ['GIT_EXTERNAL_DIFF', touch],
      ['GIT_CONFIG_PARAMETERS', `'core.fsmonitor'='${touch}'`],
      ['LD_PRELOAD', '/no/such.so'],
      ['BASH_ENV', canary],
      ['NODE_OPTIONS', '--version'],
      ['--split-string', touch],
      ['-S', touch],
      ['X=1 GIT_TRACE', canary],
      ['X\nGIT_TRACE', canary],
      ['GIT_PROTOCOL', `version=1\nGIT_TRACE=${canary}`],
      ['GIT_PROTOCOL', `version=1; ${touch}`],
      ['GIT_PROTOCOL', `$(${touch})`],
      ['git_protocol', 'version=1'],
    ] as const)
      assert.deepEqual(await run("git-upload-pack 'mallory/p'", { [name]: value }), plain, name);
    assert.match((await run("git-upload-pack 'mallory/p'", { GIT_PROTOCOL: 'version=1' })).out, /^000eversion 1\n/);
    assert.equal(existsSync(canary), false);
  });

  test('is no terminal, no subsystem and no tunnel', async () => {
    assert.ok(await refused((done) => client.exec("git-upload-pack 'mallory/p'", { pty: true }, done)));
    assert.ok(await refused((done) => client.subsys('sftp', done)));
    assert.ok(await refused((done) => client.subsys(touch, done)));
    assert.ok(await refused((done) => client.forwardOut('127.0.0.1', 1, '127.0.0.1', forge.port, done)));
    assert.ok(await refused((done) => client.forwardIn('127.0.0.1', 0, done)));
  });

  test('runs nothing that is not on the list, and takes no name of a repository for anything else', async () => {
    const name = fc.oneof(
      fc.constantFrom('-p', '--help', '--upload-pack=x', '-oProxyCommand=x', '--git-dir=/', '.', '..', '/', '~', ''),
      fc.constantFrom('mallory/p;id', 'mallory/p\n', 'mallory/../../etc', 'mallory/p/../../..', 'mallory/p\u0000'),
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.stringMatching(/^[-./~$`;&|<>()a-p' "\\]{1,40}$/),
    );
    const command = fc.constantFrom(
      'git-upload-pack',
      'git-receive-pack',
      'git-upload-archive',
      'git upload-pack',
      'git-lfs-authenticate',
      'git-shell -c',
      'sh -c',
      'env',
    );
    const quote = fc.constantFrom(
      (text: string) => text,
      (text: string) => `'${text}'`,
      (text: string) => `"${text}"`,
      (text: string) => `'${text.replaceAll("'", "'\\''")}'`,
      (text: string) => `${text} 'mallory/p'`,
      (text: string) => `'mallory/p' ${text}`,
    );
    await fc.assert(
      fc.asyncProperty(command, quote, name, async (program, quoted, text) => {
        const line = `${program} ${quoted(text.replaceAll('id', touch))}`;
        const { code, out } = await run(line);
        // A word that adds only quotes or white space names the repository itself.
        const names = /^git-?(upload|receive)-pack\/?mallory\/p(\.git)?\/?$/.test(line.replace(/['"\s]/g, ''));
        assert.ok(names || code !== 0, line);
        assert.ok(!out.includes(forge.server.data), line);
        assert.equal(existsSync(canary), false, line);
      }),
      { numRuns: 150 },
    );
  });
});

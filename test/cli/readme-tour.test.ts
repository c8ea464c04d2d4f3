// The README's first tour, run as it is printed: every `sh` block under "First tour", in order, in one shell that stops at the
// first command that fails. Only the addresses are those of the test's own server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { spawnServer } from '../support/server.ts';

const ROOT = new URL('../../', import.meta.url).pathname;

describe('the first tour of the README', () => {
  let server: Awaited<ReturnType<typeof spawnServer>>;
  let folder = '';
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-tour-'));
    await symlink(join(ROOT, 'bin'), join(folder, 'bin'));
    server = await spawnServer({ env: { KEYWARD_SSH_LISTEN: '127.0.0.1:0', KEYWARD_ROOT_TOKEN: '' } });
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('works as it is printed', async () => {
    const readme = await readFile(join(ROOT, 'README.md'), 'utf8');
    const tour = readme.slice(readme.indexOf('## First tour'), readme.indexOf('## The eight kinds'));
    const blocks = [...tour.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) => match[1]!);
    assert.ok(blocks.length >= 6, `${blocks.length} blocks`);
    const sshUrl = /git over SSH: (\S+)/.exec(server.output())?.[1];
    assert.ok(sshUrl, 'the banner says where SSH is');
    const script = blocks
      .join('\n')
      .replaceAll('http://localhost:8080', server.url)
      .replaceAll('ssh://git@localhost:2222', sshUrl)
      // The tour's question about a key that may not push is answered with exit code 3, as docs/cli.md says.
      .replace(/^(bin\/keyward explain .*)$/m, '$1 || [ $? -eq 3 ]');
    // A home of its own: the machine's git and ssh settings change nothing, and nothing is left in them.
    const env = { PATH: process.env['PATH'], HOME: folder, KEYWARD_DATA: server.data, GIT_TERMINAL_PROMPT: '0' };
    const known = `-o UserKnownHostsFile=${folder}/known_hosts`;
    const shell = [
      '-eu',
      '-o',
      'pipefail',
      '-c',
      script.replace('-o IdentitiesOnly=yes', `-o IdentitiesOnly=yes ${known}`),
    ];
    const output = await new Promise<string>((resolve, reject) =>
      execFile('bash', shell, { cwd: folder, env, timeout: 60_000 }, (error, stdout, stderr) =>
        error ? reject(new Error(`${error.message}\n${stdout}\n${stderr}`)) : resolve(stdout + stderr),
      ),
    );
    assert.match(output, /refused by the lock "scope"/);
    assert.match(output, /key \d+ \(puller\) is revoked/);
    assert.equal(
      await readFile(join(folder, 'tour-ssh', 'hello.txt'), 'utf8'),
      'hello\n',
      'what was pushed over HTTP came back over SSH',
    );
  });
});

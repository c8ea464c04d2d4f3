// git over HTTPS in the strict sense: a server with a certificate of its own, and a real git that checks it.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { ROOT_TOKEN, startServer, type TestClient } from '../../support/server.ts';

const run = promisify(execFile);

describe('git over TLS', () => {
  let folder = '';
  let server: TestClient;
  let cert = '';

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-tls-'));
    cert = join(folder, 'cert.pem');
    const key = join(folder, 'key.pem');
    const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    const flags = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    await run('openssl', ['req', ...flags, ...name, '-keyout', key, '-out', cert]);
    server = await startServer({ env: { KEYWARD_TLS_CERT: cert, KEYWARD_TLS_KEY: key } });
  });
  after(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const git = (trust: string | null, ...args: string[]) =>
    run('git', args, {
      cwd: folder,
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        GIT_TERMINAL_PROMPT: '0',
        ...(trust === null ? {} : { GIT_SSL_CAINFO: trust }),
      },
    });
  const remote = (path: string) => server.url.replace('https://', `https://x:${ROOT_TOKEN}@`) + path;

  it('makes a project by a push, clones it with and without .git, and is refused without the certificate', async () => {
    assert.match(server.url, /^https:\/\/localhost:\d+$/);
    await git(cert, 'init', '-q', '-b', 'main', 'tree');
    const who = ['-c', 'user.name=A', '-c', 'user.email=a@example.com'];
    await git(cert, '-C', 'tree', ...who, 'commit', '-q', '--allow-empty', '-m', 'first');
    const pushed = await git(cert, '-C', 'tree', 'push', remote('/root/app.git'), 'main');
    assert.match(pushed.stderr, new RegExp(`git remote add origin ${server.url}/root/app\\.git`));
    for (const path of ['/root/app', '/root/app.git']) {
      const target = `clone${path.length}`;
      await git(cert, 'clone', '-q', remote(path), target);
      assert.match(await readFile(join(folder, target, '.git/HEAD'), 'utf8'), /refs\/heads\/main/);
    }
    await assert.rejects(git(null, 'clone', '-q', remote('/root/app.git'), 'untrusted'), /certificate/);
  });
});

// python-gitlab as it comes from Debian, unmodified: full cycles of deploy keys and of people's SSH keys, with their errors. The
// steps are Python; here they are only started.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';
import { newSshKeyText } from '../support/world.ts';

const SCRIPT = new URL('ssh-keys-python-gitlab-steps.py', import.meta.url).pathname;

describe('python-gitlab and SSH keys', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  for (const step of ['deploy_keys', 'user_keys'])
    it(`drives ${step.replaceAll('_', ' ')}`, async () => {
      const keys = Array.from({ length: 4 }, (_, index) => newSshKeyText(`key ${index}`));
      const env = { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' };
      const args = [SCRIPT, server.url, server.rootToken, step, ...keys];
      const failure = await new Promise<string | null>((resolve) =>
        execFile('/usr/bin/python3', args, { env, timeout: 60_000 }, (error, stdout, stderr) =>
          resolve(error ? stdout + stderr : null),
        ),
      );
      assert.equal(failure, null);
    });
});

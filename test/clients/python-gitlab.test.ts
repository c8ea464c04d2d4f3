// python-gitlab as it comes from Debian, unmodified, against a running server: users, places, every key that it knows, protected
// branches and code, with their errors. The steps are Python; here they are only started.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = new URL('python-gitlab-steps.py', import.meta.url).pathname;
const STEPS = [
  'users',
  'groups_and_members',
  'projects',
  'personal_tokens',
  'impersonation_tokens',
  'place_tokens',
  'deploy_tokens',
  'protected_branches',
  'files',
  'pages',
] as const;

function python(args: readonly string[]): Promise<{ code: number; output: string }> {
  const env = { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1' };
  return new Promise((resolve) =>
    execFile(PYTHON, [...args], { env, timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) || 1 : 0, output: stdout + stderr }),
    ),
  );
}

describe('python-gitlab', () => {
  let server: TestServer;
  before(async () => {
    const installed = await python(['-c', 'import gitlab']);
    assert.equal(
      installed.code,
      0,
      `python-gitlab is missing; install it with: apt-get install python3-gitlab\n${installed.output}`,
    );
    server = await startServer();
  });
  after(() => server?.stop());

  for (const step of STEPS)
    it(`drives ${step.replaceAll('_', ' ')}`, async () => {
      const { code, output } = await python([SCRIPT, server.url, server.rootToken, step]);
      assert.equal(code, 0, output);
    });
});

// Lesson R11 (CVE-2026-92874: a new surface came with a decision of its own, and forgot the scope):
// 1. somebody adds a door, a room or a route;
// 2. he compares a role or a scope there, because it is handy;
// 3. the next rule is written in `access/` and is not heard of there.
// The source is read for it: only `access/` asks what a scope opens or which role is enough, only `decide` makes a proof, and every
// door asks `decide` where it lets somebody in.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { sourcesBelow } from '../house/source-files.ts';

const files = sourcesBelow('src');

describe('the decision', () => {
  test('is made in one file', () => {
    const makers = files
      .filter((file) => file.imports.some((one) => one.names.includes('allow')))
      .map(({ path }) => path);
    assert.deepEqual(makers, ['src/access/decide.ts']);
  });

  test('by scope is nobody else’s: doors and rooms do not look for one', () => {
    const asks = /scopes\.(?:includes|some|has|indexOf)\(\s*['"]/;
    const found = files.filter(({ path, code }) => !/^src\/(?:access|credentials)\//.test(path) && asks.test(code));
    assert.deepEqual(
      found.map(({ path }) => path),
      [],
    );
  });

  test('by role is nobody else’s: doors compare no level and no administrator', () => {
    const compares = /\.admin\s*[=!]==?|\b(?:level|access_level)\s*[<>]=?\s*[\w]/;
    const found = files.filter(({ path, code }) => path.startsWith('src/doors/') && compares.test(code));
    assert.deepEqual(
      found.map(({ path }) => path),
      // The one shows whether somebody is an administrator, the other picks the words after `decide` said no.
      ['src/doors/rest/present/user.ts', 'src/doors/rest/sudo.ts'],
    );
  });

  test('is asked at every entrance, and keys are verified nowhere else', () => {
    const decides = /(?:await|=>) decide\(/;
    for (const entrance of [
      'rest/dispatch.ts',
      'git-http/entry.ts',
      'git-http/lfs-entry.ts',
      'ssh/git-session.ts',
      'ssh/token-command.ts',
    ]) {
      const file = files.find(({ path }) => path === `src/doors/${entrance}`);
      assert.ok(file && decides.test(file.code), `${entrance} does not decide`);
    }
    const verifies = /verifier\.(?:token|password|session|sshKey)\(/;
    const found = files.filter(({ path, code }) => path.startsWith('src/doors/') && verifies.test(code));
    assert.deepEqual(
      found.map(({ path }) => path),
      [
        'src/doors/git-http/basic.ts',
        'src/doors/rest/dispatch.ts',
        // the text that is asked about, and the password that signs in
        'src/doors/rest/routes/keyward.ts',
        'src/doors/rest/routes/session.ts',
        'src/doors/ssh/holder.ts',
      ],
    );
  });
});

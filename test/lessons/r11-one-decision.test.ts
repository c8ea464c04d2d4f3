// Lesson R11 (CVE-2026-92874: a new surface came with a decision of its own, and forgot the scope):
// 1. somebody adds a door, a room or a route;
// 2. he compares a role or a scope there, because it is handy;
// 3. the next rule is written in `access/` and is not heard of there.
// The source is read for it: only `access/` asks what a scope opens, only `decide` makes a proof, and every door asks `decide`.
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

  test('is asked by every door that takes a key', () => {
    const doors = ['rest', 'git-http', 'ssh', 'local'];
    for (const door of doors) {
      const own = files.filter(({ path }) => path.startsWith(`src/doors/${door}/`));
      assert.ok(own.length > 0, door);
      const verifies = own.some(({ code }) => /verifier\.(?:token|password|session|sshKey)\(/.test(code));
      const decides = own.some(({ code }) => /\bdecide\w*\(|create-on-push|judgePush/.test(code));
      if (verifies) assert.ok(decides, `${door} verifies and does not decide`);
    }
  });
});

// What git ends with when it is asked for what is not there is no trouble; a damaged or missing repository, and a killed child, are.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { isExpectedFailure } from '../../src/repositories/expected-failures.ts';

describe('the ends of git', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-expected-'));
  after(() => rmSync(folder, { recursive: true }));
  execFileSync('git', ['init', '--quiet', '--bare', folder]);
  const tree = execFileSync('git', [`--git-dir=${folder}`, 'mktree'], { input: '', encoding: 'utf8' }).trim();
  const end = (...args: string[]) => {
    const { status, stderr } = spawnSync('git', [`--git-dir=${folder}`, ...args], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C' },
    });
    assert.notEqual(status, 0, args.join(' '));
    return isExpectedFailure(status ?? -1, stderr);
  };

  it('are expected when what was asked for is not there', () => {
    for (const args of [
      ['rev-parse', '--verify', '--quiet', 'nope'],
      ['rev-parse', '--verify', 'nope'],
      ['log', '-1', 'f'.repeat(40)],
      ['log', '-1', 'nope', '--'],
      ['ls-tree', `${tree}:nope`],
      ['ls-tree', 'nope'],
      ['cat-file', 'blob', 'nope'],
      ['show-ref', '--verify', '--quiet', 'refs/heads/nope'],
    ])
      assert.equal(end(...args), true, args.join(' '));
  });

  it('are trouble otherwise', () => {
    const gone = spawnSync('git', [`--git-dir=${folder}-gone`, 'log'], { encoding: 'utf8' });
    assert.equal(isExpectedFailure(gone.status ?? -1, gone.stderr), false);
    assert.equal(end('no-such-command'), false);
    assert.equal(isExpectedFailure(-1, ''), false);
    assert.equal(isExpectedFailure(137, ''), false);
    assert.equal(isExpectedFailure(128, 'fatal: loose object 1234 is corrupt'), false);
    assert.equal(isExpectedFailure(1, 'error: unable to write file: No space left on device'), false);
  });
});

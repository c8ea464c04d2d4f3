// Holds how files look: an opening comment, a length that one can read, kebab-case names; and that tests test: none is
// switched off, none runs alone, none is left over.
import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { expectNone, filesBelow, sourcesBelow } from './source-files.ts';

const sources = sourcesBelow('src');
const tests = sourcesBelow('test');
const MOST_LINES = 350;
/** Tables: they read well at any length. */
const TABLES = ['src/storage/schema.ts'];

describe('files', () => {
  it('open with a comment that says what they answer', () => {
    expectNone(
      [...sources, ...tests]
        .filter((file) => !/^(#![^\n]*\n)?(\/\/|\/\*)/.test(file.text))
        .map(
          (file) => `${file.path}: begin with two or three sentences: the question it answers, what it refuses to know`,
        ),
    );
  });

  it('are no longer than one can read', () => {
    expectNone(
      sources
        .filter((file) => file.text.split('\n').length - 1 > MOST_LINES && !TABLES.includes(file.path))
        .map(
          (file) => `${file.path} has ${file.text.split('\n').length - 1} lines: it holds two ideas, give each a file`,
        ),
    );
  });

  it('have kebab-case names', () => {
    expectNone(
      [...filesBelow('src'), ...filesBelow('test')]
        .filter((path) => basename(path) !== 'README.md' && !/^[a-z0-9-]+(\.[a-z0-9]+)*$/.test(basename(path)))
        .map((path) => `${path}: rename it to kebab-case`),
    );
  });

  it('leave nothing for later', () => {
    const later = new RegExp(['TO', 'DO|FIX', 'ME|X', 'XX'].join(''));
    expectNone(
      [...sources, ...tests]
        .filter((file) => later.test(file.text))
        .map((file) => `${file.path}: do it now or drop it`),
    );
  });
});

describe('tests', () => {
  const testFiles = tests.filter((file) => file.path.endsWith('.test.ts'));

  it('are all switched on', () => {
    assert.ok(testFiles.length > 10, 'the tests were found');
    const off = /\b(it|test|describe|suite)\.(only|skip|todo)\b|\b(skip|only|todo):\s*(true|['"`])|\.(skip|todo)\(/;
    expectNone(
      testFiles
        .filter((file) => off.test(file.code))
        .map((file) => `${file.path}: a test that does not run holds nothing; make it run or delete it`),
    );
  });

  it('assert something', () => {
    const asserts = /\bassert\b|\bexpect\w*\(|\bproperty\(/;
    expectNone(
      testFiles
        .filter((file) => !asserts.test(file.code))
        .map((file) => `${file.path}: it cannot fail; let it assert something`),
    );
  });

  it('lie in a folder that is named after a room, a door or a purpose', () => {
    expectNone(
      testFiles
        .filter((file) => !/^test\/[a-z-]+\//.test(file.path))
        .map((file) => `${file.path}: move it into test/<room>/`),
    );
  });
});

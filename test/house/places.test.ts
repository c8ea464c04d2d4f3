// Holds where certain things may stand: SQL, the clock, child processes, and the makers of proofs. Each finding says where
// the code should go.
import { describe, it } from 'node:test';
import { expectNone, type SourceFile, sourcesBelow } from './source-files.ts';

const files = sourcesBelow('src');

function findAll(pattern: RegExp, allowed: (path: string) => boolean, advice: string): string[] {
  return files
    .filter((file) => !allowed(file.path))
    .flatMap((file) => linesWith(file, pattern).map((line) => `${file.path}: ${line}\n    ${advice}`));
}

function linesWith(file: SourceFile, pattern: RegExp): string[] {
  return file.code
    .split('\n')
    .filter((line) => pattern.test(line))
    .map((line) => line.trim());
}

function importersOf(name: string, from: string, allowed: (path: string) => boolean, advice: string): string[] {
  return files
    .filter((file) => !allowed(file.path))
    .filter((file) => file.imports.some((item) => item.file === from && item.names.includes(name)))
    .map((file) => `${file.path} imports ${name} from ${from}\n    ${advice}`);
}

describe('in the house', () => {
  it('SQL stands only in *-store.ts and storage/', () => {
    const isStore = (path: string) => path.endsWith('-store.ts') || path.startsWith('src/storage/');
    expectNone(
      findAll(
        /\.(selectFrom|insertInto|updateTable|deleteFrom|replaceInto|mergeInto)\(|\bsql(<[^>]*>)?`/,
        isStore,
        'a query belongs in a *-store.ts of the room that keeps the table',
      ),
    );
  });

  it('the time comes from kernel/clock.ts alone', () => {
    expectNone(
      findAll(
        /\bDate\.now\(|\bnew Date\(\s*\)|\bDate\(\s*\)/,
        (path) => path === 'src/kernel/clock.ts',
        'take a Clock (house.clock) and ask it; tests stand one millisecond before midnight',
      ),
    );
  });

  it('git is started only in repositories/git.ts, and nothing else starts programs unnoticed', () => {
    const known = [
      'src/repositories/git.ts',
      // bzip2, for one archive format; its path is looked up, its arguments are fixed
      'src/repositories/archive.ts',
      // the reader of SQLite lists is a process of our own program
      'src/storage/sqlite/list-reader.ts',
      // the SSH protocol is spoken by a process of our own program
      'src/doors/ssh/child-process.ts',
    ];
    expectNone(
      files
        .filter((file) => !known.includes(file.path))
        .filter((file) => file.imports.some(({ from }) => /^(node:)?child_process$/.test(from)))
        .map((file) => `${file.path} imports node:child_process: git goes through git() in src/repositories/git.ts`),
    );
  });

  it('only decide makes the proof that something is allowed', () => {
    expectNone(
      importersOf(
        'allow',
        'src/access/allowed.ts',
        (path) => path === 'src/access/decide.ts',
        'ask decide(); it alone hands out Allowed',
      ),
    );
  });

  it('only credentials/ makes a proven credential', () => {
    expectNone(
      importersOf(
        'proven',
        'src/credentials/verified-credential.ts',
        (path) => path.startsWith('src/credentials/'),
        'go through the Verifier; a credential that nobody verified must not exist',
      ),
    );
  });

  it('no role or scope is compared outside access/, credentials/ and identity/', () => {
    const below = /^src\/(access|credentials|identity)\//;
    expectNone(
      findAll(
        /\.scopes\.(includes|some|find|every)\(/,
        (path) => below.test(path) || path.startsWith('src/keys/'),
        'a scope is a row in src/access/actions.ts; keys/ alone looks at scopes, those of the keys it makes',
      ),
    );
  });

  it('code that prints stands in the command line alone', () => {
    expectNone(
      findAll(
        /\bconsole\.\w+\(|process\.stdout\.write\(/,
        (path) => path.startsWith('src/cli/') || path.startsWith('src/repositories/hooks/'),
        'log through house.log',
      ),
    );
  });
});

// What `npm test` runs: one PostgreSQL for all, every test file in a process of its own, two at a time. Arguments narrow
// it to those files and folders. The last line says how many passed and failed; a skipped test, a file without tests and
// a run without tests count as failures.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import { searchFolder } from './support/canary.ts';
import { type PostgresServer, startPostgres } from './support/postgres.ts';

const FILE_TIMEOUT = 600_000;
const root = resolve(import.meta.dirname, '..');

interface Outcome {
  readonly name: string;
  readonly nesting: number;
  readonly file?: string;
  readonly line?: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: { readonly type?: string; readonly error?: Error & { failureType?: string } };
}

function testFiles(path: string): string[] {
  if (statSync(path).isFile()) return [path];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
    .map((name) => join(path, name))
    .sort();
}

function tell(outcome: Outcome, why: string): void {
  const place = outcome.file ? `${relative(root, outcome.file)}:${outcome.line ?? 1}` : '';
  console.log(`\n✖ ${outcome.name}  ${place}\n${why.replace(/^/gm, '    ')}`);
}

async function runFiles(files: string[]): Promise<{ passed: number; failed: number }> {
  let passed = 0;
  let failed = 0;
  const stream = run({
    files,
    concurrency: 2,
    isolation: 'process',
    timeout: FILE_TIMEOUT,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const isFile = (outcome: Outcome): boolean => outcome.nesting === 0 && files.includes(resolve(root, outcome.name));
  stream.on('test:pass', (data) => {
    const outcome = data as Outcome;
    if (outcome.details.type === 'suite') return;
    const isDodged = Boolean(outcome.skip) || Boolean(outcome.todo);
    if (!isDodged && !isFile(outcome)) {
      passed++;
      return;
    }
    failed++;
    tell(outcome, isDodged ? 'was skipped or is only planned' : 'holds no test');
  });
  stream.on('test:fail', (data) => {
    const outcome = data as Outcome;
    const { error } = outcome.details;
    // A suite, or a file, that fails only because of its tests is told by them.
    if (error?.failureType === 'subtestsFailed') return;
    failed++;
    tell(outcome, inspect(error?.cause ?? error));
  });
  stream.on('test:stderr', (data: { message: string }) => process.stderr.write(data.message));
  await stream.resume().toArray();
  return { passed, failed };
}

/** Searches what the run left in the temporary folder for every secret that it issued (security-lessons R41). */
function leftBehind(ledger: string, since: number): string[] {
  const secrets = readFileSync(ledger, 'utf8').split('\n').filter(Boolean);
  const found: string[] = [];
  for (const name of readdirSync(tmpdir())) {
    const path = join(tmpdir(), name);
    if (!name.startsWith('keyward-') || name.startsWith('keyward-ledger-')) continue;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat?.isDirectory() || stat.mtimeMs < since) continue;
    try {
      found.push(...searchFolder(path, secrets).map((line) => `${path}/${line}`));
    } catch (error) {
      // Another run on this machine may clear its own folders while we look.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return found;
}

async function main(): Promise<number> {
  const given = process.argv.slice(2).map((path) => resolve(path));
  const files = (given.length > 0 ? given : [join(root, 'test')]).flatMap(testFiles);
  // A whole run brings the clients it needs; what cannot be had is told by the tests that miss it.
  if (given.length === 0) spawnSync(join(root, 'test', 'programs.sh'), { stdio: 'inherit' });
  const ledger = join(mkdtempSync(join(tmpdir(), 'keyward-ledger-')), 'secrets');
  writeFileSync(ledger, '', { mode: 0o600 });
  process.env['KEYWARD_TEST_LEDGER'] = ledger;
  let server: PostgresServer | undefined;
  if (!process.env['KEYWARD_TEST_DATABASE_URL']) {
    server = await startPostgres();
    process.env['KEYWARD_TEST_DATABASE_URL'] = server.url;
  }
  try {
    const started = Date.now();
    const { passed, failed: failures } = files.length > 0 ? await runFiles(files) : { passed: 0, failed: 0 };
    const leaks = leftBehind(ledger, started);
    for (const leak of leaks) console.log(`\n✖ a secret of this run was left behind: ${leak}`);
    const failed = failures + leaks.length;
    console.log(`${passed} passed, ${failed} failed`);
    return failed === 0 && passed > 0 ? 0 : 1;
  } finally {
    await server?.stop();
    rmSync(join(ledger, '..'), { recursive: true, force: true });
  }
}

process.exitCode = await main();

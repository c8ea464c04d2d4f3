// Knows every secret that the tests of this process were given, and searches what their servers leave behind for them: logs, the
// database, every file of the data folder, refusals, metrics (security-lessons R15, R41). A find fails the test that stops
// the server.
import { appendFileSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Client } from 'pg';

/** Shorter ones are found by chance. */
const SHORTEST = 12;
const secrets = new Set<string>();
/** Where a whole run of tests collects what it issued, so that test/run.ts can search what is left after it. */
const ledger = process.env['KEYWARD_TEST_LEDGER'];

/** Notes a secret that was given out, or taken. */
export function remember(secret: string | null | undefined): void {
  if (!secret || secret.length < SHORTEST || secrets.has(secret)) return;
  secrets.add(secret);
  if (ledger) appendFileSync(ledger, `${secret}\n`);
}

/** Notes the secrets of an answer: the text of a new key, a session's cookie and its CSRF text. */
export function rememberAnswer(body: unknown, cookies: readonly string[]): void {
  if (typeof body === 'object' && body !== null)
    for (const name of ['token', 'csrf_token'])
      if (typeof (body as Record<string, unknown>)[name] === 'string') remember((body as Record<string, string>)[name]);
  for (const cookie of cookies) remember(/^_gitlab_session=([0-9a-f]{32})/.exec(cookie)?.[1]);
}

/** The secrets in a text, shortened so that the report is none. */
export function secretsIn(text: string | Buffer, among: Iterable<string> = secrets): string[] {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return [...among].filter((secret) => bytes.includes(secret)).map((secret) => `${secret.slice(0, 9)}…`);
}

/** Searches every file below a folder; gives one line for each file that holds a secret. */
export function searchFolder(folder: string, among: Iterable<string> = secrets): string[] {
  const found: string[] = [];
  const known = [...among];
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    try {
      if (!statSync(path).isFile()) continue;
      const hits = secretsIn(readFileSync(path), known);
      if (hits.length > 0) found.push(`${relative(folder, path)}: ${hits}`);
    } catch (error) {
      // Files come and go while others work in the folder.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return found;
}

/** Searches every row of every table of a PostgreSQL database. */
export async function searchPostgres(url: string): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query("select table_name from information_schema.tables where table_schema = 'public'");
    const found: string[] = [];
    for (const { table_name: name } of tables.rows) {
      const rows = await client.query(`select coalesce(string_agg(t::text, E'\\n'), '') as text from "${name}" t`);
      const hits = secretsIn(rows.rows[0].text);
      if (hits.length > 0) found.push(`table ${name}: ${hits}`);
    }
    return found;
  } finally {
    await client.end();
  }
}

/** Throws when something was found. */
export function expectNoSecret(found: readonly string[]): void {
  if (found.length > 0) throw new Error(`secrets were found where they must not be:\n${found.join('\n')}`);
}

// Knows every secret that the tests of this process were given, and searches what their servers leave behind for them: logs, the
// database, every file of the data folder, refusals, metrics (security-lessons R15, R41). A find fails the test that stops
// the server.
import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { Client } from 'pg';

/** Shorter ones are found by chance. */
const SHORTEST = 12;
const secrets = new Set<string>();
const forms = new Map<string, readonly string[]>();
/** Where a whole run of tests collects what it issued, so that test/run.ts can search what is left after it. */
const ledger = process.env['KEYWARD_TEST_LEDGER'];

/** Notes a secret that was given out, or taken. */
export function remember(secret: string | null | undefined): void {
  if (!secret || secret.length < SHORTEST || secrets.has(secret)) return;
  secrets.add(secret);
  if (ledger) appendFileSync(ledger, `${secret}\n`);
}

/** What our keys look like, wherever they stand in an answer. */
const KEY_TEXT = /gl(?:pat|dt|rt|ptt|cbt|lfs)-[\w.-]{15,}/g;

/** Notes the secrets of an answer: the texts of keys, a session's cookie and its CSRF text, the header of an LFS answer. */
export function rememberAnswer(body: unknown, cookies: readonly string[]): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body ?? null);
  rememberText(text);
  for (const [, csrf] of text.matchAll(/"csrf_token":"([^"]+)"/g)) remember(csrf);
  for (const [, pair] of text.matchAll(/"Authorization":"Basic ([A-Za-z0-9+/=]+)"/g))
    rememberText(Buffer.from(pair!, 'base64').toString('latin1'));
  for (const cookie of cookies) remember(/^_gitlab_session=([0-9a-f]{32})/.exec(cookie)?.[1]);
}

/** Notes every key in a text that was shown to somebody, such as what a command printed. */
export function rememberText(text: string): void {
  for (const [key] of text.matchAll(KEY_TEXT)) remember(key);
}

/** Notes the passwords of what somebody sends. */
export function rememberRequest(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  for (const name of ['password', 'current_password', 'new_password'])
    if (typeof (body as Record<string, unknown>)[name] === 'string') remember((body as Record<string, string>)[name]);
}

/** How a secret may stand in bytes: as it is, as hex, and inside of base64 wherever it begins. */
function formsOf(secret: string): readonly string[] {
  const known = forms.get(secret);
  if (known) return known;
  const bytes = Buffer.from(secret);
  const turned = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .replace(/=+$/, '');
    // The letters that do not depend on what stands around it.
    return text.slice(before === 0 ? 0 : before + 1, Math.floor(((before + bytes.length) * 4) / 3) - 1);
  });
  const all = [secret, bytes.toString('hex'), ...turned];
  forms.set(secret, all);
  return all;
}

/** The secrets in a text, shortened so that the report is none. */
export function secretsIn(text: string | Buffer, among: Iterable<string> = secrets): string[] {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  return [...among]
    .filter((secret) => formsOf(secret).some((form) => bytes.includes(form)))
    .map((secret) => `${secret.slice(0, 9)}…`);
}

/** Searches every file below a folder; gives one line for each file that holds a secret. `except`: paths that are left out. */
export function searchFolder(folder: string, among: Iterable<string> = secrets, except = /^$/): string[] {
  const found: string[] = [];
  const known = [...among];
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    try {
      if (except.test(name) || !statSync(path).isFile()) continue;
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
export async function searchPostgres(url: string, among: Iterable<string> = secrets): Promise<string[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query("select table_name from information_schema.tables where table_schema = 'public'");
    const found: string[] = [];
    for (const { table_name: name } of tables.rows) {
      const rows = await client.query(`select coalesce(string_agg(t::text, E'\\n'), '') as text from "${name}" t`);
      const hits = secretsIn(rows.rows[0].text, among);
      if (hits.length > 0) found.push(`table ${name}: ${hits}`);
    }
    return found;
  } finally {
    await client.end();
  }
}

/** The instance keys of a data folder; what is searched for them must leave out the folder where they belong. */
export function instanceKeysOf(data: string): string[] {
  const folder = join(data, 'keys');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith('.key'))
    .map((name) => readFileSync(join(folder, name), 'utf8').trim());
}

/** Throws when something was found. */
export function expectNoSecret(found: readonly string[]): void {
  if (found.length > 0) throw new Error(`secrets were found where they must not be:\n${found.join('\n')}`);
}

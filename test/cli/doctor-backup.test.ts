// The restore drill on both engines: a backup made beside a running server becomes an instance that answers the same, takes the same
// keys, serves the same repositories and holds the same audit. And what a backup, a restore and the doctor refuse or name.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { forEachEngine } from '../support/engines.ts';
import { ROOT_TOKEN, spawnServer, startServer, type TestServer } from '../support/server.ts';

const PROGRAM = new URL('../../bin/keyward', import.meta.url).pathname;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function keyward(args: readonly string[], env: Record<string, string>): Promise<Ended> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: { PATH: process.env['PATH'], ...env }, cwd: tmpdir(), maxBuffer: 1 << 26 },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

const git = (...args: string[]) =>
  execFileSync('git', args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], GIT_CONFIG_GLOBAL: '/dev/null', GIT_TERMINAL_PROMPT: '0' },
  });

/** Without what the test's own settings bring about: the token of the first start, the first password. */
const damage = (ended: Ended): string[] =>
  JSON.parse(ended.stdout).findings.flatMap((finding: { level: string; text: string }) =>
    finding.level === 'damage' ? [finding.text] : [],
  );

forEachEngine('a restore drill', (engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-drill-'));
  const target = join(folder, 'backup');
  let server: TestServer;
  let env: Record<string, string>;
  let databaseUrl: string | null = null;
  before(async () => {
    databaseUrl = engine.name === 'postgres' ? await engine.emptyUrl() : null;
    server = await startServer({ env: databaseUrl === null ? {} : { KEYWARD_DATABASE_URL: databaseUrl } });
    env = { KEYWARD_DATA: server.data, ...(databaseUrl && { KEYWARD_DATABASE_URL: databaseUrl }) };
    for (let index = 0; index < 3; index += 1) {
      const made = await server.api('POST', '/projects', {
        body: { name: `app${index}`, initialize_with_readme: true },
      });
      assert.equal(made.status, 201, made.text);
    }
    await server.api('POST', '/projects/root%2Fapp1/repository/files/line.txt', {
      body: { branch: 'main', content: 'a\u2028b', commit_message: 'line \u2028 ends' },
    });
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('brings back an instance that answers the same', async () => {
    const made = await keyward(['backup', target, '--with-keys', '--json'], env);
    assert.equal(made.code, 0, made.stderr + made.stdout);
    assert.equal(JSON.parse(made.stdout).with_keys, true);
    const again = await keyward(['backup', target], env);
    assert.equal(again.code, 1, 'a folder that is not empty is left alone');

    const data = join(folder, 'restored');
    // The other engine's database is as good: the format knows no engine. Here: a fresh one of the same engine.
    const url = engine.name === 'postgres' ? await engine.emptyUrl() : null;
    const restoredEnv = { KEYWARD_DATA: data, ...(url && { KEYWARD_DATABASE_URL: url }) };
    const restored = await keyward(['restore', target, '--json'], restoredEnv);
    assert.equal(restored.code, 0, restored.stderr + restored.stdout);
    assert.deepEqual(JSON.parse(restored.stdout).notes, []);
    const doctor = await keyward(['doctor', '--fsck', '--json'], restoredEnv);
    assert.deepEqual(damage(doctor), [], doctor.stderr);

    const twin = await spawnServer({ data, env: restoredEnv });
    for (const path of [
      '/projects?per_page=100',
      '/users',
      '/personal_access_tokens',
      '/projects/root%2Fapp1/repository/commits',
    ]) {
      const [a, b] = [await server.api('GET', path), await twin.api('GET', path)];
      const plain = (text: string, at: string) =>
        text.replaceAll(at, '').replace(/"last_used_(at|ips)":("[^"]*"|null|\[[^\]]*\])/g, '');
      assert.equal(b.status, 200, b.text);
      assert.equal(plain(b.text, new URL(twin.url).host), plain(a.text, new URL(server.url).host), path);
    }
    const clone = join(folder, 'clone');
    const withToken = twin.url.replace('http://', `http://root:${ROOT_TOKEN}@`);
    git('clone', '--quiet', `${withToken}/root/app1.git`, clone);
    assert.equal(readFileSync(join(clone, 'line.txt'), 'utf8'), 'a\u2028b');
    const fresh = await twin.api('POST', '/projects', { body: { name: 'later' } });
    assert.equal(fresh.status, 201, `ids go on after those of the backup: ${fresh.text}`);
    await twin.stop();
    const second = await keyward(['restore', target], restoredEnv);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /is not empty/);
  });

  it('exports an audit that proves itself without a database', async () => {
    const file = join(folder, 'audit.jsonl');
    const keys = join(server.data, 'keys');
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const exported = await keyward(['audit', 'export', '--output', file], env);
    assert.equal(exported.code, 0, exported.stderr);
    const nothing = { KEYWARD_DATA: join(folder, 'nothing') };
    const again = await keyward(['audit', 'export', '--output', file], env);
    assert.deepEqual([again.code, again.stderr], [1, `keyward: ${file} exists already; nothing is written over\n`]);
    const none = await keyward(['audit', 'verify', `${file}.none`], nothing);
    assert.deepEqual([none.code, none.stderr], [2, `keyward: there is no file ${file}.none\n`]);
    const good = await keyward(['audit', 'verify', file, '--keys', keys, '--json'], nothing);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    assert.ok(JSON.parse(good.stdout).events >= 5);
    const text = readFileSync(file, 'utf8');
    const lines = text.trimEnd().split('\n');
    const row = text.match(/"message":"([^"]+)"/)![1]!;
    const variants: Record<string, string> = {
      altered: text.replace(`"message":"${row}"`, '"message":"Nothing happened"'),
      cut: lines.slice(0, -1).join('\n'),
      'without a batch': lines.filter((_, index) => index !== 1).join('\n'),
    };
    for (const [name, content] of Object.entries(variants)) {
      const bad = join(folder, 'bad.jsonl');
      writeFileSync(bad, content);
      const ended = await keyward(['audit', 'verify', bad, '--json'], nothing);
      assert.equal(ended.code, 1, name);
      assert.ok(JSON.parse(ended.stdout).findings.length > 0, name);
    }
    const later = join(folder, 'later.jsonl');
    const spans: [string[], (events: number) => boolean][] = [
      [['--from', '2999-01-01'], (events) => events === 0],
      [['--to', '2999-01-01'], (events) => events >= 5],
      [['--to', '1999-01-01'], (events) => events === 0],
    ];
    for (const [span, holds] of spans) {
      rmSync(later, { force: true });
      assert.equal((await keyward(['audit', 'export', ...span, '--output', later], env)).code, 0);
      const part = await keyward(['audit', 'verify', later, '--keys', keys, '--json'], nothing);
      assert.equal(part.code, 0, part.stdout);
      assert.ok(holds(JSON.parse(part.stdout).events), span.join(' '));
    }
    assert.equal((await keyward(['audit', 'export', '--from', 'yesterday'], env)).code, 2);
    const head = await keyward(['audit', 'verify', file, '--head', '0'.repeat(64)], nothing);
    assert.equal(head.code, 1);
  });

  it('refuses a backup that was altered, and leaves nothing behind', async () => {
    const file = readdirSync(join(target, 'database')).find((name) => name === 'users.jsonl')!;
    const path = join(target, 'database', file);
    const before = readFileSync(path);
    appendFileSync(path, '{}\n');
    const data = join(folder, 'never');
    const refused = await keyward(['restore', target], { KEYWARD_DATA: data });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /users\.jsonl was altered/);
    assert.equal(existsSync(join(data, 'keyward.db')), false);
    writeFileSync(path, before);
  });

  it('does not go on without the instance keys unless told so', async () => {
    const bare = join(folder, 'bare');
    assert.equal((await keyward(['backup', bare], env)).code, 0);
    assert.equal(existsSync(join(bare, 'keys')), false);
    const data = join(folder, 'keyless');
    const refused = await keyward(['restore', bare], { KEYWARD_DATA: data });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /--accept-lost-keys/);
    const accepted = await keyward(['restore', bare, '--accept-lost-keys', '--json'], { KEYWARD_DATA: data });
    assert.equal(accepted.code, 0, accepted.stderr + accepted.stdout);
    assert.match(JSON.parse(accepted.stdout).notes[0], /is lost/);
  });
});

describe('keyward doctor', () => {
  it('names a lost repository, a stray one, open permissions and the first token, beside a running server', async () => {
    const server = await startServer();
    const made = await server.api('POST', '/projects', { body: { name: 'app', initialize_with_readme: true } });
    const env = { KEYWARD_DATA: server.data };
    const clean = await keyward(['doctor', '--fsck', '--json'], env);
    assert.deepEqual(damage(clean), [], clean.stderr);
    assert.equal(clean.code, 1, 'the bootstrap token is a risk');
    assert.match(clean.stdout, /KEYWARD_ROOT_TOKEN/);
    assert.equal(JSON.parse(clean.stdout).serving, true);
    const { repositories } = server.services;
    await repositories.create(4711);
    const { db, clock } = server.services;
    const blob = { storage_key: 'ab'.repeat(16), sha256: 'cd'.repeat(32), size: 3, created_at: clock.now() };
    await db.tx((tx) => tx.insertInto('blobs').values(blob).execute());
    const { id } = made.body;
    const { repository_id: repository } = await server.services.db.read
      .selectFrom('projects')
      .select('repository_id')
      .where('id', '=', id)
      .executeTakeFirstOrThrow();
    await repositories.delete(repository!);
    chmodSync(join(server.data, 'keyward.db'), 0o644);
    const sick = await keyward(['doctor', '--json'], env);
    assert.equal(sick.code, 1);
    const found = damage(sick).join('\n');
    assert.match(found, /the file of blob \d+ is missing/);
    assert.match(found, /repository 4711 belongs to no project/);
    assert.match(found, new RegExp(`repository ${repository} of root/app is missing`));
    assert.match(sick.stdout, /keyward\.db can be reached by others/);
    await server.stop();
  });
});

// What a restore brings back beyond rows and refs, and what it leaves when it cannot: LFS objects, the SSH host keys with and without
// --with-keys, the rows of the audit about both; a target that a failed restore left as it was; and backups that died.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import pg from 'pg';
import { forEachEngine } from '../support/engines.ts';
import { ROOT_TOKEN, spawnServer, startServer, type TestServer } from '../support/server.ts';

const PROGRAM = new URL('../../bin/keyward', import.meta.url).pathname;
const LARGE = Buffer.from('a large file');
const OID = createHash('sha256').update(LARGE).digest('hex');
const HOST_KEY = join('keys', 'ssh_host_ed25519_key');

type Env = Readonly<Record<string, string>>;

function keyward(args: readonly string[], env: Env): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      [PROGRAM, ...args],
      { env: { PATH: process.env['PATH'], ...env }, cwd: tmpdir() },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

const lfs = { accept: 'application/vnd.git-lfs+json', 'content-type': 'application/vnd.git-lfs+json' };
const basic = { authorization: `Basic ${Buffer.from(`root:${ROOT_TOKEN}`).toString('base64')}` };

async function lfsAction(url: string, operation: 'upload' | 'download'): Promise<{ href: string; header: Env }> {
  const answer = await fetch(`${url}/root/app.git/info/lfs/objects/batch`, {
    method: 'POST',
    headers: { ...lfs, ...basic },
    body: JSON.stringify({ operation, objects: [{ oid: OID, size: LARGE.length }], transfers: ['basic'] }),
  });
  const text = await answer.text();
  assert.equal(answer.status, 200, text);
  return JSON.parse(text).objects[0].actions[operation];
}

/** With the address that the server listens on: the one in the answer is what people use. */
const at = (url: string, href: string) => new URL(new URL(href).pathname, url).href;

forEachEngine('a restore', (engine) => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-restore-'));
  const target = join(folder, 'with-keys');
  let server: TestServer;
  let env: Env;
  before(async () => {
    const url = engine.name === 'postgres' ? await engine.emptyUrl() : null;
    const more: Env = { KEYWARD_SSH_LISTEN: '127.0.0.1:0', ...(url && { KEYWARD_DATABASE_URL: url }) };
    server = await startServer({ env: more });
    env = { KEYWARD_DATA: server.data, ...more };
    const made = await server.api('POST', '/projects', { body: { name: 'app', initialize_with_readme: true } });
    assert.equal(made.status, 201, made.text);
    const { href, header } = await lfsAction(server.url, 'upload');
    const sent = await fetch(at(server.url, href), {
      method: 'PUT',
      headers: { authorization: header['Authorization']! },
      body: LARGE,
    });
    assert.equal(sent.status, 200, await sent.text());
    const backed = await keyward(['backup', target, '--with-keys'], env);
    assert.equal(backed.code, 0, backed.stderr);
    assert.match(backed.stdout, /HOLDS THE INSTANCE KEYS and the SSH host keys/);
  });
  after(async () => {
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const fresh = async (name: string): Promise<Env> => ({
    KEYWARD_DATA: join(folder, name),
    ...(engine.name === 'postgres' && { KEYWARD_DATABASE_URL: await engine.emptyUrl() }),
  });
  const tables = async (url: string): Promise<string[]> => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const { rows } = await client.query("select tablename from pg_tables where schemaname = 'public'");
    await client.end();
    return rows.map(({ tablename }: { tablename: string }) => tablename);
  };
  const eventsOf = async (api: TestServer['api'], action: string) =>
    (await api('GET', `/audit_events?action=${action}`)).body as {
      author_name: string;
      details: Record<string, unknown>;
      created_at: string;
    }[];

  it('brings back LFS objects, host keys and the audit, which goes on with a row of its own', async () => {
    const there = await fresh('restored');
    const ended = await keyward(['restore', target, '--json'], there);
    assert.equal(ended.code, 0, ended.stdout + ended.stderr);
    assert.deepEqual(JSON.parse(ended.stdout).notes, []);
    const doctor = await keyward(['doctor', '--fsck', '--json'], there);
    const findings: { level: string; check: string; text: string }[] = JSON.parse(doctor.stdout).findings;
    assert.deepEqual(
      findings.filter(({ level }) => level === 'damage'),
      [],
    );
    assert.ok(!findings.some(({ text }) => text.includes('wait for the sealer')), 'the chain holds the new row');
    assert.equal(
      readFileSync(join(there['KEYWARD_DATA']!, HOST_KEY), 'utf8'),
      readFileSync(join(server.data, HOST_KEY), 'utf8'),
    );
    const twin = await spawnServer({ data: there['KEYWARD_DATA']!, env: there });
    const { href, header } = await lfsAction(twin.url, 'download');
    const got = await fetch(at(twin.url, href), { headers: { authorization: header['Authorization']! } });
    assert.equal(got.status, 200);
    assert.deepEqual(Buffer.from(await got.arrayBuffer()), LARGE);
    const backups = await eventsOf(server.api, 'instance:backup');
    assert.equal(backups.length, 1);
    assert.equal(JSON.stringify(backups[0]).includes(folder), false, 'no path of this machine');
    assert.match(JSON.stringify(backups[0]), /with-keys/);
    assert.equal((await eventsOf(twin.api, 'instance:backup')).length, 1, 'the backup knows of itself');
    const restores = await eventsOf(twin.api, 'instance:restore');
    assert.equal(restores.length, 1);
    assert.match(JSON.stringify(restores[0]), /Restored the instance from a backup of 20/);
    assert.equal((await eventsOf(server.api, 'instance:restore')).length, 0);
    await twin.stop();
  });

  it('without the keys says so, and takes those that lie in their place', async () => {
    const bare = join(folder, 'bare');
    const made = await keyward(['backup', bare], env);
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stdout, /holds no instance keys and no SSH host keys/);
    assert.deepEqual(
      readdirSync(bare, { recursive: true, encoding: 'utf8' }).filter((name) => /key/i.test(name)),
      readdirSync(join(bare, 'database'))
        .filter((name) => /key/i.test(name))
        .map((name) => join('database', name)),
      'nothing but tables has a name with "key" in it',
    );
    const there = await fresh('own-keys');
    const refused = await keyward(['restore', bare], there);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /holds no instance keys and there are none/);
    const keys = join(there['KEYWARD_DATA']!, 'keys');
    mkdirSync(there['KEYWARD_DATA']!, { recursive: true, mode: 0o700 });
    cpSync(join(server.data, 'keys'), keys, { recursive: true });
    const ended = await keyward(['restore', bare, '--json'], there);
    assert.equal(ended.code, 0, ended.stderr + ended.stdout);
    const twin = await spawnServer({ data: there['KEYWARD_DATA']!, env: there });
    assert.equal((await twin.api('GET', '/user')).status, 200, 'keys work');
    await twin.stop();
  });

  it('that fails leaves the target as it was, and can be repeated', async () => {
    const there = await fresh('failed');
    const spoilt = join(folder, 'spoilt');
    // Signed and whole, but with a row that refers to nothing: only the database itself can tell.
    const broken = await brokenBackup(server, target, spoilt);
    const failed = await keyward(['restore', spoilt], there);
    assert.equal(failed.code, 1, failed.stdout);
    assert.match(failed.stderr, broken);
    const left = existsSync(there['KEYWARD_DATA']!) ? readdirSync(there['KEYWARD_DATA']!, { recursive: true }) : [];
    assert.deepEqual(
      left.filter((name) => name !== 'keys'),
      [],
      'no file is left',
    );
    if (there['KEYWARD_DATABASE_URL']) assert.deepEqual(await tables(there['KEYWARD_DATABASE_URL']), []);
    const again = await keyward(['restore', target, '--json'], there);
    assert.equal(again.code, 0, again.stderr + again.stdout);
    assert.deepEqual(JSON.parse(again.stdout).notes, []);
  });

  it('leaves a database alone that somebody uses', async () => {
    if (engine.name !== 'postgres') {
      const data = join(folder, 'used');
      mkdirSync(data);
      writeFileSync(join(data, 'keyward.db'), 'mine');
      const refused = await keyward(['restore', target], { KEYWARD_DATA: data });
      assert.equal(refused.code, 1);
      assert.equal(readFileSync(join(data, 'keyward.db'), 'utf8'), 'mine');
      return;
    }
    const before = await server.api('GET', '/users');
    const there = { KEYWARD_DATA: join(folder, 'beside'), KEYWARD_DATABASE_URL: env['KEYWARD_DATABASE_URL']! };
    const refused = await keyward(['restore', target], there);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /the database is not empty/);
    assert.equal((await server.api('GET', '/users')).text, before.text);
  });

  it('takes no backup that was killed, and the next backup is not held up by it', async () => {
    const dead = join(folder, 'dead');
    const child = spawn(process.execPath, [PROGRAM, 'backup', dead], {
      env: { PATH: process.env['PATH'], ...env },
      detached: true,
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => child.on('close', resolve));
    const drafts = () => readdirSync(folder).filter((name) => name.startsWith('dead.partial-'));
    while (drafts().length === 0 && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
    process.kill(-child.pid!, 'SIGKILL');
    await ended;
    assert.equal(existsSync(dead), false);
    const [draft] = drafts();
    assert.ok(draft, 'it was killed in the middle');
    const refused = await keyward(['restore', join(folder, draft)], await fresh('from-dead'));
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /holds no finished backup/);
    const next = await keyward(['backup', dead], env);
    assert.equal(next.code, 0, next.stderr);
  });

  it('refuses two backups at once', async () => {
    const [one, two] = await Promise.all(
      ['first', 'second'].map((name) => keyward(['backup', join(folder, name)], env)),
    );
    const codes = [one!.code, two!.code].sort();
    assert.ok(codes[0] === 0, one!.stderr + two!.stderr);
    if (codes[1] === 1) assert.match(one!.stderr + two!.stderr, /another backup is under way/);
  });
});

/** A copy of a backup with one row too few, signed anew with the keys of the instance. Answers what the restore will say. */
async function brokenBackup(server: TestServer, from: string, to: string): Promise<RegExp> {
  const { sign } = await import('../../src/cli/backup/manifest.ts');
  cpSync(from, to, { recursive: true });
  const path = join(to, 'database', 'repositories.jsonl');
  const text = readFileSync(path, 'utf8').replace(/"project_id":\d+/, '"project_id":4711');
  writeFileSync(path, text);
  const { mac: _mac, mac_key: _key, ...body } = JSON.parse(readFileSync(join(to, 'manifest.json'), 'utf8'));
  for (const file of body.files)
    if (file.path === 'database/repositories.jsonl') {
      file.size = Buffer.byteLength(text);
      file.sha256 = createHash('sha256').update(text).digest('hex');
    }
  writeFileSync(join(to, 'manifest.json'), JSON.stringify(sign(body, server.services.keys)));
  return /refer to rows which are not in it|violates foreign key/;
}

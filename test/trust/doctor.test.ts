// The doctor's list, each item once in a state in which it must speak: a page of the database, a row of the audit, a repository, a
// blob, a mode, the clock and every unsafe setting. Each case is made in a copy of one sound instance, and the sound one is clean.
import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import pg from 'pg';
import pino from 'pino';
import { diagnose } from '../../src/cli/doctor/doctor.ts';
import { readConfig } from '../../src/config.ts';
import { openHouse } from '../../src/open-house.ts';
import { postgresDatabase } from '../support/engines.ts';
import { startServer } from '../support/server.ts';

const DAY = 86_400_000;

interface Found {
  readonly check: string;
  readonly level: string;
  readonly text: string;
}

/** As the command does it, in this process. */
async function doctor(
  env: Readonly<Record<string, string>>,
  ...options: string[]
): Promise<{ clean: boolean; found: readonly Found[] }> {
  const config = readConfig(env, tmpdir());
  const { clean, findings } = await diagnose(config, { fsck: options.includes('--fsck') }, async (work) => {
    const house = await openHouse(config, { url: 'http://localhost', log: pino({ level: 'silent' }) });
    try {
      return await work(house.services);
    } finally {
      await house.close();
    }
  });
  return { clean, found: findings };
}

describe('keyward doctor', () => {
  const folder = mkdtempSync(join(tmpdir(), 'keyward-doctor-'));
  const sound = join(folder, 'sound');
  let repository = 0;
  let blob = '';
  let copies = 0;

  before(async () => {
    const server = await startServer({ env: { KEYWARD_ROOT_TOKEN: 'glpat-DoctorsOwnRootToken00' } });
    const api: typeof server.api = (method, path, options) =>
      server.api(method, path, { token: 'glpat-DoctorsOwnRootToken00', ...options });
    const made = await api('POST', '/projects', { body: { name: 'app', initialize_with_readme: true } });
    assert.equal(made.status, 201, made.text);
    const { db, blobs, clock } = server.services;
    const written = await blobs.write(Readable.from([Buffer.from('what was uploaded')]));
    const { key, ...facts } = written;
    await db.tx((tx) =>
      tx
        .insertInto('blobs')
        .values({ ...facts, storage_key: key, created_at: clock.now() })
        .execute(),
    );
    blob = join('blobs', key.slice(0, 2), key);
    const row = await db.read.selectFrom('repositories').select('id').executeTakeFirstOrThrow();
    repository = row.id;
    // What the first start leaves behind is replaced, as an operator should.
    const { id } = (await api('GET', '/personal_access_tokens/self')).body;
    const root = (await api('GET', '/user')).body.id;
    const changed = await api('PUT', `/users/${root}`, { body: { password: 'another password of root' } });
    assert.equal(changed.status, 200, changed.text);
    assert.equal((await api('DELETE', `/personal_access_tokens/${id}`)).status, 204);
    const { data } = server;
    await new Promise((resolve) => setTimeout(resolve, 1200));
    cpSync(data, sound, { recursive: true, filter: (path) => statSync(path).isFile() || statSync(path).isDirectory() });
    await server.stop();
    sql(sound, 'pragma wal_checkpoint(truncate)');
    for (const end of ['-wal', '-shm']) rmSync(join(sound, `keyward.db${end}`), { force: true });
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const copy = (): string => {
    const data = join(folder, `copy-${++copies}`);
    cpSync(sound, data, { recursive: true });
    return data;
  };
  const sql = (data: string, ...statements: string[]) => {
    const db = new DatabaseSync(join(data, 'keyward.db'));
    try {
      for (const statement of statements) db.exec(statement);
    } finally {
      db.close();
    }
  };

  it('finds nothing in an instance that is sound and was set up to its end', async () => {
    const { clean, found } = await doctor({ KEYWARD_DATA: copy() }, '--fsck');
    assert.deepEqual(
      found.filter(({ level }) => level !== 'note'),
      [],
    );
    assert.equal(clean, true);
  });

  const repositoryPath = (data: string): string => {
    const name = readdirSync(join(data, 'repositories'), { recursive: true, encoding: 'utf8' }).find((one) =>
      one.endsWith(`/${repository}.git`),
    );
    return join(data, 'repositories', name!);
  };
  const anObject = (data: string): string => {
    const objects = join(repositoryPath(data), 'objects');
    const name = readdirSync(objects, { recursive: true, encoding: 'utf8' }).find((one) =>
      /^[0-9a-f]{2}\/[0-9a-f]{38}$|\.pack$/.test(one),
    );
    return join(objects, name!);
  };

  const cases: { name: string; options?: string[]; level?: string; spoil: (data: string) => void; says: RegExp }[] = [
    {
      name: 'a page of the database that was overwritten',
      spoil(data) {
        sql(data, 'pragma wal_checkpoint(truncate)');
        const db = new DatabaseSync(join(data, 'keyward.db'));
        const { rootpage } = db.prepare("select rootpage from sqlite_schema where name = 'audit_events'").get() as {
          rootpage: number;
        };
        const { page_size: size } = db.prepare('pragma page_size').get() as { page_size: number };
        db.close();
        const file = openSync(join(data, 'keyward.db'), 'r+');
        writeSync(file, Buffer.alloc(size, 0x5a), 0, size, (rootpage - 1) * size);
        closeSync(file);
      },
      says: /^database: /m,
    },
    {
      name: 'a file that is no database',
      spoil: (data) => writeFileSync(join(data, 'keyward.db'), 'x'.repeat(8192)),
      says: /^database: it cannot be read/m,
    },
    {
      name: 'a row that refers to nothing',
      spoil: (data) => sql(data, 'pragma foreign_keys = off', 'update repositories set project_id = 4711'),
      says: /^database: repositories row \d+ refers to a missing row of projects/m,
    },
    {
      name: 'an altered row of the audit',
      spoil: (data) => sql(data, "update audit_events set message = 'Nothing happened' where id = 2"),
      says: /^audit: .*\b2\b.*altered/m,
    },
    {
      name: 'a missing row of the audit',
      spoil: (data) => sql(data, 'delete from audit_events where id = 2'),
      says: /^audit: .*\b2\b.*(?:missing|removed)/m,
    },
    {
      name: 'two rows of the audit that changed places',
      spoil: (data) =>
        sql(
          data,
          'update audit_events set id = -1 where id = 1',
          'update audit_events set id = 1 where id = 2',
          'update audit_events set id = 2 where id = -1',
        ),
      says: /^audit: .*\b1\b/m,
    },
    {
      name: 'an audit whose end was cut off',
      spoil: (data) =>
        sql(
          data,
          'delete from audit_events where id in (select event_id from audit_seals where batch_id = (select max(id) from audit_batches))',
          'delete from audit_seals where batch_id = (select max(id) from audit_batches)',
          'delete from audit_batches where id = (select max(id) from audit_batches)',
        ),
      says: /^audit: /m,
    },
    {
      name: 'a row of the audit that nothing proves yet',
      level: 'note',
      spoil: (data) =>
        sql(
          data,
          "insert into audit_events (created_at, author_name, door, action, result, entity_type, message) values (1, 'a', 'rest', 'x:y', 'allowed', 'User', 'm')",
        ),
      says: /^audit: 1 rows from event \d+ on wait for the sealer/m,
    },
    {
      name: 'a repository without its folder',
      spoil: (data) => rmSync(repositoryPath(data), { recursive: true }),
      says: /^repositories: repository \d+ of root\/app is missing/m,
    },
    {
      name: 'a folder without its repository',
      spoil: (data) => mkdirSync(join(data, 'repositories', 'ab', 'cd', '4711.git'), { recursive: true }),
      says: /^repositories: the folder of repository 4711 belongs to no project/m,
    },
    {
      name: 'an object of git that was overwritten, when asked for fsck',
      options: ['--fsck'],
      spoil(data) {
        chmodSync(anObject(data), 0o600);
        writeFileSync(anObject(data), 'x'.repeat(100));
      },
      says: /^repositories: repository \d+ of root\/app: git fsck: /m,
    },
    {
      name: 'a blob without its file',
      spoil: (data) => rmSync(join(data, blob)),
      says: /^blobs: the file of blob 1 is missing/m,
    },
    {
      name: 'a blob that was cut',
      spoil: (data) => truncateSync(join(data, blob), 3),
      says: /^blobs: the file of blob 1 has 3 bytes instead of 17/m,
    },
    {
      name: 'a blob with other bytes of the same length, when asked for fsck',
      options: ['--fsck'],
      spoil: (data) => writeFileSync(join(data, blob), 'what was Uploaded'),
      says: /^blobs: the file of blob 1 was altered/m,
    },
    {
      name: 'files of blobs that nobody collected',
      level: 'risk',
      spoil(data) {
        const key = 'ab'.repeat(16);
        mkdirSync(join(data, 'blobs', 'ab'), { recursive: true, mode: 0o700 });
        writeFileSync(join(data, 'blobs', 'ab', key), 'x');
        const then = new Date(statSync(join(data, 'blobs', 'ab', key)).mtimeMs - 4 * DAY);
        utimesSync(join(data, 'blobs', 'ab', key), then, then);
      },
      says: /^blobs: 1 files belong to no blob/m,
    },
    {
      name: 'instance keys that are gone',
      spoil: (data) => rmSync(join(data, 'keys'), { recursive: true }),
      says: /^keys: there is no instance key/m,
    },
    ...['.', 'keyward.db', 'repositories', 'run', 'keys', join('keys', 'instance-1.key'), 'blobs'].map((name) => ({
      name: `others who may read ${name}`,
      level: 'risk',
      spoil: (data: string) =>
        chmodSync(join(data, name), name.includes('.db') || name.includes('.key') ? 0o644 : 0o755),
      says: /^permissions: \S+ can be reached by others \(mode (?:644|755); it should be (?:600|700)\)/m,
    })),
    {
      name: 'others who may open the private socket',
      level: 'risk',
      spoil(data) {
        writeFileSync(join(data, 'run', 'elsewhere'), '', { mode: 0o666 });
        chmodSync(join(data, 'run', 'elsewhere'), 0o666);
        writeFileSync(join(data, 'run', 'keyward.sock'), join(data, 'run', 'elsewhere'), { mode: 0o600 });
      },
      says: /^permissions: \S+elsewhere can be reached by others \(mode 666; it should be 600\)/m,
    },
    {
      name: 'a clock that went back',
      level: 'risk',
      spoil: (data) => sql(data, 'update projects set created_at = created_at + 86400000'),
      says: /^clock: the clock says .* later rows in projects: it went back/m,
    },
  ];
  for (const { name, options = [], level = 'damage', spoil, says } of cases)
    it(`names ${name}`, async () => {
      const data = copy();
      spoil(data);
      const { clean, found } = await doctor({ KEYWARD_DATA: data }, ...options);
      const said = found.filter((one) => one.level === level).map(({ check, text }) => `${check}: ${text}`);
      assert.match(said.join('\n'), says, JSON.stringify(found));
      assert.equal(clean, level === 'note');
      rmSync(data, { recursive: true, force: true });
    });

  it('names the mode of the socket of a running server, and the first token and password', async () => {
    const server = await startServer();
    const env = { KEYWARD_DATA: server.data };
    const [before] = [await doctor(env)];
    assert.doesNotMatch(JSON.stringify(before.found), /can be reached by others/);
    assert.match(JSON.stringify(before.found), /token \d+ of root is still the one from KEYWARD_ROOT_TOKEN/);
    assert.match(JSON.stringify(before.found), /root still has the password of the first start/);
    chmodSync(join(server.data, 'run', 'keyward.sock'), 0o666);
    const { found } = await doctor(env);
    assert.match(JSON.stringify(found), /keyward\.sock can be reached by others \(mode 666; it should be 600\)/);
    await server.stop();
  });

  it('names a proxy that was not declared', async () => {
    const server = await startServer();
    await server.http('GET', '/-/liveness', { headers: { 'x-forwarded-for': '203.0.113.9' } });
    const { found } = await doctor({ KEYWARD_DATA: server.data });
    assert.match(JSON.stringify(found), /come through a proxy that KEYWARD_TRUSTED_PROXIES does not name/);
    await server.stop();
  });

  it('names plain HTTP on an address of others, a misspelt variable, and a key of TLS that others may read', async () => {
    const open = await doctor({ KEYWARD_DATA: copy(), KEYWARD_LISTEN: '0.0.0.0:8080', KEYWARD_TRUSTED_PROXY: 'x' });
    assert.match(JSON.stringify(open.found), /plain HTTP on an address that others reach/);
    assert.match(JSON.stringify(open.found), /KEYWARD_TRUSTED_PROXY/);
    const behind = { KEYWARD_LISTEN: '0.0.0.0:8080', KEYWARD_TRUSTED_PROXIES: '10.0.0.1' };
    const proxied = await doctor({ KEYWARD_DATA: copy(), ...behind });
    assert.doesNotMatch(JSON.stringify(proxied.found), /plain HTTP/);
    const [cert, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
    writeFileSync(cert, 'no certificate');
    writeFileSync(key, 'no key', { mode: 0o644 });
    const tls = await doctor({ KEYWARD_DATA: copy(), KEYWARD_TLS_CERT: cert, KEYWARD_TLS_KEY: key });
    assert.match(JSON.stringify(tls.found), /tls\.key can be reached by others/);
  });

  it('names what PostgreSQL says of itself: settings that lose data, rules that are not valid', async () => {
    const database = await postgresDatabase();
    const server = await startServer({ env: { KEYWARD_DATABASE_URL: database.url } });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query('alter table users add constraint doubtful check (id > 0) not valid');
    await client.query("update audit_events set message = 'Nothing happened' where id = 1");
    await client.end();
    const { clean, found } = await doctor({ KEYWARD_DATA: server.data, KEYWARD_DATABASE_URL: database.url });
    assert.equal(clean, false);
    assert.match(JSON.stringify(found), /PostgreSQL runs with fsync off/);
    assert.match(JSON.stringify(found), /doubtful is not valid/);
    assert.match(JSON.stringify(found), /event 1 was altered after it was sealed/);
    await server.stop();
    await database.drop();
  });
});

it('a file that grew after the end of its blob is named by its length', async () => {
  const server = await startServer();
  const { db, blobs, clock } = server.services;
  const { key, ...facts } = await blobs.write(Readable.from([Buffer.from('abc')]));
  await db.tx((tx) =>
    tx
      .insertInto('blobs')
      .values({ ...facts, storage_key: key, created_at: clock.now() })
      .execute(),
  );
  appendFileSync(join(server.data, 'blobs', key.slice(0, 2), key), 'd');
  const { found } = await doctor({ KEYWARD_DATA: server.data });
  assert.match(JSON.stringify(found), /the file of blob 1 has 4 bytes instead of 3/);
  await server.stop();
});

// Lesson R27 (Forgejo 1.20.5: login tokens could be built from a copy of the database):
// 1. a thief has the complete database of a running server, or a backup without its keys: digests, seals, fingerprints, ids, names;
// 2. he presents every text in it, and what can be made of it (hex and base64 both ways, with every prefix), in every channel;
// 3. he sets up an instance of his own around it, with instance keys of his own, and signs sessions and LFS tokens with those;
// 4. one of them lets him in as anyone.
// None does: what proves a key is not in the database, nor can it be made from what is, and without the instance keys not even the
// genuine keys are known any more.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { backup } from '../../src/cli/backup/backup.ts';
import { issueLfsToken, verifyLfsToken } from '../../src/credentials/lfs-token.ts';
import { csrfTokenOf } from '../../src/credentials/sessions.ts';
import { createVerifier } from '../../src/credentials/verify.ts';
import { Secret } from '../../src/kernel/secret.ts';
import type { House } from '../../src/storage/house.ts';
import { InstanceKeys } from '../../src/storage/instance-keys.ts';
import { basic, type Lab, openLab } from './lab.ts';

const PREFIXES = ['', 'glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-64_', 'gllfs-'];

function derived(text: string): string[] {
  const found = new Set<string>([text]);
  if (/^[0-9a-f]{32,}$/.test(text)) {
    const bytes = Buffer.from(text, 'hex');
    for (const form of ['base64', 'base64url', 'latin1'] as const) found.add(bytes.toString(form));
    found.add(text.slice(0, 32)).add(text.slice(-32)).add(text.slice(0, 40)).add(text.slice(0, 20));
    found.add(createHash('sha256').update(bytes).digest('hex'));
  } else if (/^[A-Za-z0-9+/_-]{20,}=*$/.test(text)) {
    const bytes = Buffer.from(text, 'base64');
    found.add(bytes.toString('hex').slice(0, 32));
    for (const word of bytes.toString('latin1').match(/[\w.-]{16,}/g) ?? []) found.add(word);
  }
  return [...found].filter((one) => one.length <= 300 && /^[\x21-\x7e]+$/.test(one));
}

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`the complete database (${engine})`, () => {
    let lab: Lab;
    let projectId: number;
    let cookie: Secret;
    const rows: string[] = [];
    const texts = new Set<string>();
    const genuine: string[] = [];

    before(async () => {
      lab = await openLab({ engine });
      const { world } = lab;
      const user = await world.user({});
      const group = await world.group({});
      const project = await lab.project(group);
      projectId = project.id;
      await world.member(user, { group }, 50);
      genuine.push((await lab.bot(project, 40)).token, await lab.pat(user, 'api'));
      for (const kind of ['job_token', 'trigger_token'] as const)
        genuine.push(await lab.key({ kind, userId: user.id, projectId: project.id, scopes: [] }));
      genuine.push(await lab.key({ kind: 'runner_token', runnerId: 1, scopes: [] }));
      const deploy = { name: 'gitlab-deploy-token', scopes: ['read_repository'] };
      const deployed = await lab.api('POST', `/projects/${project.id}/deploy_tokens`, { body: deploy });
      assert.equal(deployed.status, 201);
      genuine.push(deployed.body.token);
      const made = await lab.api('POST', `/users/${user.id}/personal_access_tokens`, {
        body: { name: 'r', scopes: ['api'] },
      });
      const rotated = await lab.api('POST', `/personal_access_tokens/${made.body.id}/rotate`, {
        headers: { 'idempotency-key': 'once' },
        body: { overlap: 60 },
      });
      assert.equal(rotated.status, 200, rotated.text);
      genuine.push(made.body.token, rotated.body.token);
      const login = { login: 'root', password: lab.server.rootPassword };
      const signedIn = await lab.api('POST', '/keyward/session', { token: null, body: login });
      assert.equal(signedIn.status, 201);
      cookie = new Secret(/_gitlab_session=([0-9a-f]{32})/.exec(signedIn.headers.get('set-cookie')!)![1]!);

      const { read } = lab.server.services.db;
      const tables =
        engine === 'sqlite'
          ? sql<{ name: string }>`select name from sqlite_master where type = 'table'`
          : sql<{
              name: string;
            }>`select table_name as name from information_schema.tables where table_schema = 'public'`;
      for (const { name } of (await tables.execute(read)).rows)
        for (const row of (await sql<object>`select * from ${sql.table(name)}`.execute(read)).rows) {
          rows.push(JSON.stringify(row));
          for (const value of Object.values(row))
            if (typeof value === 'string' && value.length >= 8)
              for (const word of [value, ...(value.match(/[\w+/=.-]{16,}/g) ?? [])]) texts.add(word);
        }
    });
    after(() => lab?.stop());

    test('holds no text, whole or turned, that is a key, a session or a password', async () => {
      const { verifier } = lab.server.services;
      let tried = 0;
      for (const text of texts)
        for (const one of derived(text)) {
          for (const prefix of PREFIXES) {
            tried++;
            assert.equal((await verifier.token(new Secret(prefix + one))).ok, false, `${prefix}… lets one in`);
          }
          assert.equal((await verifier.session(new Secret(one), null)).ok, false);
        }
      assert.ok(tried > 500, String(tried));
      const digests = [...texts].filter((text) => text.includes('argon2') || text.length > 90);
      assert.ok(digests.length > 0);
      for (const digest of digests.slice(0, 5)) {
        const password = new Secret(digest.slice(0, 128));
        assert.equal((await verifier.password('root', password)).ok, false);
      }
    });

    test('and the doors say so too', async () => {
      const target = '/api/v4/user';
      for (const text of [...texts].filter((one) => /^[0-9a-f]{64}$/.test(one)).slice(0, 40)) {
        const half = text.slice(0, 32);
        const ways: Record<string, string>[] = [
          { 'private-token': text },
          { authorization: `Bearer ${text}` },
          { cookie: `_gitlab_session=${half}` },
          { ...basic('root', text) },
        ];
        for (const headers of ways) assert.equal((await lab.raw('GET', target, headers)).status, 401);
      }
    });

    test('holds no genuine key in any reading: as it is, as hex, as base64', () => {
      const readings = [rows.join('\n')];
      for (const text of texts)
        for (const form of ['hex', 'base64'] as const) readings.push(Buffer.from(text, form).toString('latin1'));
      for (const secret of [...genuine, cookie.reveal()])
        for (const reading of readings) assert.ok(!reading.includes(secret), `${secret.slice(0, 8)}… can be read`);
    });

    test('knows no genuine key without the instance keys, and opens no seal', async () => {
      const { services } = lab.server;
      const thief = houseOf(services);
      const verifier = createVerifier(thief);
      for (const secret of genuine) {
        assert.ok((await services.verifier.token(new Secret(secret))).ok, 'the owner`s instance knows it');
        assert.equal(
          (await verifier.token(new Secret(secret))).ok,
          false,
          `${secret.slice(0, 8)}… is known to the thief`,
        );
      }
      assert.ok((await services.verifier.session(cookie, null)).ok);
      assert.equal((await verifier.session(cookie, null)).ok, false);
      const sealed = await services.db.read.selectFrom('credential_secrets').selectAll().execute();
      assert.ok(sealed.length >= 2, String(sealed.length));
      for (const row of sealed)
        for (const context of [row.purpose, `credential ${row.credential_id} ${row.purpose}`])
          assert.throws(() => thief.keys.open(context, { sealed: row.sealed, keyId: thief.keys.current }));
    });

    test('signs nothing that the server believes: no LFS token, no CSRF text', async () => {
      const { services } = lab.server;
      const thief = houseOf(services);
      const project = await services.db.read
        .selectFrom('projects')
        .selectAll()
        .where('id', '=', projectId)
        .executeTakeFirstOrThrow();
      const wish = { operation: 'upload', repositoryId: project.repository_id! } as const;
      const body = JSON.stringify({ operation: 'upload', objects: [{ oid: 'a'.repeat(64), size: 1 }] });
      const batch = (login: string, secret: Secret) =>
        lab.raw('POST', `/${project.full_path}.git/info/lfs/objects/batch`, basic(login, secret.reveal()), body);
      for (const secret of genuine.slice(0, 2)) {
        const key = await services.verifier.token(new Secret(secret));
        assert.ok(key.ok);
        const real = issueLfsToken(services, key.value, wish)!;
        assert.equal((await batch(real.login, real.secret)).status, 200);
        const forged = issueLfsToken(thief, key.value, wish)!;
        assert.equal((await batch(forged.login, forged.secret)).status, 401, 'a forged LFS token lets one in');
        assert.equal(await verifyLfsToken(thief, createVerifier(thief), real.login, real.secret), null);
        const [payload = ''] = real.secret.reveal().split('.');
        for (const word of [...texts].filter((one) => /^[0-9a-f]{64}$/.test(one)).slice(0, 20))
          assert.equal((await batch(real.login, new Secret(`${payload}.${word}`))).status, 401);
      }
      for (const csrf of csrfTokenOf(thief.keys, cookie)) {
        const session = await services.verifier.session(cookie, csrf);
        assert.ok(session.ok && !session.value.csrfProven, 'a forged CSRF text is believed');
      }
    });

    test('of a backup without its keys is worth no more', async () => {
      const { services, data } = lab.server;
      const target = join(await lab.folder(), 'backup');
      const config = { data, keys: join(data, 'keys'), url: services.url, databaseUrl: lab.server.databaseUrl };
      await backup(services, config, { target, withKeys: false });
      const keys = readdirSync(config.keys).map((name) => readFileSync(join(config.keys, name), 'utf8').trim());
      assert.ok(keys.length > 0);
      const unwanted = [...keys, ...genuine, cookie.reveal()];
      for (const name of readdirSync(target, { recursive: true, encoding: 'utf8' })) {
        if (!/\.(?:jsonl|json)$/.test(name)) continue;
        const text = readFileSync(join(target, name), 'latin1');
        for (const secret of unwanted) assert.ok(!text.includes(secret), name);
      }
      assert.ok(!readdirSync(target).includes('keys'));
    });
  });

/** The thief's instance around the same database. */
function houseOf(house: House): House {
  return { ...house, keys: new InstanceKeys(new Map([[1, randomBytes(32)]])) };
}

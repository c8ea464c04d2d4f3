// Lesson R27 (Forgejo 1.20.5: login tokens could be built from a copy of the database):
// 1. a thief has the complete database file of a running server: digests, seals, fingerprints, ids, names;
// 2. he presents every text in it, and what can be made of it (hex and base64 both ways, with every prefix), in every channel;
// 3. one of them lets him in as anyone.
// None does: what proves a key is not in the database, nor can it be made from what is.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { Secret } from '../../src/kernel/secret.ts';
import { basic, type Lab, openLab } from './lab.ts';

const PREFIXES = ['', 'glpat-', 'gldt-', 'glrt-', 'glptt-', 'glcbt-64_'];

function derived(text: string): string[] {
  const found = new Set<string>([text]);
  if (/^[0-9a-f]{32,}$/.test(text)) {
    const bytes = Buffer.from(text, 'hex');
    for (const form of ['base64', 'base64url', 'latin1'] as const) found.add(bytes.toString(form));
    found.add(text.slice(0, 32)).add(text.slice(-32)).add(text.slice(0, 40)).add(text.slice(0, 20));
    found.add(createHash('sha256').update(bytes).digest('hex'));
  } else if (/^[A-Za-z0-9+/]{20,}=*$/.test(text)) found.add(Buffer.from(text, 'base64').toString('hex').slice(0, 32));
  return [...found].filter((one) => one.length <= 300 && /^[\x21-\x7e]+$/.test(one));
}

describe('the complete database', () => {
  let lab: Lab;
  const texts = new Set<string>();

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    const user = await world.user({});
    const group = await world.group({});
    const project = await lab.project(group);
    await world.member(user, { group }, 50);
    await lab.bot(project, 40);
    await lab.pat(user, 'api');
    for (const kind of ['job_token', 'trigger_token'] as const)
      await lab.key({ kind, userId: user.id, projectId: project.id, scopes: [] });
    const deploy = { name: 'gitlab-deploy-token', scopes: ['read_repository'] };
    assert.equal((await lab.api('POST', `/projects/${project.id}/deploy_tokens`, { body: deploy })).status, 201);
    const made = await lab.api('POST', `/users/${user.id}/personal_access_tokens`, {
      body: { name: 'r', scopes: ['api'] },
    });
    const rotated = await lab.api('POST', `/personal_access_tokens/${made.body.id}/rotate`, {
      headers: { 'idempotency-key': 'once' },
      body: { overlap: 60 },
    });
    assert.equal(rotated.status, 200, rotated.text);
    const login = { login: 'root', password: lab.server.rootPassword };
    assert.equal((await lab.api('POST', '/keyward/session', { token: null, body: login })).status, 201);

    const db = lab.database();
    const tables = db.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[];
    for (const { name } of tables)
      for (const row of db.prepare(`select * from "${name}"`).all())
        for (const value of Object.values(row))
          if (typeof value === 'string' && value.length >= 8)
            for (const word of [value, ...(value.match(/[\w+/=.-]{16,}/g) ?? [])]) texts.add(word);
    db.close();
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
});

// Deploy tokens over REST: every row of reference git-and-deploy 5.1 and 5.5.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '../../../src/identity/records.ts';
import { updateSettings } from '../../../src/settings/settings.ts';
import type { Visibility } from '../../../src/storage/schema.ts';
import { auditOf, TODAY, withForge } from '../../keys/forge.ts';
import { START } from '../../support/world.ts';

withForge('deploy tokens', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `deployer${++count}x`, ...values });
  const TOKEN = { name: 'deploy', scopes: ['read_repository'] };

  async function place(visibility: Visibility = 'private') {
    const { world, token } = forge();
    const group = await world.group({ visibility });
    const project = await world.project(group, { visibility });
    const owner = await person();
    await world.member(owner, { group }, 50);
    const paths = [`/projects/${project.id}/deploy_tokens`, `/groups/${group.id}/deploy_tokens`] as const;
    return { group, project, token: await token(owner), paths };
  }

  test('are made with a user name from their own id, in the order of scopes that answers have', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    for (const path of paths) {
      const body = { name: 'd', scopes: 'write_registry,read_repository,read_registry', expires_at: TODAY };
      const made = await api('POST', path, { token, body });
      assert.equal(made.status, 201, made.text);
      const { id, token: text, ...rest } = made.body;
      assert.match(text, /^gldt-[0-9a-zA-Z_-]{20}$/);
      assert.deepEqual(rest, {
        name: 'd',
        username: `gitlab+deploy-token-${id}`,
        expires_at: '2026-03-01T00:00:00.000Z',
        scopes: ['read_repository', 'read_registry', 'write_registry'],
        revoked: false,
        expired: false,
      });
      const shown = await api('GET', `${path}/${id}`, { token });
      assert.deepEqual(shown.body, { id, ...rest });
    }
  });

  test('parameters that are missing, unknown or malformed are said in the words of each', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const cases: [object, object][] = [
      [{}, { error: 'name is missing, scopes is missing' }],
      [{ ...TOKEN, scopes: ['api'] }, { error: 'scopes does not have a valid value' }],
      [{ ...TOKEN, scopes: ['write_repository'] }, { error: 'scopes does not have a valid value' }],
      [{ ...TOKEN, scopes: [] }, { message: "Scopes can't be blank" }],
      [{ ...TOKEN, username: 'a b' }, { message: "Username can contain only letters, digits, '_', '-', '+', and '.'" }],
    ];
    for (const path of paths) {
      for (const [body, answer] of cases) {
        const no = await api('POST', path, { token, body });
        assert.deepEqual([no.status, no.body], [400, answer]);
      }
      assert.deepEqual((await api('GET', path, { token })).body, []);
    }
  });

  test('write_repository can be chosen only while the instance allows it, and comes last', async () => {
    const { api, server } = forge();
    const { token, paths } = await place();
    const set = (deploy_token_write_repository: boolean) =>
      server.services.db.tx((tx) => updateSettings(tx, { deploy_token_write_repository }, START));
    await set(true);
    try {
      const body = { name: 'w', scopes: ['write_repository', 'read_registry'] };
      const made = await api('POST', paths[0], { token, body });
      assert.deepEqual([made.status, made.body.scopes], [201, ['read_registry', 'write_repository']]);
    } finally {
      await set(false);
    }
  });

  test('strangers, members without the role and hidden places', async () => {
    const { api, token, world } = forge();
    const [hidden, open] = [await place(), await place('public')];
    for (const index of [0, 1] as const) {
      const words = { message: index === 0 ? '404 Project Not Found' : '404 Group Not Found' };
      for (const [method, body] of [['GET'], ['POST', TOKEN]] as const) {
        const unseen = await api(method, hidden.paths[index], { token: null, body });
        assert.deepEqual([unseen.status, unseen.body], [404, words]);
        const seen = await api(method, open.paths[index], { token: null, body });
        assert.deepEqual([seen.status, seen.body], [403, { message: '403 Forbidden' }]);
      }
      const bad = await api('GET', open.paths[index], { token: 'glpat-nonsensenonsense0000' });
      assert.deepEqual([bad.status, bad.body], [401, { message: '401 Unauthorized' }]);
      const stranger = await api('GET', hidden.paths[index], { token: await token(await person()) });
      assert.deepEqual([stranger.status, stranger.body], [404, words]);
      const developer = await person();
      await world.member(developer, { group: hidden.group }, 30);
      const low = await api('GET', hidden.paths[index], { token: await token(developer) });
      assert.deepEqual([low.status, low.body], [403, { message: '403 Forbidden' }]);
    }
    const maintainer = await person();
    await world.member(maintainer, { group: hidden.group }, 40);
    const text = await token(maintainer);
    assert.equal((await api('GET', hidden.paths[1], { token: text })).status, 200);
    assert.equal((await api('POST', hidden.paths[1], { token: text, body: TOKEN })).status, 403);
    assert.equal((await api('DELETE', `${hidden.paths[1]}/1`, { token: text })).status, 403);
    assert.equal((await api('POST', hidden.paths[0], { token: text, body: TOKEN })).status, 201);
    assert.equal((await api('GET', '/deploy_tokens', { token: null })).status, 401);
    assert.equal((await api('GET', '/deploy_tokens', { token: text })).status, 403);
  });

  test('lists hold what is directly on the place, and active narrows to what may authenticate', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const make = async (path: string, body: object) => (await api('POST', path, { token, body })).body.id as number;
    const alive = await make(paths[0], TOKEN);
    const dead = await make(paths[0], { ...TOKEN, expires_at: '2026-02-28' });
    const groups = await make(paths[1], TOKEN);
    const ids = async (path: string) =>
      (await api('GET', path, { token })).body.map((row: { id: number }) => row.id) as number[];
    assert.deepEqual(await ids(paths[0]), [alive, dead]);
    assert.deepEqual(await ids(`${paths[0]}?active=true`), [alive]);
    assert.deepEqual(await ids(paths[1]), [groups]);
    assert.equal((await api('GET', `${paths[0]}/${dead}`, { token })).body.expired, true);
    const all = (await api('GET', '/deploy_tokens?per_page=100')).body.map((row: { id: number }) => row.id);
    for (const id of [alive, dead, groups]) assert.ok(all.includes(id));
  });

  test('a deleted one is gone from the routes, and only its audit stays', async () => {
    const { api, server } = forge();
    const [here, there] = [await place(), await place()];
    const made = await api('POST', here.paths[0], { token: here.token, body: TOKEN });
    const foreign = await api('DELETE', `${there.paths[0]}/${made.body.id}`, { token: there.token });
    assert.deepEqual([foreign.status, foreign.body], [404, { message: '404 Not found' }]);
    assert.equal((await api('GET', `${here.paths[1]}/${made.body.id}`, { token: here.token })).status, 404);
    assert.equal((await api('DELETE', `${here.paths[0]}/${made.body.id}`, { token: here.token })).status, 204);
    for (const method of ['GET', 'DELETE']) {
      const gone = await api(method, `${here.paths[0]}/${made.body.id}`, { token: here.token });
      assert.deepEqual([gone.status, gone.body], [404, { message: '404 Not found' }]);
    }
    const row = await server.services.db.read
      .selectFrom('credentials')
      .selectAll()
      .where('id', '=', made.body.id)
      .executeTakeFirst();
    assert.deepEqual([row?.end_reason, row?.secret_digest], ['revoked', null]);
    const audited = await auditOf(forge(), 'project_deploy_token:manage');
    assert.ok(audited.some((each) => each.target_id === String(made.body.id) && /^Revoked/.test(each.message)));
  });

  test('rotation keeps name, scopes, date and user name, also the default one', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    for (const path of paths) {
      const made = await api('POST', path, { token, body: { ...TOKEN, expires_at: '2026-06-01' } });
      const rotated = await api('POST', `${path}/${made.body.id}/rotate`, { token });
      assert.equal(rotated.status, 200);
      const { id, token: text, ...rest } = rotated.body;
      assert.ok(id > made.body.id && text !== made.body.token);
      assert.deepEqual(rest, {
        name: 'deploy',
        username: `gitlab+deploy-token-${made.body.id}`,
        expires_at: '2026-06-01T00:00:00.000Z',
        scopes: ['read_repository'],
        revoked: false,
        expired: false,
      });
      const again = await api('POST', `${path}/${made.body.id}/rotate`, { token });
      assert.deepEqual([again.status, again.body], [400, { message: '400 Bad request - Token already revoked' }]);
      assert.equal((await api('GET', `${path}/${made.body.id}`, { token })).body.revoked, true);
      const expired = await api('POST', path, { token, body: { ...TOKEN, expires_at: '2026-01-01' } });
      const back = await api('POST', `${path}/${expired.body.id}/rotate`, {
        token,
        body: { expires_at: '2026-05-01' },
      });
      assert.deepEqual([back.status, back.body.expires_at], [200, '2026-05-01T00:00:00.000Z']);
    }
  });

  test('a rotation with overlap and Idempotency-Key is repeated with the same secret', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[0], { token, body: TOKEN });
    const call = () =>
      api('POST', `${paths[0]}/${made.body.id}/rotate`, {
        token,
        body: { overlap: 600 },
        headers: { 'Idempotency-Key': 'k' },
      });
    const [first, second] = [await call(), await call()];
    assert.deepEqual([first.status, second.status], [200, 200]);
    assert.equal(first.text, second.text);
  });

  test('only the token named gitlab-deploy-token can be read again by the server, and only sealed', async () => {
    const { api, server } = forge();
    const { token, paths } = await place();
    const sealed = async (id: number) =>
      server.services.db.read.selectFrom('credential_secrets').selectAll().where('credential_id', '=', id).execute();
    const plain = await api('POST', paths[0], { token, body: TOKEN });
    assert.deepEqual(await sealed(plain.body.id), []);
    const ci = await api('POST', paths[0], { token, body: { ...TOKEN, name: 'gitlab-deploy-token' } });
    const rows = await sealed(ci.body.id);
    assert.equal(rows.length, 1);
    assert.ok(!JSON.stringify(rows).includes(ci.body.token));
    const context = `credential ${ci.body.id} secret`;
    const opened = server.services.keys.open(context, { sealed: rows[0]!.sealed, keyId: rows[0]!.key_id });
    assert.equal(opened.reveal(), ci.body.token);
    await api('DELETE', `${paths[0]}/${ci.body.id}`, { token });
    assert.deepEqual(await sealed(ci.body.id), []);
  });

  test('a deploy token opens no REST', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[0], { token, body: TOKEN });
    const no = await api('GET', '/personal_access_tokens/self', { token: made.body.token });
    assert.deepEqual([no.status, no.body], [401, { message: '401 Unauthorized' }]);
  });
});

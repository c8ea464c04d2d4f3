// Project and group access tokens: the rows of the error table that the acceptance list leaves, and the life of the bot
// (reference access-tokens 4.4, 8; lessons R39, R40).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Namespace, Project, User } from '../../../src/identity/records.ts';
import { auditOf, TODAY, withForge } from '../../keys/forge.ts';

const bad = (reason: string) => ({ message: `400 Bad request - ${reason}` });

withForge('project and group access tokens', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `member${++count}x`, ...values });

  /** A private project in a group, with an owner's token, and the paths of both. */
  async function place(): Promise<{ group: Namespace; project: Project; owner: User; token: string; paths: string[] }> {
    const { world, token } = forge();
    const group = await world.group({});
    const project = await world.project(group);
    const owner = await person();
    await world.member(owner, { group }, 50);
    const paths = [`/projects/${project.id}/access_tokens`, `/groups/${group.id}/access_tokens`];
    return { group, project, owner, token: await token(owner), paths };
  }
  const BOT = { name: 'bot', scopes: ['api'] };
  const bot = async (id: number) =>
    forge().server.services.db.read.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

  test('a new token has every field of its record and a bot of its own', async () => {
    const { api } = forge();
    const { group, project, token, paths } = await place();
    for (const [index, path] of paths.entries()) {
      const made = await api('POST', path, { token, body: { ...BOT, access_level: 20, description: 'd' } });
      assert.equal(made.status, 201, made.text);
      const { id: _id, token: text, user_id, ...rest } = made.body;
      const type = index === 0 ? 'project' : 'group';
      const resource_id = index === 0 ? project.id : group.id;
      assert.match(text, /^glpat-/);
      assert.deepEqual(rest, {
        name: 'bot',
        revoked: false,
        created_at: '2026-03-01T15:00:00.000Z',
        description: 'd',
        scopes: ['api'],
        last_used_at: null,
        active: true,
        expires_at: '2027-03-01',
        last_used_ips: [],
        access_level: 20,
        resource_type: type,
        resource_id,
      });
      const user = await bot(user_id);
      assert.match(user.username, new RegExp(`^${type}_${resource_id}_bot_[0-9a-f]{32}$`));
      assert.deepEqual([user.name, user.type, user.password_digest], ['bot', 'project_bot', null]);
    }
  });

  test('parameters are checked before anything is made', async () => {
    const { api, server } = forge();
    const { token, paths } = await place();
    const bots = async () =>
      (await server.services.db.read.selectFrom('users').select('id').where('type', '=', 'project_bot').execute())
        .length;
    const before = await bots();
    const cases: [object, object][] = [
      [{ scopes: ['api'] }, { error: 'name is missing' }],
      [{ ...BOT, scopes: ['read_user'] }, { error: 'scopes does not have a valid value' }],
      [{ ...BOT, scopes: ['sudo'] }, { error: 'scopes does not have a valid value' }],
      [{ ...BOT, access_level: 5 }, { error: 'access_level does not have a valid value' }],
      [{ ...BOT, access_level: 60 }, { error: 'access_level does not have a valid value' }],
      [{ ...BOT, expires_at: '2027-03-02' }, bad('Expires at must be before 2027-03-01')],
      [{ ...BOT, scopes: [] }, bad("Scopes can't be blank")],
    ];
    for (const path of paths)
      for (const [body, answer] of cases) {
        const no = await api('POST', path, { token, body });
        assert.deepEqual([no.status, no.body], [400, answer]);
      }
    assert.equal(await bots(), before);
  });

  test('a place that is hidden or missing is 404 in the words of its type', async () => {
    const { api, token } = forge();
    const { paths } = await place();
    const stranger = await token(await person());
    for (const [index, path] of paths.entries()) {
      const words = { message: index === 0 ? '404 Project Not Found' : '404 Group Not Found' };
      const missing = path.replace(/\d+/, '999999');
      for (const each of [path, missing]) {
        assert.deepEqual((await api('GET', each, { token: stranger })).body, words);
        assert.deepEqual((await api('POST', each, { token: stranger, body: BOT })).body, words);
        assert.deepEqual((await api('DELETE', `${each}/1`, { token: stranger })).body, words);
      }
    }
    assert.equal((await api('GET', paths[0]!, { token: null })).status, 401);
  });

  test('tokens of one place are not found from another', async () => {
    const { api } = forge();
    const [here, there] = [await place(), await place()];
    for (const [index, path] of here.paths.entries()) {
      const made = await api('POST', path, { token: here.token, body: BOT });
      const elsewhere = `${there.paths[index]}/${made.body.id}`;
      const words = { message: `404 ${index === 0 ? 'project' : 'group'} Access Token Not Found` };
      for (const method of ['GET', 'DELETE']) {
        const no = await api(method, elsewhere, { token: there.token });
        assert.deepEqual([no.status, no.body], [404, words]);
      }
      const rotated = await api('POST', `${elsewhere}/rotate`, { token: there.token });
      assert.deepEqual([rotated.status, rotated.body], [401, { message: '401 Unauthorized' }]);
      const asAdmin = await api('POST', `${elsewhere}/rotate`);
      assert.deepEqual([asAdmin.status, asAdmin.body], [404, { message: '404 Not Found' }]);
      assert.equal((await api('GET', '/personal_access_tokens/self', { token: made.body.token })).status, 200);
    }
  });

  test('who lacks the role is told so in the odd words of each route', async () => {
    const { api, token, world } = forge();
    const { group, project, paths, token: owner } = await place();
    const developer = await person();
    await world.member(developer, { group }, 30);
    const text = await token(developer);
    for (const [index, path] of paths.entries()) {
      const made = await api('POST', path, { token: owner, body: BOT });
      const type = index === 0 ? 'project' : 'group';
      const unauthorized = [401, { message: '401 Unauthorized' }];
      const get = await api('GET', `${path}/${made.body.id}`, { token: text });
      assert.deepEqual([get.status, get.body], unauthorized);
      const rotated = await api('POST', `${path}/${made.body.id}/rotate`, { token: text });
      assert.deepEqual([rotated.status, rotated.body], unauthorized);
      const created = await api('POST', path, { token: text, body: BOT });
      assert.deepEqual(
        [created.status, created.body],
        [400, bad(`User does not have permission to create ${type} access token`)],
      );
      const deleted = await api('DELETE', `${path}/${made.body.id}`, { token: text });
      assert.deepEqual([deleted.status, deleted.body], [400, bad(`${developer.name} cannot delete bot`)]);
    }
    const maintainer = await person();
    await world.member(maintainer, { group }, 40);
    const list = await api('GET', `/groups/${group.id}/access_tokens`, { token: await token(maintainer) });
    assert.equal(list.status, 401);
    assert.equal(
      (await api('GET', `/projects/${project.id}/access_tokens`, { token: await token(maintainer) })).status,
      200,
    );
  });

  test('a Maintainer does not rotate a token above his own role, and an administrator needs no membership', async () => {
    const { api, token, world } = forge();
    const { project, paths, token: owner } = await place();
    const maintainer = await person();
    await world.member(maintainer, { project }, 40);
    const made = await api('POST', paths[0]!, { token: owner, body: { ...BOT, access_level: 50 } });
    assert.equal(made.status, 201);
    const no = await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token: await token(maintainer) });
    assert.deepEqual(
      [no.status, no.body],
      [400, bad('Not eligible to rotate tokens with permissions not held by the user')],
    );
    const rotated = await api('POST', `${paths[0]}/${made.body.id}/rotate`);
    assert.equal(rotated.status, 200);
    assert.deepEqual([rotated.body.user_id, rotated.body.access_level], [made.body.user_id, 50]);
    const again = await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token: owner });
    assert.deepEqual([again.status, again.body], [400, bad('Token already revoked')]);
  });

  test('self/rotate is for bots at their own place', async () => {
    const { api } = forge();
    const [here, there] = [await place(), await place()];
    for (const [index, path] of here.paths.entries()) {
      const made = await api('POST', path, { token: here.token, body: { ...BOT, scopes: ['self_rotate'] } });
      const text: string = made.body.token;
      const human = await api('POST', `${path}/self/rotate`, { token: here.token });
      assert.deepEqual([human.status, human.body], [405, { message: '405 Method Not Allowed' }]);
      const hidden = await api('POST', `${there.paths[index]}/self/rotate`, { token: text });
      assert.equal(hidden.status, 404);
      assert.equal((await api('GET', `${path}/self`, { token: here.token })).status, 404);
      assert.equal((await api('DELETE', `${path}/self`, { token: here.token })).status, 404);
      assert.equal((await api('POST', `${path}/self/rotate`, { token: text })).status, 200);
    }
    const open = await forge().world.group({ visibility: 'public' });
    const made = await api('POST', here.paths[1]!, { token: here.token, body: BOT });
    const other = await api('POST', `/groups/${open.id}/access_tokens/self/rotate`, { token: made.body.token });
    assert.deepEqual([other.status, other.body], [401, { message: '401 Unauthorized' }]);
  });

  test('revoking by any route deletes the bot, the row stays listed as inactive', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const make = async () => (await api('POST', paths[0]!, { token, body: BOT })).body;
    const routes: ((made: { id: number; token: string }) => Promise<{ status: number }>)[] = [
      (made) => api('DELETE', `${paths[0]}/${made.id}`, { token }),
      (made) => api('DELETE', `/personal_access_tokens/${made.id}`),
      (made) => api('DELETE', '/personal_access_tokens/self', { token: made.token }),
      (made) => api('DELETE', '/admin/token', { body: { token: made.token } }),
    ];
    for (const revoke of routes) {
      const made = await make();
      assert.equal((await revoke(made)).status, 204);
      assert.equal((await bot(made.user_id)).state, 'deleted');
      const dead = await api('GET', '/personal_access_tokens/self', { token: made.token });
      assert.match(dead.body.error_description, /^Token was revoked\./);
      const shown = await api('GET', `${paths[0]}/${made.id}`, { token });
      assert.deepEqual([shown.body.active, shown.body.revoked, shown.body.access_level], [false, true, 40]);
      assert.equal((await api('DELETE', `${paths[0]}/${made.id}`, { token })).status, 204);
    }
    const inactive = await api('GET', `${paths[0]}?state=inactive`, { token });
    assert.equal(inactive.body.length, routes.length);
  });

  test('revoking the old key of an overlap leaves the new one and its bot alone', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[0]!, { token, body: BOT });
    const next = await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token, body: { overlap: 600 } });
    assert.equal(next.status, 200);
    assert.equal((await api('DELETE', `${paths[0]}/${made.body.id}`, { token })).status, 204);
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: made.body.token })).status, 401);
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: next.body.token })).status, 200);
    assert.equal((await bot(made.body.user_id)).state, 'active');
  });

  test('revoking the new key of an overlap takes the bot, and so the old key too', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[0]!, { token, body: BOT });
    const next = await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token, body: { overlap: 600 } });
    assert.equal((await api('DELETE', `${paths[0]}/${next.body.id}`, { token })).status, 204);
    for (const text of [made.body.token, next.body.token])
      assert.equal((await api('GET', '/personal_access_tokens/self', { token: text })).status, 401);
    assert.equal((await bot(made.body.user_id)).state, 'deleted');
  });

  test('a bot that is no member any more is neither rotated nor revoked here', async () => {
    const { api, server } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[0]!, { token, body: BOT });
    await server.services.db.tx((tx) => tx.deleteFrom('members').where('user_id', '=', made.body.user_id).execute());
    for (const [method, path] of [
      ['DELETE', `${paths[0]}/${made.body.id}`],
      ['POST', `${paths[0]}/${made.body.id}/rotate`],
      ['POST', `/personal_access_tokens/${made.body.id}/rotate`],
    ] as const) {
      const no = await api(method, path, path.startsWith('/personal') ? {} : { token });
      assert.deepEqual([no.status, no.body], [400, bad('Failed to find bot user')]);
    }
    assert.equal((await api('GET', '/personal_access_tokens/self', { token: made.body.token })).status, 200);
  });

  test('the top group can close the making and rotating of tokens, not their revocation', async () => {
    const { api, server } = forge();
    const { group, token, paths } = await place();
    const made = await api('POST', paths[0]!, { token, body: BOT });
    await server.services.db.tx((tx) =>
      tx
        .updateTable('namespaces')
        .set({ settings: JSON.stringify({ resource_access_token_creation_allowed: false }) })
        .where('id', '=', group.id)
        .execute(),
    );
    const no = await api('POST', paths[0]!, { token, body: BOT });
    assert.deepEqual(no.body, bad('User does not have permission to create project access token'));
    assert.equal((await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token })).status, 401);
    assert.equal((await api('GET', paths[0]!, { token })).status, 200);
    assert.equal((await api('DELETE', `${paths[0]}/${made.body.id}`, { token })).status, 204);
  });

  test('the bot is as external as its maker, and follows who rotates it', async () => {
    const { api, token, world } = forge();
    const { project, paths, token: owner } = await place();
    const external = await person({ external: 1 });
    await world.member(external, { project }, 40);
    const made = await api('POST', paths[0]!, { token: await token(external), body: BOT });
    assert.equal((await bot(made.body.user_id)).external, 1);
    assert.equal((await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token: owner })).status, 200);
    assert.equal((await bot(made.body.user_id)).external, 0);
  });

  test('a token that is dead from the start is made and listed', async () => {
    const { api } = forge();
    const { token, paths } = await place();
    const made = await api('POST', paths[1]!, { token, body: { ...BOT, expires_at: `${TODAY}T10:00:00Z` } });
    assert.deepEqual([made.status, made.body.active, made.body.expires_at], [201, false, TODAY]);
    assert.equal((await api('GET', `${paths[1]}?state=inactive`, { token })).body.length, 1);
  });

  test('making, rotating and revoking stand in the audit log at the place, with the key that did it', async () => {
    const { api } = forge();
    const { project, token, paths } = await place();
    const made = await api('POST', paths[0]!, { token, body: BOT });
    await api('POST', `${paths[0]}/${made.body.id}/rotate`, { token });
    for (const action of ['project_access_token:create', 'project_access_token:rotate']) {
      const row = (await auditOf(forge(), action)).find((each) => each.entity_id === project.id);
      assert.deepEqual([row?.entity_type, row?.result, row?.door], ['Project', 'allowed', 'rest']);
      assert.equal(row?.entity_path, project.full_path);
      assert.ok(row?.credential_id);
    }
  });

  test('a refused revocation names no key of another place', async () => {
    const { api, issue, token, world } = forge();
    const { project, group } = await place();
    const developer = await person();
    await world.member(developer, { group }, 30);
    const other = await place();
    const hidden = await api('POST', other.paths[0]!, { token: other.token, body: { ...BOT, name: 'hidden bot' } });
    assert.equal(hidden.status, 201, hidden.text);
    const foreign = await issue(other.owner);
    const developers = await token(developer);
    for (const path of [`/projects/${project.id}`, `/groups/${group.id}`])
      for (const id of [hidden.body.id, foreign.credential.id, 999_999]) {
        const answer = await api('DELETE', `${path}/access_tokens/${id}`, { token: developers });
        assert.deepEqual(
          [answer.status, answer.body],
          [400, bad(`${developer.name} cannot delete this access token`)],
          'a key that is elsewhere and one that is nowhere are alike',
        );
      }
  });

  test('a key that is made or rotated while its place is deleted does not outlive it', async () => {
    const { api, server } = forge();
    for (let round = 0; round < 3; round++) {
      const { group, token, paths } = await place();
      const old = (await api('POST', paths[0]!, { token, body: BOT })).body;
      const deploy = { name: 'd', scopes: ['read_repository'] };
      const [gone] = await Promise.all([
        api('DELETE', `/groups/${group.id}`, { token }),
        ...paths.map((path) => api('POST', path, { token, body: BOT })),
        ...paths.map((path) => api('POST', path.replace('access', 'deploy'), { token, body: deploy })),
        api('POST', `${paths[0]}/${old.id}/rotate`, { token }),
      ]);
      assert.equal(gone!.status, 202, gone!.text);
      const living = await server.services.db.read
        .selectFrom('credentials')
        .select(['id', 'kind'])
        .where('ended_at', 'is', null)
        .where((eb) => eb.or([eb('group_id', '=', group.id), eb('project_id', '=', Number(paths[0]!.split('/')[2]))]))
        .execute();
      assert.deepEqual(living, []);
    }
  });
});

// Our own routes about keys: who sees which, what a key opens, why it was refused (reference access-tokens 3.7).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { User } from '../../../src/identity/records.ts';
import { withForge } from '../../keys/forge.ts';

withForge('the inventory, explain and the catalogue', (forge) => {
  let count = 0;
  const person = (values: Partial<User> = {}) => forge().world.user({ username: `keeper${++count}x`, ...values });
  const idsOf = (answer: { body: { id: number }[] }) => answer.body.map((row) => row.id);

  async function world() {
    const { issue, token, world } = forge();
    const group = await world.group({});
    const project = await world.project(group);
    const [owner, stranger] = [await person(), await person()];
    await world.member(owner, { group }, 50);
    const bot = await person({ type: 'project_bot', bot_project_id: project.id });
    await world.member(bot, { project }, 30);
    const place = await issue(bot, {
      kind: 'project_access_token',
      projectId: project.id,
      scopes: ['read_repository'],
    });
    const own = await issue(owner, { scopes: ['api'] });
    return {
      group,
      project,
      owner,
      bot,
      place,
      own,
      stranger,
      token: own.secret.reveal(),
      other: await token(stranger),
    };
  }

  test('everybody sees what he holds and manages, administrators all', async () => {
    const { api, issue } = forge();
    const { owner, place, own, token, other } = await world();
    const hidden = await issue(owner, { impersonation: true });
    assert.deepEqual(idsOf(await api('GET', '/keyward/credentials', { token })), [
      place.credential.id,
      own.credential.id,
    ]);
    const all = idsOf(await api('GET', '/keyward/credentials?per_page=100&sort=id_desc'));
    for (const id of [place.credential.id, own.credential.id, hidden.credential.id]) assert.ok(all.includes(id));
    for (const id of [place.credential.id, own.credential.id, 999_999]) {
      for (const path of ['', '/reach']) {
        const no = await api('GET', `/keyward/credentials/${id}${path}`, { token: other });
        assert.deepEqual([no.status, no.body], [404, { message: '404 Not found' }]);
      }
    }
    assert.equal((await api('GET', '/keyward/credentials', { token: null })).status, 401);
  });

  test('a key is shown with holder, reach, state and use, never with its text', async () => {
    const { api } = forge();
    const { bot, place, project, token } = await world();
    const shown = await api('GET', `/keyward/credentials/${place.credential.id}`, { token });
    assert.equal(shown.status, 200);
    const { body } = shown;
    assert.deepEqual(
      [body.kind, body.state, body.holder, body.reach, body.scopes, body.family_id],
      [
        'project_access_token',
        'active',
        { type: 'user', id: bot.id, name: bot.username },
        { type: 'project', id: project.id, full_path: project.full_path },
        ['read_repository'],
        place.credential.id,
      ],
    );
    assert.ok(!shown.text.includes(place.secret.reveal()) && !shown.text.includes('digest'));
  });

  test('the inventory filters by kind, state, holder, scope, use and date', async () => {
    const { api, issue } = forge();
    const { owner, own, place, token } = await world();
    const soon = await issue(owner, { scopes: ['read_api'], expiresAt: Date.UTC(2026, 2, 5) });
    const dead = await issue(owner, { expiresAt: Date.UTC(2026, 1, 1) });
    const list = async (query: string) => idsOf(await api('GET', `/keyward/credentials?${query}`, { token }));
    assert.deepEqual(await list('kind=project_access_token'), [place.credential.id]);
    assert.deepEqual(await list('state=expired'), [dead.credential.id]);
    assert.deepEqual(await list('scope=read_api'), [soon.credential.id]);
    assert.deepEqual(await list('expires_within=7'), [soon.credential.id]);
    assert.deepEqual(await list(`holder=${owner.username}&state=active`), [own.credential.id, soon.credential.id]);
    assert.deepEqual(await list('holder=nobody-at-all'), []);
    assert.deepEqual(await list('unused_for=1'), []);
    const bad = await api('GET', '/keyward/credentials?kind=session', { token });
    assert.deepEqual([bad.status, bad.body], [400, { error: 'kind does not have a valid value' }]);
  });

  test('reach lists the places that a key opens with the actions at each', async () => {
    const { api } = forge();
    const { place, project, token } = await world();
    const reach = await api('GET', `/keyward/credentials/${place.credential.id}/reach`, { token });
    assert.equal(reach.status, 200);
    const here = reach.body.find(
      (row: { id: number; type: string }) => row.type === 'project' && row.id === project.id,
    );
    assert.equal(here.full_path, project.full_path);
    assert.ok(here.actions.includes('repository:pull') && !here.actions.includes('repository:push'));
  });

  test('explain names the lock that refuses, for one`s own keys by id or text', async () => {
    const { api, world: tables } = forge();
    const { place, project, token, own } = await world();
    const other = await tables.project(await tables.group({ visibility: 'public' }), { visibility: 'public' });
    const ask = async (body: object, as = token) => api('POST', '/keyward/explain', { token: as, body });
    const key = { credential_id: place.credential.id, project: project.full_path };
    const pull = await ask({ ...key, action: 'repository:pull' });
    assert.deepEqual([pull.status, pull.body.allowed, pull.body.refused_by], [200, true, null]);
    assert.deepEqual(
      pull.body.locks.map((lock: { name: string; passed: boolean }) => [lock.name, lock.passed]),
      [
        ['alive', true],
        ['scope', true],
        ['reach', true],
        ['role', true],
      ],
    );
    const push = await ask({ ...key, action: 'repository:push' });
    assert.deepEqual([push.body.allowed, push.body.refused_by, push.body.locks[2].passed], [false, 'scope', null]);
    const outside = await ask({ ...key, project: String(other.id), action: 'protected_ref:read' });
    assert.equal(outside.body.refused_by, 'scope');
    const reach = await ask({ token: place.secret.reveal(), project: String(other.id), action: 'file:read' });
    assert.equal(reach.status, 200);
    assert.ok(!reach.text.includes(place.secret.reveal()));
    const role = await ask({ credential_id: own.credential.id, project: String(other.id), action: 'project:update' });
    assert.deepEqual([role.body.allowed, role.body.refused_by], [false, 'role']);
  });

  test('explain refuses questions that are malformed, and keys and places that the caller may not know', async () => {
    const { api } = forge();
    const { place, project, token, other } = await world();
    const ask = (body: object, as = token) => api('POST', '/keyward/explain', { token: as, body });
    const action = 'repository:pull';
    const both = await ask({ credential_id: 1, token: 'x', action, project: String(project.id) });
    assert.equal(both.status, 400);
    assert.equal((await ask({ action, project: String(project.id) })).status, 400);
    const unknown = await ask({ credential_id: place.credential.id, action: 'repository:eat', project: '1' });
    assert.deepEqual([unknown.status, unknown.body], [400, { error: 'action does not have a valid value' }]);
    const foreign = await ask({ credential_id: place.credential.id, action, project: String(project.id) }, other);
    assert.equal(foreign.status, 404);
    const text = await ask({ token: place.secret.reveal(), action, project: String(project.id) }, other);
    assert.equal(text.status, 404);
    const nowhere = await ask({ credential_id: place.credential.id, action, project: 'no/where' });
    assert.deepEqual([nowhere.status, nowhere.body], [404, { message: '404 Project Not Found' }]);
    const nothing = await ask({ credential_id: place.credential.id, action });
    assert.deepEqual([nothing.status, nothing.body], [400, { error: 'project is missing' }]);
  });

  test('a text that is no living key is refused by alive, and counts as a failed authentication', async () => {
    const { api } = forge();
    const { project, token } = await world();
    const body = { token: 'glpat-aaaaaaaaaaaaaaaaaaaa', action: 'repository:pull', project: String(project.id) };
    const no = await api('POST', '/keyward/explain', { token, body });
    assert.deepEqual([no.status, no.body.allowed, no.body.refused_by, no.body.credential], [200, false, 'alive', null]);
    assert.deepEqual(
      no.body.locks.map((lock: { passed: boolean | null }) => lock.passed),
      [false, null, null, null],
    );
  });

  test('the catalogue lists the eight kinds with their scopes, and every action', async () => {
    const { api } = forge();
    const found = await api('GET', '/keyward/catalogue', { token: null });
    assert.equal(found.status, 200);
    assert.equal(found.body.kinds.length, 8);
    const project = found.body.kinds.find((kind: { name: string }) => kind.name === 'project_access_token');
    assert.ok(project.scopes.includes('api') && !project.scopes.includes('sudo'));
    const names = found.body.actions.map((action: { name: string }) => action.name);
    for (const name of ['project:read', 'repository:pull', 'repository:push']) assert.ok(names.includes(name));
    assert.equal(found.body.expiry.latest, '2027-03-01');
  });
});

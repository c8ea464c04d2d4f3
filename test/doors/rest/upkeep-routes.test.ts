// What administrators read and set for the whole instance over REST: statistics, settings, audit events (reference
// git-and-deploy 12.10, access-tokens 3.5).
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { defaultSettings } from '../../../src/settings/settings.ts';
import { onBothEngines } from '../../support/both-engines.ts';

onBothEngines('the instance for administrators', (server) => {
  it('counts people and places as texts', async () => {
    const { api } = server();
    const before = (await api('GET', '/application/statistics')).body;
    const { token } = await server().user('sal');
    const project = await api('POST', '/projects', { token, body: { name: 'one' } });
    const expires_at = new Date(server().services.clock.now() + 864e5).toISOString().slice(0, 10);
    await api('POST', `/projects/${project.body.id}/access_tokens`, {
      token,
      body: { name: 'b', scopes: ['api'], access_level: 10, expires_at },
    });
    const after = (await api('GET', '/application/statistics')).body;
    assert.ok(Object.values(after).every((value) => typeof value === 'string'));
    assert.equal(Number(after.users), Number(before.users) + 1, 'bots are no people');
    assert.equal(Number(after.projects), Number(before.projects) + 1);
    assert.deepEqual(
      Object.keys(after).sort(),
      'active_users forks groups issues merge_requests milestones notes projects snippets ssh_keys users'.split(' '),
    );
    assert.equal((await api('GET', '/application/statistics', { token })).status, 403);
  });

  it('shows and changes settings, all or nothing', async () => {
    const { api } = server();
    const { token } = await server().user('tess');
    assert.deepEqual((await api('GET', '/application/settings', { token })).body, { message: '403 Forbidden' });
    assert.equal((await api('PUT', '/application/settings', { token, body: {} })).status, 403);
    assert.equal((await api('GET', '/application/settings', { token: null })).status, 401);
    const all = (await api('GET', '/application/settings')).body;
    for (const name of Object.keys(defaultSettings)) assert.ok(name in all, name);
    const bad = await api('PUT', '/application/settings', {
      body: { default_branch_protection: 1, token_format: 'other' },
    });
    assert.equal(bad.status, 400);
    assert.equal((await api('GET', '/application/settings')).body.default_branch_protection, 2);
    const changed = await api('PUT', '/application/settings', {
      body: { default_group_visibility: 'internal', max_personal_access_token_lifetime: 30, no_such_setting: 1 },
    });
    assert.equal(changed.status, 200);
    assert.equal(changed.body.default_group_visibility, 'internal');
    const cleared = await api('PUT', '/application/settings', { body: { max_personal_access_token_lifetime: null } });
    assert.equal(cleared.body.max_personal_access_token_lifetime, null);
    const form = await api('PUT', '/application/settings', { form: { impersonation_enabled: 'true' } });
    assert.equal(form.status, 200, form.text);
    const group = await api('POST', '/groups', { token, body: { name: 'set', path: 'set' } });
    assert.equal(group.body.visibility, 'internal', 'and it holds at the next request');
  });

  it('lists audit events with their filters, newest first', async () => {
    const { api } = server();
    const { token, id } = await server().user('ugo');
    const group = await api('POST', '/groups', { token, body: { name: 'aud', path: 'aud' } });
    await api('PUT', `/groups/${group.body.id}`, { token, body: { description: 'changed' } });
    const events = await api('GET', `/audit_events?entity_type=Group&entity_id=${group.body.id}`);
    assert.deepEqual(
      events.body.map((event: { details: { action: string } }) => event.details.action),
      ['group:update', 'group:create'],
    );
    const [newest] = events.body;
    assert.deepEqual(Object.keys(newest), ['id', 'author_id', 'entity_id', 'entity_type', 'details', 'created_at']);
    assert.equal(newest.author_id, id);
    assert.equal(newest.details.author_name, 'ugo');
    assert.equal(newest.details.author_email, (await api('GET', `/users/${id}`)).body.email);
    assert.equal(newest.details.credential_kind, 'personal_access_token');
    assert.equal(newest.details.door, 'rest');
    assert.equal(newest.details.entity_path, 'aud');
    assert.deepEqual((await api('GET', `/audit_events/${newest.id}`)).body, newest);
    assert.equal((await api('GET', '/audit_events/999999')).status, 404);
    assert.equal((await api('GET', '/audit_events?entity_id=1')).status, 400);
    assert.equal((await api('GET', '/audit_events?entity_type=Nothing')).status, 400);
    const key = newest.details.credential_id;
    const byKey = await api('GET', `/audit_events?credential_id=${key}&action=group:create`);
    assert.equal(byKey.body.length, 1);
    assert.deepEqual((await api('GET', '/audit_events?created_before=2001-01-01')).body, []);
    assert.equal((await api('GET', '/audit_events', { token })).status, 403);
  });

  it('keeps what was refused at a place that only the body named', async () => {
    const { api } = server();
    const [wes, xia] = [await server().user('wes'), await server().user('xia')];
    const group = await api('POST', '/groups', { token: wes.token, body: { name: 'w', path: 'wes-group' } });
    const namespace_id = group.body.id;
    const refused = await api('POST', '/projects', { token: xia.token, body: { name: 'x', namespace_id } });
    assert.equal(refused.status, 400);
    for (let tries = 0; tries < 100; tries += 1) {
      const events = await api('GET', `/audit_events?author_id=${xia.id}&action=project:create&result=refused`);
      if (events.body.length > 0) return assert.equal(events.body[0].entity_id, namespace_id);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail('no row of the refusal');
  });
});

// Lesson R21 (CVE-2026-116474: a job token acted as a system user and registered an e-mail address and a GPG key):
// 1. a machine has a key: a project bot, a group bot, a deploy token, a job token, a trigger token, a runner;
// 2. it calls the routes by which people look after themselves;
// 3. it gains a second identity that outlives the key.
// Every one of these routes refuses every machine; a bot keeps only what tells it about itself.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { routes } from '../../src/doors/rest/routes/index.ts';
import { newSshKeyText } from '../support/world.ts';
import { fill, type Lab, openLab } from './lab.ts';

const SELF_SERVICE =
  /^\/user\/(?:keys|gpg_keys|emails|status|preferences|avatar|personal_access_tokens)|^\/keyward\/account/;

describe('self-service', () => {
  let lab: Lab;
  const machines = new Map<string, string>();

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    const group = await world.group({});
    const project = await lab.project(group);
    const user = await world.user({});
    machines.set('a project bot', (await lab.bot(project, 50)).token);
    const groupBot = await world
      .user({ type: 'group_bot' as never, bot_namespace_id: group.id })
      .catch(() => world.user({ type: 'project_bot', bot_namespace_id: group.id }));
    await world.member(groupBot, { group }, 50);
    machines.set(
      'a group bot',
      await lab.key({ kind: 'group_access_token', userId: groupBot.id, groupId: group.id, scopes: ['api'] }),
    );
    machines.set(
      'a deploy token',
      await lab.key({ kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] }),
    );
    for (const kind of ['job_token', 'trigger_token'] as const)
      machines.set(kind, await lab.key({ kind, userId: user.id, projectId: project.id, scopes: [] }));
    machines.set('a runner', await lab.key({ kind: 'runner_token', runnerId: 1, scopes: [] }));
  });
  after(() => lab?.stop());

  test('refuses every machine on every route', async () => {
    const own = routes.filter((route) => SELF_SERVICE.test(route.path));
    assert.ok(own.length >= 15, String(own.length));
    const before = lab.snapshot();
    const body = {
      title: 't',
      key: newSshKeyText(),
      email: 'second@example.com',
      name: 'n',
      scopes: ['self_rotate'],
      message: 'm',
    };
    for (const [machine, token] of machines)
      for (const route of own) {
        const answer = await lab.api(route.method, fill(route, {}), {
          token,
          body: route.method === 'GET' ? undefined : body,
        });
        assert.ok([401, 403].includes(answer.status), `${machine} ${route.method} ${route.path}: ${answer.status}`);
      }
    assert.deepEqual(lab.snapshot(), before);
  });

  test('leaves bots what tells them about themselves', async () => {
    for (const machine of ['a project bot', 'a group bot'])
      for (const path of ['/user', '/personal_access_tokens/self', '/personal_access_tokens/self/associations'])
        assert.equal((await lab.api('GET', path, { token: machines.get(machine)! })).status, 200, `${machine} ${path}`);
  });
});

// Lesson R5 (CVE-2024-6678: somebody ran a pipeline as any user):
// 1. a Developer commits over REST with `author_name` and `author_email` of the administrator, and pushes commits in his name;
// 2. he adds `user_id`, `created_by` and `sudo` to bodies, queries and headers;
// 3. the deed is written down as the administrator's, or done with his rights.
// Who did it is whoever proved a key, and nothing in a request says otherwise. (Pipelines wait for their room.)
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

describe('the name in a request', () => {
  let lab: Lab;
  let developer: User;
  let project: Project;
  let token: string;

  before(async () => {
    lab = await openLab();
    developer = await lab.world.user({});
    const group = await lab.world.group({});
    project = await lab.project(group);
    await lab.world.member(developer, { project }, 40);
    token = await lab.pat(developer, 'api');
  });
  after(() => lab?.stop());

  test('is not the actor of a commit', async () => {
    const forged = { author_name: 'Administrator', author_email: 'admin@example.com', committer_name: 'Administrator' };
    const made = await lab.api('POST', `/projects/${project.id}/repository/commits`, {
      token,
      body: {
        branch: 'forged',
        start_branch: 'main',
        commit_message: 'forged',
        actions: [{ action: 'create', file_path: 'f', content: 'f' }],
        ...forged,
        user_id: 1,
        created_by_user_id: 1,
      },
    });
    assert.equal(made.status, 201, made.text);
    assert.equal(made.body.author_name, 'Administrator');
    assert.equal(made.body.committer_name, developer.name);
  });

  test('is not the actor of a deed', async () => {
    for (const extra of [{ user_id: 1 }, { created_by: 1 }, { author_id: 1 }, { actor: 'root' }, { holder: 1 }]) {
      const body = { name: 'd', scopes: ['read_repository'], ...extra };
      const made = await lab.api('POST', `/projects/${project.id}/deploy_tokens?user_id=1`, { token, body });
      assert.equal(made.status, 201, made.text);
    }
    const events = await lab.api('GET', '/audit_events?per_page=100');
    const made = events.body.filter(
      (event: { entity_type: string; author_id: number }) => event.author_id === developer.id,
    );
    assert.ok(made.length >= 5, events.text);
  });

  test('lends no rights: sudo needs its scope', async () => {
    for (const [query, headers] of [
      ['?sudo=root', {}],
      ['', { sudo: 'root' }],
      ['?sudo=1', {}],
    ] as [string, Record<string, string>][]) {
      const answer = await lab.api('GET', `/user${query}`, { token, headers });
      assert.equal(answer.status, 403, answer.text);
    }
  });
});

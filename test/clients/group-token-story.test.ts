// One group access token at work, on both engines: as Owner it runs its group (projects, subgroups, members, a push below), as
// Maintainer it may not manage members, and revoked it is dead at the next request on REST and git.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startServer, type TestServer } from '../support/server.ts';

const run = promisify(execFile);

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`a group access token (${engine})`, () => {
    let server: TestServer;
    let folder: string;
    let groupId: number;
    let personId: number;
    before(async () => {
      server = await startServer({ engine });
      folder = await mkdtemp(join(tmpdir(), 'keyward-story-'));
      groupId = (await server.api('POST', '/groups', { body: { name: 'Team', path: 'team' } })).body.id;
      personId = (await server.user('person')).id;
    });
    after(async () => {
      await server?.stop();
      await rm(folder, { recursive: true, force: true });
    });

    const newToken = async (level: number): Promise<{ id: number; token: string }> => {
      const body = { name: `bot ${level}`, scopes: ['api'], access_level: level };
      return (await server.api('POST', `/groups/${groupId}/access_tokens`, { body })).body;
    };
    const git = (...args: string[]) =>
      run('git', args, {
        cwd: folder,
        env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_GLOBAL: '/dev/null' },
      });
    const remote = (token: string, path: string) => `${server.url.replace('//', `//bot:${token}@`)}/${path}.git`;

    it('as Owner with api runs its group', async () => {
      const { token } = await newToken(50);
      const as = (method: string, path: string, body?: unknown) => server.api(method, path, { token, body });
      const sub = await as('POST', '/groups', { name: 'Sub', path: 'sub', parent_id: groupId });
      assert.equal(sub.status, 201, sub.text);
      const project = await as('POST', '/projects', { name: 'app', namespace_id: sub.body.id });
      assert.equal(project.status, 201, project.text);

      const members = `/groups/${groupId}/members`;
      assert.equal((await as('POST', members, { user_id: personId, access_level: 20 })).status, 201);
      const raised = await as('PUT', `${members}/${personId}`, { access_level: 30 });
      assert.deepEqual([raised.status, raised.body.access_level], [200, 30]);
      assert.equal((await as('DELETE', `${members}/${personId}`)).status, 204);

      await git('init', '-q', '-b', 'main', 'work');
      await writeFile(join(folder, 'work', 'file'), 'made by a bot\n');
      await git('-C', 'work', 'add', '.');
      await git('-C', 'work', '-c', 'user.name=b', '-c', 'user.email=b@example.com', 'commit', '-qm', 'first');
      await git('-C', 'work', 'push', '-q', remote(token, 'team/sub/app'), 'main');
      const head = await as('GET', `/projects/${project.body.id}/repository/branches/main`);
      assert.equal(head.body.commit.title, 'first');

      assert.equal((await as('DELETE', `/projects/${project.body.id}`)).status, 202);
      assert.equal((await as('DELETE', `/groups/${sub.body.id}`)).status, 202);
      assert.equal((await as('GET', `/groups/${sub.body.id}`)).status, 404);
    });

    it('as Maintainer may not manage members', async () => {
      const { token } = await newToken(40);
      const as = (method: string, path: string, body?: unknown) => server.api(method, path, { token, body });
      const members = `/groups/${groupId}/members`;
      assert.equal((await as('POST', members, { user_id: personId, access_level: 20 })).status, 403);
      assert.equal((await server.api('POST', members, { body: { user_id: personId, access_level: 20 } })).status, 201);
      assert.equal((await as('PUT', `${members}/${personId}`, { access_level: 30 })).status, 403);
      assert.equal((await as('DELETE', `${members}/${personId}`)).status, 403);
      assert.equal((await as('GET', `${members}/${personId}`)).body.access_level, 20);
    });

    it('is dead at the very next request once revoked, on REST and git', async () => {
      const project = await server.api('POST', '/projects', {
        body: { name: 'kept', namespace_id: groupId, initialize_with_readme: true },
      });
      assert.equal(project.status, 201);
      const { id, token } = await newToken(30);
      await git('ls-remote', remote(token, 'team/kept'));
      assert.equal((await server.api('DELETE', `/groups/${groupId}/access_tokens/${id}`)).status, 204);
      const dead = await server.api('GET', '/user', { token });
      assert.deepEqual([dead.status, dead.body.error], [401, 'invalid_token']);
      await assert.rejects(git('ls-remote', remote(token, 'team/kept')), /Authentication failed|Access denied/);
    });
  });

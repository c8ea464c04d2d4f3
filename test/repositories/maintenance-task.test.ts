// Maintenance after pushes: gathered for an hour, once for many pushes, and harmless when the project is gone.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ManualClock, systemClock } from '../../src/kernel/clock.ts';
import { MAINTENANCE_DELAY, MAINTENANCE_TASK } from '../../src/repositories/maintenance.ts';
import { startServer, type TestServer } from '../support/server.ts';

describe('maintenance after a push', () => {
  const clock = new ManualClock(systemClock.now());
  let server: TestServer;
  before(async () => {
    server = await startServer({ clock });
  });
  after(() => server?.stop());

  const waiting = () =>
    server.services.db.read.selectFrom('tasks').selectAll().where('kind', '=', MAINTENANCE_TASK).execute();
  const newProject = async (name: string): Promise<number> => {
    const made = await server.api('POST', '/projects', { body: { name, initialize_with_readme: true } });
    for (const file of ['a', 'b']) {
      const body = { branch: 'main', content: file, commit_message: `add ${file}` };
      assert.equal(
        (await server.api('POST', `/projects/${made.body.id}/repository/files/${file}`, { body })).status,
        201,
      );
    }
    return made.body.id;
  };

  it('waits an hour, gathers many pushes, and packs the repository', async () => {
    const id = await newProject('kept');
    const tasks = await waiting();
    assert.equal(tasks.length, 1, 'one task for all pushes');
    const { repositoryId } = JSON.parse(tasks[0]!.payload);
    const graph = join(server.services.repositories.path(repositoryId), 'objects/info/commit-graph');
    await server.runTasks();
    assert.equal(existsSync(graph), false, 'not yet');
    clock.advance(MAINTENANCE_DELAY + 1);
    const deadline = performance.now() + 20_000;
    while ((await waiting()).length > 0 && performance.now() < deadline) await server.runTasks();
    assert.equal(existsSync(graph), true);
    assert.equal((await server.api('GET', `/projects/${id}/repository/files/a/raw?ref=main`)).text, 'a');
  });

  it('leaves a repository alone that is gone by then', async () => {
    const id = await newProject('gone');
    const { repositoryId } = JSON.parse((await waiting())[0]!.payload);
    assert.equal((await server.api('DELETE', `/projects/${id}`)).status, 202);
    await server.services.repositories.delete(repositoryId);
    clock.advance(MAINTENANCE_DELAY + 1);
    const deadline = performance.now() + 20_000;
    while ((await waiting()).length > 0 && performance.now() < deadline) await server.runTasks();
    assert.deepEqual(await waiting(), [], 'the task ended');
  });
});

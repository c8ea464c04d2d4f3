// @gitbeaker/rest, unmodified: full cycles of deploy keys and of people's SSH keys, with their errors.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Gitlab } from '@gitbeaker/rest';
import { startServer, type TestServer } from '../support/server.ts';
import { newSshKeyText } from '../support/world.ts';

type Client = InstanceType<typeof Gitlab>;

async function refused(status: number, call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    const { response } = (error as { cause?: { response?: Response } }).cause ?? {};
    assert.equal(response?.status, status, String(error));
    return;
  }
  assert.fail(`expected a refusal with status ${status}`);
}

describe('gitbeaker and SSH keys', () => {
  let server: TestServer;
  let root: Client;
  let carol: Client;
  let carolId: number;
  before(async () => {
    server = await startServer();
    root = new Gitlab({ host: server.url, token: server.rootToken });
    const { token, id } = await server.user('carol');
    carol = new Gitlab({ host: server.url, token });
    carolId = id;
  });
  after(() => server?.stop());

  it('cycles deploy keys through two projects', async () => {
    const one = await carol.Projects.create({ name: 'one' });
    const two = await carol.Projects.create({ name: 'two' });
    const key = newSshKeyText('build host');
    const made = await carol.DeployKeys.create('carol/one', 'build', key, { canPush: true });
    assert.deepEqual([made.title, made.key, made['can_push']], ['build', key, true]);
    const enabled = await carol.DeployKeys.enable(two.id, made.id);
    assert.equal(enabled.id, made.id);
    assert.equal((await carol.DeployKeys.show(two.id, made.id))['can_push'], false);
    const edited = await carol.DeployKeys.edit(one.id, made.id, { canPush: false, title: 'not while shared' });
    assert.deepEqual([edited.title, edited['can_push']], ['build', false]);
    assert.deepEqual(
      (await carol.DeployKeys.all({ projectId: one.id })).map((each) => each.id),
      [made.id],
    );
    assert.deepEqual(
      (await carol.DeployKeys.all({ userId: carolId })).map((each) => each.id),
      [made.id],
    );
    const [seen] = await root.DeployKeys.all();
    assert.equal(
      (seen as unknown as { projects_with_readonly_access: unknown[] }).projects_with_readonly_access.length,
      2,
    );
    await carol.DeployKeys.remove(one.id, made.id);
    await carol.DeployKeys.remove(two.id, made.id);
    await refused(404, carol.DeployKeys.show(two.id, made.id));
    await refused(404, carol.DeployKeys.remove(two.id, made.id));
    await refused(400, carol.DeployKeys.create(one.id, 'bad', 'no key'));
    await refused(403, carol.DeployKeys.all());
  });

  it('cycles people’s keys, and finds them by id', async () => {
    const key = newSshKeyText('laptop+of/carol');
    const made = await carol.UserSSHKeys.create('laptop', key);
    assert.deepEqual([made.title, made.key], ['laptop', key]);
    assert.equal((await carol.UserSSHKeys.show(made.id)).id, made.id);
    assert.equal((await root.UserSSHKeys.all({ userId: carolId })).length, 1);
    const found = (await root.Keys.show({ keyId: made.id })) as unknown as { user: { username: string } };
    assert.equal(found.user.username, 'carol');
    await refused(400, root.UserSSHKeys.create('mine', key));
    await carol.UserSSHKeys.remove(made.id);
    await refused(404, carol.UserSSHKeys.show(made.id));
    const byRoot = await root.UserSSHKeys.create('given', key, { userId: carolId });
    await root.UserSSHKeys.remove(byRoot.id, { userId: carolId });
    assert.deepEqual(await carol.UserSSHKeys.all(), []);
  });
});

// A push that is refused before git starts leaves one row in the audit, whichever door it came to: its info/refs, its batch of LFS
// objects and its SSH session are the same wish of the same key.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { refusalAuditOf } from '../../src/doors/http/refusal-audit.ts';
import type { Services } from '../../src/doors/services.ts';
import { hashPassword } from '../../src/identity/passwords.ts';
import type { Namespace, Project } from '../../src/identity/records.ts';
import { MINUTE } from '../../src/kernel/clock.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { basic, type Lab, openLab } from '../lessons/lab.ts';
import { openSshForge, type SshForge } from '../support/ssh.ts';

async function rows(services: Services) {
  await refusalAuditOf(services).idle();
  const found = await services.db.read
    .selectFrom('audit_events')
    .select(['door', 'action', 'credential_id', 'entity_path', 'details'])
    .where('result', '=', 'refused')
    .orderBy('id')
    .execute();
  return found.map(({ details, ...row }) => ({ ...row, code: JSON.parse(details ?? '{}').code }));
}

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`pushes refused over HTTPS (${engine})`, () => {
    let lab: Lab;
    let group: Namespace;
    let project: Project;
    before(async () => {
      lab = await openLab({ engine });
      group = await lab.world.group();
      project = await lab.project(group);
    });
    after(() => lab?.stop());

    const refs = (secret: string, service: string, at = project.full_path, login = 'x') =>
      lab.raw('GET', `/${at}.git/info/refs?service=git-${service}`, basic(login, secret));
    const batch = (secret: string, operation: string) =>
      lab.raw(
        'POST',
        `/${project.full_path}.git/info/lfs/objects/batch`,
        { ...basic('x', secret), 'content-type': 'application/vnd.git-lfs+json' },
        JSON.stringify({ operation, objects: [{ oid: 'a'.repeat(64), size: 1 }] }),
      );

    it('leave one row a minute for key and project, by git and by LFS together', async () => {
      const reporter = await lab.world.user();
      await lab.world.member(reporter, { project }, 20);
      const { credential, secret } = await lab.world.issue({
        kind: 'personal_access_token',
        userId: reporter.id,
        scopes: ['api'],
      });
      const token = secret.reveal();
      const mine = async () =>
        (await rows(lab.server.services)).filter(({ credential_id }) => credential_id === credential.id);
      for (let i = 0; i < 3; i++) assert.equal((await refs(token, 'receive-pack')).status, 403);
      assert.equal((await batch(token, 'upload')).status, 403);
      const row = {
        door: 'git-http',
        action: 'repository:push',
        credential_id: credential.id,
        entity_path: project.full_path,
        code: 'role_too_low',
      };
      assert.deepEqual(await mine(), [row]);
      lab.clock.advance(MINUTE);
      assert.equal((await batch(token, 'upload')).status, 403);
      assert.deepEqual(await mine(), [row, row]);
      // What may be done leaves none, and neither does a read that may not.
      assert.equal((await refs(token, 'upload-pack')).status, 200);
      assert.equal((await batch(token, 'download')).status, 200);
      const hidden = await lab.project(await lab.world.group());
      assert.equal((await refs(token, 'upload-pack', hidden.full_path)).status, 404);
      assert.equal((await mine()).length, 2);
      assert.equal((await refs(token, 'receive-pack', hidden.full_path)).status, 404);
      assert.deepEqual((await mine()).slice(2), [{ ...row, entity_path: hidden.full_path, code: 'hidden' }]);
    });

    it('leave a row a minute for an account password, known by its account', async () => {
      const reporter = await lab.world.user({
        password_digest: await hashPassword(new Secret('a long enough password')),
      });
      await lab.world.member(reporter, { project }, 20);
      const mine = async () => {
        await refusalAuditOf(lab.server.services).idle();
        const query = lab.server.services.db.read.selectFrom('audit_events').select(['credential_kind', 'action']);
        return query.where('result', '=', 'refused').where('author_id', '=', reporter.id).execute();
      };
      const push = () => refs('a long enough password', 'receive-pack', project.full_path, reporter.username);
      for (let i = 0; i < 2; i++) assert.equal((await push()).status, 403);
      const row = { credential_kind: 'password', action: 'repository:push' };
      assert.deepEqual(await mine(), [row]);
      lab.clock.advance(MINUTE);
      assert.equal((await push()).status, 403);
      assert.deepEqual(await mine(), [row, row]);
    });

    it('leave a row a minute for a dead key that we know, whatever it asks for', async () => {
      const user = await lab.world.user();
      const { credential, secret } = await lab.world.issue({
        kind: 'personal_access_token',
        userId: user.id,
        scopes: ['api'],
      });
      const services = lab.server.services;
      const update = { expires_at: services.clock.now() - 1 };
      await services.db.tx((tx) => tx.updateTable('credentials').set(update).where('id', '=', credential.id).execute());
      const mine = async () => (await rows(services)).filter(({ credential_id }) => credential_id === credential.id);
      for (const at of [project.full_path, 'made/up', 'made/up-too'])
        assert.equal((await refs(secret.reveal(), 'receive-pack', at)).status, 401);
      assert.equal((await batch(secret.reveal(), 'upload')).status, 401);
      const row = {
        door: 'git-http',
        action: 'repository:push',
        credential_id: credential.id,
        entity_path: project.full_path,
        code: 'expired',
      };
      assert.deepEqual(await mine(), [row]);
      lab.clock.advance(MINUTE);
      assert.equal((await batch(secret.reveal(), 'download')).status, 401);
      assert.deepEqual(await mine(), [row, { ...row, action: 'repository:pull' }]);
    });

    it('leave a row for a key without the scope and a deploy token of another project; strangers leave none', async () => {
      const developer = await lab.world.user();
      await lab.world.member(developer, { project }, 30);
      const reading = await lab.pat(developer, 'read_repository');
      const other = await lab.project(group);
      const wish = {
        kind: 'deploy_token',
        projectId: other.id,
        username: 'robot',
        scopes: ['read_repository'],
      } as const;
      const robot = (await lab.world.issue(wish)).secret.reveal();
      const known = (await rows(lab.server.services)).length;
      assert.equal((await refs(reading, 'receive-pack')).status, 403);
      assert.equal((await refs(robot, 'receive-pack', project.full_path, 'robot')).status, 401);
      assert.equal((await refs('glpat-nobodynobodynobody00', 'receive-pack')).status, 401);
      const left = (await rows(lab.server.services)).slice(known);
      assert.deepEqual(
        left.map(({ door, action, entity_path }) => [door, action, entity_path]),
        [1, 2].map(() => ['git-http', 'repository:push', project.full_path]),
      );
    });
  });

describe('pushes refused over SSH', () => {
  let forge: SshForge;
  before(async () => {
    forge = await openSshForge('ssh2');
  });
  after(() => forge?.close());

  it('leave one row for a deploy key that may only read, by git and by git-lfs-authenticate together', async () => {
    const { server } = forge;
    const alice = await forge.person('alice');
    const made = await server.api('POST', '/projects', {
      token: alice.token,
      body: { name: 'p', initialize_with_readme: true },
    });
    assert.equal(made.status, 201);
    const key = await forge.key();
    const path = `/projects/${made.body.id}/deploy_keys`;
    const added = await server.api('POST', path, { token: alice.token, body: { title: 'ci', key: key.line } });
    assert.equal(added.status, 201);
    const tree = await forge.workTree();
    const pushed = await forge.git(key, tree, 'push', forge.url('alice/p'), 'main:topic');
    assert.match(pushed.out, /This deploy key does not have write access to this project/);
    assert.equal((await forge.ssh(key, 'git-lfs-authenticate alice/p upload')).code, 1);
    assert.equal((await forge.git(key, tree, 'ls-remote', forge.url('alice/p'))).code, 0);
    assert.deepEqual(await rows(server.services), [
      {
        door: 'ssh',
        action: 'repository:push',
        credential_id: added.body.id,
        entity_path: 'alice/p',
        code: 'role_too_low',
      },
    ]);
  });
});

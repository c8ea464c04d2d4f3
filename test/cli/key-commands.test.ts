// `keyward key …` as people type it, beside a running server: SSH keys and deploy keys from registration to removal.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';
import { newSshKeyText } from '../support/world.ts';

const PROGRAM = new URL('../../bin/keyward', import.meta.url).pathname;

describe('keyward key', () => {
  let server: TestServer;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  function keyward(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const env = { PATH: process.env['PATH'], HOME: server.data, KEYWARD_DATA: server.data };
    return new Promise((resolve) =>
      execFile(process.execPath, [PROGRAM, ...args], { env, timeout: 60_000 }, (error, out, err) =>
        resolve({ code: error ? Number(error.code ?? 1) : 0, out, err }),
      ),
    );
  }

  async function json(...args: string[]) {
    const { code, out, err } = await keyward(...args, '--json');
    assert.equal(code, 0, out + err);
    return JSON.parse(out);
  }

  it('registers, lists and removes the key of a user', async () => {
    const user = await server.user('alice');
    const key = newSshKeyText();
    const made = await json('key', 'add', '--user', 'alice', '--title', 'laptop', '--key', key);
    assert.deepEqual([made.kind, made.owner, made.title], ['user_ssh_key', 'alice', 'laptop']);
    assert.equal((await server.api('GET', '/user/keys', { token: user.token })).body[0].key, key);
    assert.deepEqual(await json('key', 'list', '--user', 'alice'), [made]);
    assert.match((await keyward('key', 'list', '--user', 'alice')).out, /laptop/);
    assert.equal((await keyward('key', 'remove', String(made.id))).code, 0);
    assert.deepEqual(await json('key', 'list', '--user', 'alice'), []);
  });

  it('registers deploy keys, enables and disables them, and ends them everywhere', async () => {
    await server.user('bob');
    for (const name of ['one', 'two'])
      assert.equal((await server.api('POST', '/projects', { body: { name } })).status, 201);
    const key = newSshKeyText();
    const add = ['key', 'add', '--project', 'root/one', '--can-push', '--owner', 'bob', '--title', 'ci', '--key', key];
    const made = await json(...add, '--expires', '2031-01-01');
    assert.deepEqual([made.can_push, made.owner, made.expires_at], [true, 'bob', '2031-01-01T00:00:00.000Z']);
    const id = String(made.id);
    await json('key', 'enable', id, '--project', 'root/two', '--can-push');
    assert.equal((await json('key', 'list', '--project', 'root/two'))[0].can_push, true);
    await json('key', 'disable', id, '--project', 'root/one');
    assert.deepEqual(await json('key', 'list', '--project', 'root/one'), []);
    const shared = await json('key', 'add', '--public', '--title', 'mirror', '--key', newSshKeyText());
    assert.deepEqual([shared.public, shared.owner], [true, null]);
    assert.equal((await json('key', 'list')).length, 2);
    await json('key', 'remove', id);
    assert.deepEqual(await json('key', 'list', '--project', 'root/two'), []);
    const audited = await server.services.db.read
      .selectFrom('audit_events')
      .selectAll()
      .where('target_id', '=', id)
      .orderBy('id')
      .execute();
    assert.deepEqual(
      audited.map((row) => [row.credential_kind, row.door]),
      audited.map(() => ['local', 'local']),
    );
    assert.equal(audited.at(-1)?.message, 'Removed deploy key ci from everywhere');
  });

  it('shows a key by id and fingerprint, changes its write access and title, and gives it to another owner', async () => {
    const { id: aliceId } = (await server.api('GET', '/users?username=alice')).body[0];
    const { body: project } = await server.api('POST', '/projects', { body: { name: 'three' } });
    const member = { user_id: aliceId, access_level: 40 };
    assert.equal((await server.api('POST', `/projects/${project.id}/members`, { body: member })).status, 201);
    const line = newSshKeyText();
    const made = await json('key', 'add', '--project', 'root/three', '--title', 'ci', '--key', line);
    const id = String(made.id);
    assert.deepEqual([made.can_push, made.owner], [false, null]);
    const changed = await json('key', 'change', id, '--project', 'root/three', '--can-push', '--title', 'build');
    assert.deepEqual([changed.can_push, changed.title], [true, 'build']);
    const push = ['explain', '--credential', id, '--action', 'repository:push', '--project', 'root/three'];
    assert.equal((await keyward(...push)).code, 3, 'nobody owns it');
    assert.equal((await json('key', 'take', id, '--project', 'root/three', '--owner', 'alice')).owner, 'alice');
    assert.equal((await keyward(...push)).code, 0);
    const shown = await json('key', 'show', id);
    assert.deepEqual([shown.key, shown.projects], [line, [{ path: 'root/three', can_push: true }]]);
    for (const print of [shown.fingerprint, shown.fingerprint_md5])
      assert.deepEqual(await json('key', 'show', print), shown);
    assert.match((await keyward('key', 'show', id)).out, /^project: root\/three \(may push\)$/m);
    await json('key', 'change', id, '--project', 'root/three', '--read-only');
    assert.equal((await keyward(...push)).code, 3);
    const shared = await json('key', 'add', '--public', '--title', 'mirror 2', '--key', newSshKeyText());
    assert.ok((await json('key', 'list', '--public')).some((row: { id: number }) => row.id === shared.id));
    assert.ok((await json('key', 'list', '--public')).every((row: { id: number }) => row.id !== made.id));
    const signing = ['--title', 's', '--key', newSshKeyText(), '--usage', 'signing'];
    assert.equal((await json('key', 'add', '--user', 'alice', ...signing)).usage_type, 'signing');
    const { body: events } = await server.api('GET', '/audit_events?per_page=100');
    const took = events.find((row: { details: { custom_message: string } }) =>
      row.details.custom_message.startsWith('Took'),
    );
    assert.deepEqual([took.details.door, took.details.custom_message], ['local', 'Took over deploy key build']);
  });

  it('says what is wrong', async () => {
    const twice = await keyward('key', 'add', '--public', '--user', 'alice', '--title', 'x', '--key', 'y');
    assert.deepEqual([twice.code, twice.err], [2, 'keyward: exactly one of --user, --project, --public is needed\n']);
    const bad = await keyward('key', 'add', '--public', '--title', 'x', '--key', 'ssh-rsa AAAA');
    assert.deepEqual([bad.code, bad.err], [1, 'keyward: key is invalid\n']);
    const gone = await keyward('key', 'remove', '999999');
    assert.deepEqual([gone.code, gone.err], [1, 'keyward: key not found\n']);
    const nowhere = await keyward('key', 'list', '--project', 'no/where');
    assert.deepEqual([nowhere.code, nowhere.err], [1, 'keyward: project not found\n']);
    const both = await keyward('key', 'change', '1', '--project', 'root/one', '--can-push', '--read-only');
    assert.deepEqual([both.code, both.err], [2, 'keyward: --can-push and --read-only exclude each other\n']);
    assert.equal((await keyward('key', 'show', '999999')).err, 'keyward: key not found\n');
    assert.equal((await keyward('key', 'show')).code, 2);
    assert.equal((await keyward('key')).code, 2);
  });
});

// The commands over a house: keys of people, projects and groups, what is refused, and what the audit says of the operator.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { runCommand } from '../../src/cli/commands.ts';
import { startServer, type TestServer } from '../support/server.ts';

type Options = Record<string, string | boolean | string[]>;
// biome-ignore lint/suspicious/noExplicitAny: answers have the shape of each command, and tests assert what they find.
type Data = any;

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`commands (${engine})`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({ engine });
      await server.api('POST', '/groups', { body: { name: 'Team', path: 'team' } });
      const { body: group } = await server.api('GET', '/groups/team');
      await server.api('POST', '/projects', { body: { name: 'app', namespace_id: group.id } });
      await server.user('alice');
    });
    after(() => server?.stop());

    const run = async (name: string, options: Options = {}, words: string[] = []) => {
      const answer = await runCommand(server.services, name, { options, words });
      return { ...answer, data: answer.data as Data };
    };

    it('make a key of each kind, and its secret works', async () => {
      const personal = await run('token create', { user: 'alice', name: 'p', scope: ['read_user'] });
      assert.equal(personal.exit, 0, personal.text);
      const user = await server.api('GET', '/user', { token: personal.data.token });
      assert.equal(user.body.username, 'alice');
      for (const place of [{ project: 'team/app' }, { group: 'team' }] as Options[]) {
        const made = await run('token create', { ...place, name: 'bot', scope: 'api', level: '30' });
        assert.equal(made.exit, 0, made.text);
        assert.equal((await server.api('GET', '/projects/team%2Fapp', { token: made.data.token })).status, 200);
        const deploy = await run('token create', { ...place, deploy: true, name: 'd', scope: 'read_repository' });
        assert.equal(deploy.data.kind, 'deploy_token', deploy.text);
        assert.equal(deploy.data.username, `gitlab+deploy-token-${deploy.data.id}`);
        assert.match(deploy.text, /The secret is shown only now:\ngldt-/);
      }
    });

    it('list what they are asked for, and never a secret', async () => {
      const made = await run('token create', { project: 'team/app', name: 'listed', scope: 'api' });
      const listed = await run('token list', { project: 'team/app', state: 'active' });
      assert.ok(listed.data.some((row: Data) => row.id === made.data.id && row.belongs_to === 'team/app'));
      assert.ok(listed.data.every((row: Data) => row.state === 'active' && !('token' in row)));
      const deploys = await run('token list', { kind: 'deploy_token', project: 'team/app' });
      assert.ok(deploys.data.every((row: Data) => row.kind === 'deploy_token'));
      assert.ok(!JSON.stringify(listed).includes(made.data.token));
    });

    it('keep a name from steering the terminal', async () => {
      await run('token create', { user: 'alice', name: 'red\u001b[31m', scope: 'api' });
      const listed = await run('token list', { user: 'alice' });
      assert.ok(!listed.text.includes('\u001b'));
      assert.match(listed.text, /red\?\[31m/);
    });

    it('rotate with an overlap, and revoke for good', async () => {
      const made = await run('token create', { user: 'alice', name: 'r', scope: 'api' });
      const next = await run('token rotate', { overlap: '60' }, [String(made.data.id)]);
      assert.equal(next.exit, 0, next.text);
      for (const { token } of [made.data, next.data])
        assert.equal((await server.api('GET', '/user', { token })).status, 200, 'both live during the overlap');
      assert.equal((await run('token revoke', {}, [String(next.data.id)])).exit, 0);
      assert.equal((await server.api('GET', '/user', { token: next.data.token })).status, 401);
    });

    it('rotate and revoke deploy tokens', async () => {
      const made = await run('token create', { group: 'team', deploy: true, name: 'd2', scope: 'read_repository' });
      const next = await run('token rotate', {}, [String(made.data.id)]);
      assert.equal(next.data.kind, 'deploy_token', next.text);
      assert.equal((await run('token revoke', {}, [String(next.data.id)])).exit, 0);
      assert.equal((await run('token revoke', {}, [String(next.data.id)])).exit, 1, 'it is forgotten');
    });

    it('refuse what cannot be, in plain words', async () => {
      const wrong: [string, Options, string[], number, RegExp][] = [
        ['token create', { name: 'x', scope: 'api' }, [], 2, /exactly one of --user, --project and --group/],
        ['token create', { user: 'alice', name: 'x' }, [], 2, /--scope is missing: api/],
        ['token create', { user: 'nobody', name: 'x', scope: 'api' }, [], 1, /user not found/],
        ['token create', { project: 'team/none', name: 'x', scope: 'api' }, [], 1, /project not found/],
        ['token create', { user: 'alice', name: 'x', scope: 'nonsense' }, [], 2, /no "nonsense" here, but api/],
        ['token create', { user: 'alice', name: 'x', scope: 'api', expires: '2020-01-01' }, [], 2, /later than today/],
        ['token create', { group: 'team', deploy: true, name: 'x', scope: 'api' }, [], 2, /no "api" here/],
        ['token create', { user: 'alice', name: 'x', scope: 'api', expires: 'soon' }, [], 2, /must be a date/],
        ['token create', { user: 'alice', name: 'x', scope: 'api', expires: '2999-01-01' }, [], 1, /must be before/],
        ['token create', { user: 'alice', name: 'x', scope: 'api', deploy: true }, [], 2, /--project or --group/],
        ['token create', { user: 'alice', name: 'x', scope: 'sudo' }, [], 1, /available scopes/],
        ['token create', { project: 'team/app', name: 'x', scope: 'api', level: '35' }, [], 2, /--level/],
        ['token rotate', {}, [], 2, /exactly one id/],
        ['token revoke', {}, ['999999'], 1, /key not found/],
        ['token list', { kind: 'nonsense' }, [], 2, /--kind must be one of/],
        ['explain', { action: 'nonsense', credential: '1' }, [], 2, /there is no action/],
        ['explain', { action: 'project:read', credential: '1' }, [], 2, /needs --project/],
        ['token explode', {}, [], 2, /there is no command/],
      ];
      for (const [name, options, words, exit, text] of wrong) {
        const answer = await run(name, options, words);
        assert.equal(answer.exit, exit, `${name} ${JSON.stringify(options)}: ${answer.text}`);
        assert.match(answer.text, text);
        assert.equal(typeof answer.data.error, 'string');
      }
    });

    it('explain a key lock by lock', async () => {
      const made = await run('token create', { project: 'team/app', name: 'e', scope: 'read_repository', level: '20' });
      const id = String(made.data.id);
      const pull = await run('explain', { credential: id, action: 'repository:pull', project: 'team/app' });
      assert.equal(pull.exit, 0, pull.text);
      const push = await run('explain', { credential: id, action: 'repository:push', project: 'team/app' });
      assert.deepEqual([push.exit, push.data.refused_by], [3, 'scope']);
      assert.deepEqual(
        push.data.locks.map((lock: Data) => lock.passed),
        [true, false, null, null],
      );
      const unknown = await run('explain', { token: 'glpat-nonsense', action: 'repository:pull', project: 'team/app' });
      assert.deepEqual([unknown.exit, unknown.data.refused_by], [3, 'alive']);
    });

    it('are in the audit as the deeds of the local operator', async () => {
      const made = await run('token create', { user: 'alice', name: 'audited', scope: 'api' });
      const { body } = await server.api('GET', '/audit_events?per_page=100');
      const event = body.find(
        (row: Data) => row.details.target_id === String(made.data.id) || row.details.target_id === made.data.id,
      );
      assert.ok(event, 'there is an event');
      assert.deepEqual([event.details.credential_kind, event.details.door], ['local', 'local']);
      assert.ok(!JSON.stringify(body).includes(made.data.token));
    });
  });

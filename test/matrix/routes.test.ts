// Every route, asked with every kind of key, with no scope, one that reads and one that writes, by a stranger, a Guest, a Developer, a
// Maintainer, an Owner and an administrator. The answers equal `routes.txt`, which people review when it changes;
// KEYWARD_WRITE_TABLES=1 writes it anew.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ruleOf } from '../../src/access/actions.ts';
import type { Wish } from '../../src/credentials/issue.ts';
import type { Route } from '../../src/doors/rest/route.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { fill, type Lab, openLab } from '../lessons/lab.ts';
import { newSshKeyText } from '../support/world.ts';

const TABLE = join(import.meta.dirname, 'routes.txt');
const ROLES = { stranger: 0, guest: 10, developer: 30, maintainer: 40, owner: 50, administrator: 0 } as const;
type Role = keyof typeof ROLES;
const SCOPES = { none: [], read: ['read_api'], write: ['api'] } as const;

const LEGEND = `# What each route answers to each kind of key. Made by test/matrix/routes.test.ts; review every change.
# Columns in a word: stranger, guest, developer, maintainer, owner, administrator (bots have no administrator; keys that this door
# does not read are asked as an owner's only).
#   + let in (reads: 2xx; writes: the decision passed, shown by an unreadable body: 400)
#   u 401   s 403 for want of a scope   f 403   h 404 hidden or missing   m 405   b 400 in its own words   c 409 or 422   ! 5xx
`;

/** One who asks: the letters of a word are the roles of one subject. */
interface Subject {
  readonly word: string;
  readonly headers: Record<string, string>;
}

describe('every route and every key', () => {
  let lab: Lab;
  let group: Namespace;
  let project: Project;
  let values: Record<string, string | number>;
  const subjects: Subject[] = [];
  /** changes nothing, for reading it fails after the decision */
  const unreadable = '{';

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    group = await world.group({});
    project = await lab.project(group);
    const other = await world.group({});
    const otherProject = await lab.project(other);
    const target = await world.user({ username: 'target' });
    await world.member(target, { group }, 10);
    await world.member(target, { project }, 10);

    subjects.push({ word: 'nobody', headers: {} });
    const users = new Map<Role, User>();
    for (const role of Object.keys(ROLES) as Role[]) {
      const user = await world.user({ username: role, admin: role === 'administrator' ? 1 : 0 });
      if (ROLES[role] > 0) await world.member(user, { group }, ROLES[role]);
      users.set(role, user);
    }
    const add = async (word: string, wish: Partial<Wish> & { kind: Wish['kind'] }) =>
      subjects.push({ word, headers: { 'private-token': await lab.key(wish) } });
    for (const [name, scopes] of Object.entries(SCOPES)) {
      for (const user of users.values())
        await add(`personal/${name}`, { kind: 'personal_access_token', userId: user.id, scopes });
      for (const role of Object.keys(ROLES) as Role[]) {
        if (role === 'administrator') continue;
        const [atGroup, atProject] = role === 'stranger' ? [other, otherProject] : [group, project];
        const level = ROLES[role] || 50;
        const groupBot = await world.user({ type: 'project_bot', bot_namespace_id: atGroup.id });
        await world.member(groupBot, { group: atGroup }, level);
        await add(`group/${name}`, { kind: 'group_access_token', userId: groupBot.id, groupId: atGroup.id, scopes });
        const bot = await world.user({ type: 'project_bot', bot_project_id: atProject.id });
        await world.member(bot, { project: atProject }, level);
        await add(`project/${name}`, { kind: 'project_access_token', userId: bot.id, projectId: atProject.id, scopes });
      }
    }
    const owner = { userId: users.get('owner')!.id, projectId: project.id };
    await add('deploy-token', { kind: 'deploy_token', projectId: project.id, scopes: ['read_repository'] });
    await add('job-token', { kind: 'job_token', ...owner, scopes: [] });
    await add('trigger-token', { kind: 'trigger_token', ...owner, scopes: [] });
    await add('runner-token', { kind: 'runner_token', runnerId: 1, scopes: [] });
    // An SSH key proves nothing over HTTP: its public text opens nothing, as any text that is no token.
    const key = await world.sshKey({ kind: 'deploy_key' });
    subjects.push({ word: 'deploy-key', headers: { 'private-token': String(key.fingerprint) } });
    const browser = await lab.server.user('browser');
    for (const proven of [true, false])
      for (const made of [browser, { username: 'root', password: lab.server.rootPassword }]) {
        const login = { login: made.username, password: made.password };
        const session = await lab.api('POST', '/keyward/session', { token: null, body: login });
        assert.equal(session.status, 201, session.text);
        const headers: Record<string, string> = { cookie: session.headers.get('set-cookie')!.split(';')[0]! };
        if (proven) headers['x-csrf-token'] = session.body.csrf_token;
        subjects.push({ word: proven ? 'session(stranger,administrator)' : 'session-without-csrf', headers });
      }

    const make = async (path: string, body: object): Promise<number> => {
      const made = await lab.api('POST', path, { body });
      assert.equal(made.status, 201, `${path}: ${made.text}`);
      return made.body.id;
    };
    const bot = { name: 'b', scopes: ['read_api'], access_level: 10, expires_at: '2026-06-01' };
    const deploy = { name: 'd', scopes: ['read_repository'] };
    const at = { project: `/projects/${project.id}`, group: `/groups/${group.id}` };
    values = { projects: project.id, groups: group.id, namespaces: group.id, users: target.id, user_id: target.id };
    Object.assign(values, { file_path: 'README.md', sha: 'main', branch: 'main', name: 'main', format: 'tar' });
    Object.assign(values, { project_id: otherProject.id, group_id: other.id, event_id: 1 });
    const ids: Record<string, number> = {
      [`${at.project}/access_tokens`]: await make(`${at.project}/access_tokens`, bot),
      [`${at.group}/access_tokens`]: await make(`${at.group}/access_tokens`, bot),
      [`${at.project}/deploy_tokens`]: await make(`${at.project}/deploy_tokens`, deploy),
      [`${at.group}/deploy_tokens`]: await make(`${at.group}/deploy_tokens`, deploy),
      [`${at.project}/deploy_keys`]: await make(`${at.project}/deploy_keys`, { title: 'k', key: newSshKeyText() }),
      '/users/keys': await make(`/users/${target.id}/keys`, { title: 'k', key: newSshKeyText() }),
      '/personal_access_tokens': await make(`/users/${target.id}/personal_access_tokens`, {
        name: 'p',
        scopes: ['api'],
      }),
    };
    values['impersonation_token_id'] = await make(`/users/${target.id}/impersonation_tokens`, {
      name: 'i',
      scopes: ['api'],
    });
    values['credential_id'] = ids['/personal_access_tokens']!;
    known = ids;
    await make(`${at.project}/repository/tags`, { tag_name: 'v1', ref: 'main' });
    await make(`${at.project}/protected_tags`, { name: 'v1' });
    blob = (await lab.api('GET', `${at.project}/repository/tree?ref=main`)).body[0].id;
  });
  let known: Record<string, number> = {};
  let blob: string;
  after(() => lab?.stop());

  function pathOf(route: Route): string {
    const prefix = fill({ ...route, path: route.path.split(/\/:(?:token_id|key_id)/)[0]! }, values);
    const id = known[prefix] ?? known[`/users/keys`];
    const name = route.path.includes('/protected_tags') ? 'v1' : 'main';
    const sha = route.path.includes('/blobs/') ? blob : 'main';
    return fill(route, {
      ...values,
      name,
      sha,
      tag: 'v1',
      tag_name: 'v1',
      token_id: known[prefix] ?? known['/personal_access_tokens']!,
      key_id: id!,
    });
  }

  async function ask(route: Route, { headers }: Subject): Promise<string> {
    const isRead = route.method === 'GET';
    const query =
      isRead && route.path.includes('/repository/') ? '?ref=main&from=main&to=main&refs[]=main&refs[]=v1' : '';
    const target = `/api/v4${pathOf(route)}${query}`;
    const answer = await lab.api(route.method, target.slice('/api/v4'.length), {
      token: null,
      headers: isRead ? headers : { ...headers, 'content-type': 'application/json' },
      ...(!isRead && { raw: unreadable }),
    });
    const { status, text } = answer;
    if (status === 400) return text.includes('The body is not valid JSON') ? '+' : 'b';
    if (status < 300) return '+';
    if (status === 403) return text.includes('insufficient_scope') ? 's' : 'f';
    return { 401: 'u', 404: 'h', 405: 'm', 409: 'c', 422: 'c' }[status] ?? (status >= 500 ? '!' : '?');
  }

  test('answer as the table says', async () => {
    const lines: string[] = [];
    for (const route of routes) {
      const letters = await Promise.all(subjects.map((subject) => ask(route, subject)));
      const words = new Map<string, string>();
      for (const [index, { word }] of subjects.entries()) words.set(word, (words.get(word) ?? '') + letters[index]);
      lines.push(`${route.method} ${route.path}  ${[...words].map(([word, said]) => `${word}:${said}`).join(' ')}`);
    }
    const table = `${LEGEND}\n${lines.join('\n')}\n`;
    if (process.env['KEYWARD_WRITE_TABLES'] === '1') writeFileSync(TABLE, table);
    assert.ok(existsSync(TABLE), 'KEYWARD_WRITE_TABLES=1 writes the table');
    const written = readFileSync(TABLE, 'utf8').split('\n');
    const differs = table.split('\n').filter((line) => !written.includes(line));
    assert.deepEqual(differs, []);
    assert.equal(table.split('\n').length, written.length, 'a route of the table is gone');
    assert.doesNotMatch(lines.join('\n'), /[!?]/);
  });

  test('let nobody and no key that reads into a route that writes', () => {
    const reads = new Set(
      routes.filter((route) => ruleOf(route.action).effect === 'read').map(({ method, path }) => `${method} ${path}`),
    );
    const table = readFileSync(TABLE, 'utf8').split('\n');
    for (const line of table.filter((one) => /^(?:POST|PUT|PATCH|DELETE) /.test(one))) {
      const said = new Map([...line.matchAll(/ (\S+?):(\S+)/g)].map((match) => [match[1]!, match[2]!]));
      const route = line.split(' ').slice(0, 2).join(' ');
      const isOwn = line.includes('/self ') || line.includes('/self/');
      for (const word of [
        'nobody',
        'personal/none',
        'personal/read',
        'group/read',
        'project/read',
        'session-without-csrf',
      ])
        if (!reads.has(route) && !isOwn) assert.ok(!said.get(word)!.includes('+'), `${route} ${word}`);
      for (const word of ['deploy-token', 'job-token', 'trigger-token', 'runner-token', 'deploy-key'])
        if (!reads.has(route)) assert.ok(!said.get(word)!.includes('+'), `${route} ${word}`);
    }
  });

  test('and what a key without a scope opens, one with a scope opens too', () => {
    for (const line of readFileSync(TABLE, 'utf8').split('\n')) {
      const said = new Map([...line.matchAll(/(\S+):(\S+)/g)].map((match) => [match[1]!, match[2]!]));
      for (const kind of ['personal', 'group', 'project'])
        for (const [narrow, wide] of [
          ['none', 'read'],
          ['none', 'write'],
          ['read', 'write'],
        ])
          for (const [index, letter] of [...(said.get(`${kind}/${narrow}`) ?? '')].entries())
            if (letter === '+') assert.equal(said.get(`${kind}/${wide}`)?.[index], '+', line);
    }
  });
});

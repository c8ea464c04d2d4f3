// Fills a stopped server's database as years of use would: users, groups, projects, memberships and keys, by copying one
// row of each with other values. Only sizes and shapes matter; nobody could use the keys made here, for their digests are random.
import { join } from 'node:path';
import { DAY, systemClock } from '../../src/kernel/clock.ts';
import { openBulk } from './bulk.ts';
import { setting } from './figure.ts';
import { type Server, startServer } from './server.ts';

export const KEYS = setting('BENCH_KEYS', 1_000_000);
export const PROJECTS = setting('BENCH_PROJECTS', 100_000);
const USERS = 1000;
const GROUPS = 1000;

/**
 * Makes a data folder, and the PostgreSQL database of `databaseUrl` if given, with all sizes of the settings. Answers a key of one of
 * the users, who is in three groups.
 */
export async function seed(data: string, databaseUrl?: string): Promise<{ userToken: string }> {
  const server = await startServer({ data, ...(databaseUrl && { databaseUrl }) });
  const ids = await first(server);
  await server.stop();
  const bulk = await openBulk(databaseUrl ?? `sqlite:${join(data, 'keyward.db')}`);
  const now = systemClock.now();
  const midnight = now - (now % DAY);
  const firstUser = ids.user + 1;
  const path = (prefix: string) => `'${prefix}' || i`;
  await bulk.copyRow('users', ids.user, USERS, {
    username: path('user'),
    username_lower: path('user'),
    name: path('User '),
    email: `'user' || i || '@example.com'`,
    email_lower: `'user' || i || '@example.com'`,
  });
  const namespace = (prefix: string) => ({
    path: path(prefix),
    name: path(prefix),
    full_path: path(prefix),
    full_path_lower: path(prefix),
    lineage: `'/'`,
  });
  await bulk.copyRow('namespaces', ids.userNamespace, USERS, {
    ...namespace('user'),
    owner_user_id: `${firstUser} - 1 + i`,
  });
  const top = await bulk.number('select max(id) as n from namespaces');
  await bulk.copyRow('namespaces', ids.group, GROUPS, namespace('group'));
  await bulk.run(`update namespaces set lineage = '/' || id || '/' where lineage = '/'`);
  await bulk.copyRow('projects', ids.project, PROJECTS, {
    namespace_id: `${top} + 1 + i % ${GROUPS}`,
    name: path('project '),
    path: path('project'),
    full_path: `'group' || (1 + i % ${GROUPS}) || '/project' || i`,
    full_path_lower: `'group' || (1 + i % ${GROUPS}) || '/project' || i`,
    visibility: `case i % 10 when 0 then 'public' when 1 then 'internal' else 'private' end`,
    repository_id: 'null',
    created_at: 't.created_at - i * 1000',
    last_activity_at: 't.last_activity_at - (i * 7919) % 1000000 * 1000',
  });
  for (let nth = 0; nth < 3; nth += 1)
    await bulk.copyRow('members', ids.member, USERS, {
      user_id: `${firstUser} - 1 + i`,
      namespace_id: `${top} + 1 + (i * 7 + ${nth} * 333) % ${GROUPS}`,
      access_level: '30',
    });
  const firstKey = 1 + (await bulk.number('select max(id) as n from credentials'));
  await bulk.copyRow('credentials', ids.key, Math.floor(KEYS * 0.95), {
    secret_digest: bulk.randomDigest,
    user_id: `${firstUser} + i % ${USERS}`,
    created_by_user_id: `${firstUser} + i % ${USERS}`,
    name: path('key '),
    created_at: 't.created_at - i * 1000',
    expires_at: `${midnight} + (i % 400 - 35) * ${DAY}`,
    ended_at: 'case when i % 10 = 0 then t.created_at end',
    end_reason: `case when i % 10 = 0 then 'revoked' end`,
  });
  await bulk.copyRow('credentials', ids.deployToken, Math.ceil(KEYS * 0.05), {
    secret_digest: bulk.randomDigest,
    name: path('deploy '),
    project_id: `${ids.project} + 1 + i % ${PROJECTS}`,
  });
  await bulk.run(`insert into credential_uses (credential_id, last_used_at, ips_written_at, ips)
    select id, created_at + 1000, created_at, '["127.0.0.1"]' from credentials where id >= ${firstKey} and id % 2 = 0`);
  await bulk.run(`insert into deploy_tokens (credential_id, username)
    select id, 'gitlab+deploy-token-' || id from credentials where kind = 'deploy_token' and id >= ${firstKey}`);
  await bulk.finish();
  // His key was made for the user of the first rows; the rest of them is like him.
  return { userToken: ids.userToken };
}

/** Makes one of each through the API: what the others are copied from. */
async function first(server: Server) {
  const user = await server.api('POST', '/users', {
    username: 'first',
    name: 'First',
    email: 'first@example.com',
    password: 'a password of first',
    skip_confirmation: true,
  });
  const key = await server.api('POST', `/users/${user.id}/personal_access_tokens`, { name: 'first', scopes: ['api'] });
  const namespace = await server.api('GET', '/namespaces/first');
  const group = await server.api('POST', '/groups', {
    name: 'first group',
    path: 'first-group',
    visibility: 'private',
  });
  await server.api('POST', `/groups/${group.id}/members`, { user_id: user.id, access_level: 30 });
  const project = await server.api('POST', '/projects', { name: 'first', namespace_id: group.id });
  const deploy = await server.api('POST', `/projects/${project.id}/deploy_tokens`, {
    name: 'first',
    scopes: ['read_repository'],
  });
  return {
    user: Number(user.id),
    key: Number(key.id),
    userToken: String(key.token),
    userNamespace: Number(namespace.id),
    group: Number(group.id),
    member: 1,
    project: Number(project.id),
    deployToken: Number(deploy.id),
  };
}

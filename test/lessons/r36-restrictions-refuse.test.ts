// Lesson R36 (Verdaccio 5942: read-only, address lists and deletion were stored, shown, and enforced nowhere):
// 1. an administrator or owner sets a restriction, and the page shows it as set;
// 2. whoever it is meant for does what it forbids;
// 3. nothing asks for it.
// Each row of this table works before its restriction is set and is refused after; a restriction that is only stored fails.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { DAY } from '../../src/kernel/clock.ts';
import { basic, type Lab, openLab } from './lab.ts';

interface Scene {
  readonly user: User;
  readonly group: Namespace;
  readonly project: Project;
  readonly token: string;
  readonly tokenId: number;
}

describe('a restriction that is set', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
  });
  after(() => lab?.stop());

  let count = 0;
  const admin = async (method: string, path: string, body?: object) => {
    const answer = await lab.api(method, path, { body });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.text}`);
    return answer.body;
  };
  const ask = async (scene: Scene, method: string, path: string, body?: object) =>
    (await lab.api(method, path, { token: scene.token, body })).status;
  const clone = async (scene: Scene, login = 'x', secret = scene.token) =>
    (await lab.raw('GET', `/${scene.project.full_path}.git/info/refs?service=git-upload-pack`, basic(login, secret)))
      .status;
  const read = (scene: Scene) => ask(scene, 'GET', `/projects/${scene.project.id}`);
  const branch = (scene: Scene) =>
    ask(scene, 'POST', `/projects/${scene.project.id}/repository/branches`, { branch: `b${++count}`, ref: 'main' });
  const commit = (scene: Scene) =>
    ask(scene, 'POST', `/projects/${scene.project.id}/repository/commits`, {
      branch: 'main',
      commit_message: 'm',
      actions: [{ action: 'create', file_path: `f${++count}`, content: 'x' }],
    });

  const rows: Record<string, { try: (s: Scene) => Promise<number>; set: (s: Scene) => Promise<unknown> }> = {
    'a member`s last day': {
      try: read,
      set: async (s) => {
        await admin('PUT', `/projects/${s.project.id}/members/${s.user.id}`, {
          access_level: 40,
          expires_at: '2026-03-02',
        });
        lab.clock.set(lab.clock.now() + DAY);
      },
    },
    'a key`s last day': {
      try: read,
      set: async (s) => {
        await lab.server.services.db.tx((tx) =>
          tx.updateTable('credentials').set({ expires_at: lab.clock.now() }).where('id', '=', s.tokenId).execute(),
        );
      },
    },
    'blocking a user': { try: read, set: (s) => admin('POST', `/users/${s.user.id}/block`) },
    'banning a user': { try: read, set: (s) => admin('POST', `/users/${s.user.id}/ban`) },
    'deactivating a user': { try: read, set: (s) => admin('POST', `/users/${s.user.id}/deactivate`) },
    'archiving a project': { try: branch, set: (s) => admin('POST', `/projects/${s.project.id}/archive`) },
    'a disabled repository': {
      try: branch,
      set: (s) => admin('PUT', `/projects/${s.project.id}`, { repository_access_level: 'disabled' }),
    },
    'a protected branch': {
      try: commit,
      set: async (s) => {
        await lab.api('DELETE', `/projects/${s.project.id}/protected_branches/main`);
        await admin('POST', `/projects/${s.project.id}/protected_branches`, { name: 'main', push_access_level: 0 });
      },
    },
    'the right to make groups': {
      try: (s) => ask(s, 'POST', '/groups', { name: `g${++count}`, path: `g${count}` }),
      set: (s) => admin('PUT', `/users/${s.user.id}`, { can_create_group: false }),
    },
    'the number of own projects': {
      try: (s) => ask(s, 'POST', '/projects', { name: `p${++count}` }),
      set: (s) => admin('PUT', `/users/${s.user.id}`, { projects_limit: 0 }),
    },
    'being external': {
      try: (s) => ask(s, 'GET', `/projects/${internal.id}`),
      set: (s) => admin('PUT', `/users/${s.user.id}`, { external: true }),
    },
    'not being an administrator any more': {
      try: (s) => ask(s, 'GET', '/application/settings'),
      set: (s) => admin('PUT', `/users/${s.user.id}`, { admin: false }),
    },
    'private visibility': {
      try: (s) => ask(s, 'GET', `/projects/${internal.id}`),
      set: () => admin('PUT', `/projects/${internal.id}`, { visibility: 'private' }),
    },
    'passwords for git': {
      try: (s) => clone(s, 'root', lab.server.rootPassword),
      set: () => admin('PUT', '/application/settings', { password_authentication_enabled_for_git: false }),
    },
    'the scope of write_repository for deploy tokens': {
      try: async (s) =>
        (
          await lab.api('POST', `/projects/${s.project.id}/deploy_tokens`, {
            token: s.token,
            body: { name: 'd', scopes: ['read_repository', 'write_repository'] },
          })
        ).status,
      set: () => admin('PUT', '/application/settings', { deploy_token_write_repository: false }),
    },
  };
  let internal: Project;

  for (const [name, row] of Object.entries(rows))
    test(`refuses: ${name}`, async () => {
      await admin('PUT', '/application/settings', { deploy_token_write_repository: true });
      const group = await lab.world.group({});
      const project = await lab.project(group);
      internal = await lab.project(await lab.world.group({ visibility: 'internal' }), { visibility: 'internal' });
      const isAdmin = name.includes('administrator') ? 1 : 0;
      const user = await lab.world.user({ admin: isAdmin });
      await lab.world.personal(user);
      await lab.world.member(user, { project }, 40);
      const { credential, secret } = await lab.world.issue({ kind: 'personal_access_token', userId: user.id });
      const scene = { user, group, project, token: secret.reveal(), tokenId: credential.id };
      const first = await row.try(scene);
      assert.ok(first >= 200 && first < 300, `before: ${first}`);
      await row.set(scene);
      const second = await row.try(scene);
      assert.ok(second >= 400 && second < 500, `after: ${second}`);
    });
});

// Lesson R31 (CVE-2025-8110, exploited: the contents API wrote through a symlink into git's config):
// 1. a Developer pushes symbolic links: to the repository's config, to /etc/passwd, to a folder above;
// 2. he reads and writes them, and what would lie below them, over the file routes and archives;
// 3. a file of the server is read or changed.
// A link is an object of git like any other: its text is read, its name is replaced, nothing is followed.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Project } from '../../src/identity/records.ts';
import { type Lab, openLab, workTree } from './lab.ts';

describe('a symbolic link', () => {
  let lab: Lab;
  let project: Project;
  let token: string;
  let config: () => string;

  before(async () => {
    lab = await openLab();
    const user = await lab.world.user({});
    const group = await lab.world.group({});
    project = await lab.project(group);
    await lab.world.member(user, { project }, 40);
    token = await lab.pat(user, 'api');
    const inside = lab.server.services.repositories.path(project.repository_id!);
    config = () => readFileSync(join(inside, 'config'), 'utf8');
    const tree = await workTree(lab, { 'a.txt': 'a' });
    await symlink(join(inside, 'config'), join(tree, 'config-link'));
    await symlink('../../config', join(tree, 'up-link'));
    await symlink('/etc/passwd', join(tree, 'passwd-link'));
    await symlink('../..', join(tree, 'folder-link'));
    await lab.git(tree, 'add', '-A');
    await lab.git(tree, 'commit', '-q', '-m', 'links');
    const pushed = await lab.git(tree, 'push', lab.remote(project, 'x', token), 'HEAD:refs/heads/links');
    assert.equal(pushed.code, 0, pushed.out);
  });
  after(() => lab?.stop());

  test('is read as its own text', async () => {
    const base = `/projects/${project.id}/repository`;
    for (const [name, text] of [
      ['passwd-link', '/etc/passwd'],
      ['up-link', '../../config'],
    ]) {
      const raw = await lab.api('GET', `${base}/files/${name}/raw?ref=links`, { token });
      assert.equal(raw.text, text);
    }
    for (const below of ['folder-link/config', 'folder-link/HEAD', 'config-link/x']) {
      const raw = await lab.api('GET', `${base}/files/${encodeURIComponent(below)}/raw?ref=links`, { token });
      assert.equal(raw.status, 404, `${below}: ${raw.text}`);
    }
    const archive = await lab.api('GET', `${base}/archive.tar?sha=links`, { token });
    assert.doesNotMatch(archive.text, /root:x:|repositoryformatversion/);
  });

  test('is not written through', async () => {
    const before = config();
    const passwd = readFileSync('/etc/passwd', 'utf8');
    const base = `/projects/${project.id}/repository`;
    const content = '[core]\n\tfsmonitor = touch /tmp/owned\n';
    for (const action of ['create', 'update', 'delete', 'move', 'chmod'])
      for (const path of [
        'config-link',
        'up-link',
        'passwd-link',
        'folder-link/config',
        'config-link/x',
        'folder-link',
      ]) {
        const body = {
          branch: `try-${action}-${path.replace('/', '-')}`,
          start_branch: 'links',
          commit_message: 'through',
          actions: [{ action, file_path: path, previous_path: path, content, execute_filemode: true }],
        };
        const answer = await lab.api('POST', `${base}/commits`, { token, body });
        assert.ok(answer.status < 500, answer.text);
      }
    assert.equal(config(), before);
    assert.equal(readFileSync('/etc/passwd', 'utf8'), passwd);
  });
});

// Lesson R30 (Gogs: a branch name became an option of git rebase; Forgejo: a template expansion ran code):
// 1. a Developer names branches, tags, files and revisions like options, with newlines, control bytes, and git's own magic;
// 2. each goes through every route that ends in a git command line, and through a push;
// 3. one of them is read as an option: a file is written, a program runs, a config is set.
// Each is refused or taken literally; no file appears, and no answer is a crash.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { type Lab, openLab, workTree } from './lab.ts';

describe('a name', () => {
  let lab: Lab;
  let project: Project;
  let developer: User;
  let token: string;
  let witness: string;
  let names: string[];

  before(async () => {
    lab = await openLab();
    developer = await lab.world.user({});
    const group = await lab.world.group({});
    project = await lab.project(group);
    await lab.world.member(developer, { project }, 40);
    token = await lab.pat(developer, 'api');
    witness = join(await lab.folder(), 'witness');
    names = [
      `--output=${witness}`,
      `-o${witness}`,
      `--upload-pack=touch ${witness}`,
      `--exec=touch ${witness}`,
      `--open-files-in-pager=touch ${witness}`,
      `--config=core.pager=touch ${witness}`,
      '--help',
      '-',
      '--',
      '-h',
      '--all',
      '--no-index',
      '@{-1}',
      'main@{1}',
      ':/first',
      'main:README.md',
      'main^{/first}',
      '^main',
      'main..main',
      'a\nb',
      'a\tb',
      'a\u0001b',
      'a\u007fb',
      'a b',
      'refs/heads/main.lock',
      '$(touch x)',
      `\`touch ${witness}\``,
      ';touch x',
      '*',
      '--format=%(trailers)',
      'x'.repeat(300),
    ];
  });
  after(() => lab?.stop());

  test('of a branch, tag, file or revision is never an option, over any route', async () => {
    const base = `/projects/${project.id}/repository`;
    for (const name of names) {
      const inPath = encodeURIComponent(name);
      const requests: [string, string, object?][] = [
        ['GET', `${base}/commits?ref_name=${inPath}`],
        ['GET', `${base}/commits?ref_name=main&path=${inPath}&follow=true`],
        ['GET', `${base}/commits/${inPath}`],
        ['GET', `${base}/commits/${inPath}/diff`],
        ['GET', `${base}/commits/${inPath}/refs`],
        ['GET', `${base}/branches/${inPath}`],
        ['GET', `${base}/branches?search=${inPath}`],
        ['GET', `${base}/tags/${inPath}`],
        ['GET', `${base}/tree?ref=${inPath}`],
        ['GET', `${base}/tree?ref=main&path=${inPath}`],
        ['GET', `${base}/files/${inPath}?ref=main`],
        ['GET', `${base}/files/${inPath}/blame?ref=main`],
        ['GET', `${base}/files/README.md/raw?ref=${inPath}`],
        ['GET', `${base}/blobs/${inPath}/raw`],
        ['GET', `${base}/archive.tar?sha=${inPath}`],
        ['GET', `${base}/archive.tar?sha=main&path=${inPath}`],
        ['GET', `${base}/compare?from=${inPath}&to=main`],
        ['GET', `${base}/compare?from=main&to=${inPath}&straight=true`],
        ['GET', `${base}/merge_base?refs[]=${inPath}&refs[]=main`],
        ['POST', `${base}/branches`, { branch: name, ref: 'main' }],
        ['POST', `${base}/branches`, { branch: 'from-name', ref: name }],
        ['POST', `${base}/tags`, { tag_name: name, ref: 'main', message: name }],
        ['POST', `${base}/tags`, { tag_name: 'from-name', ref: name }],
        ['POST', `${base}/commits/${inPath}/cherry_pick`, { branch: 'main' }],
        ['POST', `${base}/commits/main/revert`, { branch: name }],
        ['POST', `${base}/commits`, { branch: name, start_branch: 'main', commit_message: name, actions: [] }],
        [
          'POST',
          `${base}/commits`,
          {
            branch: 'names',
            start_branch: 'main',
            commit_message: 'n',
            author_name: name,
            author_email: name,
            actions: [{ action: 'create', file_path: name, content: 'x' }],
          },
        ],
        ['DELETE', `${base}/branches/${inPath}`],
        ['DELETE', `${base}/tags/${inPath}`],
        ['DELETE', `${base}/branches/from-name`],
        ['DELETE', `${base}/branches/names`],
      ];
      for (const [method, path, body] of requests) {
        const answer = await lab.api(method, path, { token, body });
        assert.ok(answer.status < 500, `${method} ${path}: ${answer.status} ${answer.text}`);
        assert.doesNotMatch(answer.text, /usage: git|fatal: /, `${method} ${path}`);
        assert.ok(!existsSync(witness), `${method} ${path} wrote a file`);
      }
    }
    const branches = await lab.api('GET', `${base}/branches?per_page=100`, { token });
    for (const branch of branches.body) assert.doesNotMatch(branch.name, /^-|[\x00-\x20\x7f]/);
    const tags = await lab.api('GET', `${base}/tags?per_page=100`, { token });
    assert.equal(tags.status, 200, tags.text);
    for (const tag of tags.body) assert.doesNotMatch(tag.name, /^-|[\x00-\x20\x7f]/);
  });

  test('of a pushed ref is checked by git and by us', async () => {
    const tree = await workTree(lab, { 'a.txt': 'a' });
    const url = lab.remote(project, 'x', token);
    for (const name of [
      'refs/heads/--output=x',
      'refs/heads/-x',
      'refs/keyward/x',
      'refs/keep-around/x',
      'HEAD',
      'refs/heads/a b',
    ]) {
      const pushed = await lab.git(tree, 'push', url, `HEAD:${name}`);
      assert.notEqual(pushed.code, 0, `${name}: ${pushed.out}`);
    }
  });
});

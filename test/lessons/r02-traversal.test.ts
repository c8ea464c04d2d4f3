// Lesson R2 (CVE-2023-2825: traversal through attachments of deeply nested groups):
// 1. a project lies 0 to 20 groups deep, so that a fixed number of `..` may climb out of whatever was joined;
// 2. a reader asks for files, archives, trees and blobs whose names climb: `..`, encoded, doubled, absolute, with backslashes;
// 3. he wants a file of the server: the repository's config, the database, /etc/passwd.
// No name leads out of the commit's own tree, at any depth.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Namespace } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

const CLIMBS = [
  '../config',
  '../../config',
  `${'../'.repeat(12)}etc/passwd`,
  '/etc/passwd',
  '//etc/passwd',
  '....//....//config',
  '..\\..\\config',
  'dir/../../config',
  '.git/config',
  './config',
  '%2e%2e/config',
  'README.md/../../config',
  'README.md\u0000.txt',
];

describe('a name that climbs', () => {
  let lab: Lab;
  let innermost: Namespace;
  let outermost: Namespace;

  before(async () => {
    lab = await openLab();
    outermost = await lab.world.group({});
    innermost = outermost;
    for (let depth = 0; depth < 20; depth++) innermost = await lab.world.group({ parent: innermost });
  });
  after(() => lab?.stop());

  for (const depth of [0, 20])
    test(`finds nothing outside of the tree, ${depth} groups deep`, async () => {
      const project = await lab.project(depth === 0 ? outermost : innermost);
      const base = `/projects/${project.id}/repository`;
      const good = await lab.api('GET', `${base}/files/README.md/raw?ref=main`);
      assert.equal(good.status, 200, good.text);
      for (const climb of CLIMBS) {
        const name = encodeURIComponent(climb);
        const once = encodeURIComponent(name);
        for (const target of [
          `${base}/files/${name}?ref=main`,
          `${base}/files/${name}/raw?ref=main`,
          `${base}/files/${name}/blame?ref=main`,
          `${base}/files/${once}/raw?ref=main`,
          `${base}/files/README.md/raw?ref=${name}`,
          `${base}/tree?ref=main&path=${name}`,
          `${base}/archive.tar?sha=main&path=${name}`,
          `${base}/archive.tar?sha=${name}`,
          `${base}/blobs/${name}/raw`,
          `${base}/commits/${name}`,
          `${base}/branches/${name}`,
        ]) {
          const answer = await lab.raw('GET', `/api/v4${target}`, { 'private-token': lab.server.rootToken });
          assert.ok(answer.status === 400 || answer.status === 404, `${target}: ${answer.status} ${answer.text}`);
          assert.doesNotMatch(answer.text, /repositoryformatversion|root:x:/, target);
        }
        // Taken literally, an escape is a name like any other.
        if (climb.includes('%')) continue;
        const body = {
          // Not the protected one, which would refuse before it looks at the path.
          branch: 'climbs',
          start_branch: 'main',
          commit_message: 'climb',
          actions: [{ action: 'create', file_path: climb, content: 'x' }],
        };
        const written = await lab.api('POST', `${base}/commits`, { body });
        assert.equal(written.status, 400, `${climb}: ${written.text}`);
      }
      const git = await lab.raw('GET', `/${project.full_path}/../../x.git/info/refs?service=git-upload-pack`);
      assert.ok(git.status === 401 || git.status === 404, String(git.status));
    });
});

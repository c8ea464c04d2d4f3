// Lesson R25 (CVE-2026-20706, CVE-2026-73126: archive downloads and badges ignored the scope):
// 1. somebody may not read a project's code: a stranger, a Guest, a key without the scope, a bot of another project;
// 2. he takes the ways beside the plain API: raw files, archives, blobs, blame, comparisons, avatars, git;
// 3. one of them gives him bytes.
// All of them refuse whom the API refuses.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

const CODE = 'the-code-of-this-project';

describe('the ways beside the API', () => {
  let lab: Lab;
  let project: Project;
  const keys = new Map<string, string | null>([['nobody', null]]);
  let good: string;
  let blob: string;

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    const group = await world.group({});
    project = await lab.project(group, {}, { 'code.txt': CODE });
    const [stranger, guest, developer] = [await world.user({}), await world.user({}), await world.user({})];
    await world.member(guest, { project }, 10);
    await world.member(developer, { project }, 30);
    keys.set('a stranger', await lab.pat(stranger, 'api'));
    keys.set('a Guest', await lab.pat(guest, 'api'));
    keys.set('a key that reads users', await lab.pat(developer, 'read_user'));
    keys.set('a key for the registry', await lab.pat(developer, 'read_registry'));
    keys.set('a bot of another project', (await lab.bot(await lab.project(group), 50)).token);
    good = await lab.pat(developer, 'read_api');
    const tree = await lab.api('GET', `/projects/${project.id}/repository/tree?ref=main`);
    blob = tree.body[0].id;
  });
  after(() => lab?.stop());

  const paths = () => {
    const base = `/projects/${project.id}/repository`;
    return [
      `${base}/files/code.txt?ref=main`,
      `${base}/files/code.txt/raw?ref=main`,
      `${base}/files/code.txt/blame?ref=main`,
      `${base}/blobs/${blob}`,
      `${base}/blobs/${blob}/raw`,
      `${base}/archive?sha=main`,
      `${base}/archive.zip?sha=main`,
      `${base}/archive.tar?sha=main`,
      `${base}/tree?ref=main`,
      `${base}/commits?ref_name=main`,
      `${base}/compare?from=main&to=main`,
    ];
  };

  test('let in whom they should', async () => {
    for (const path of paths()) assert.equal((await lab.api('GET', path, { token: good })).status, 200, path);
  });

  test('refuse everybody else, GET and HEAD', async () => {
    for (const [who, token] of keys)
      for (const path of paths())
        for (const method of ['GET', 'HEAD']) {
          const answer = await lab.api(method, path, { token });
          assert.ok([401, 403, 404].includes(answer.status), `${who} ${method} ${path}: ${answer.status}`);
          assert.ok(!answer.text.includes(CODE), `${who} ${path}`);
        }
  });

  test('git refuses them too', async () => {
    const target = `/${project.full_path}.git/info/refs?service=git-upload-pack`;
    for (const [who, token] of keys) {
      const answer = await lab.raw('GET', target, token === null ? {} : basic('x', token));
      assert.ok([401, 403, 404].includes(answer.status), `${who}: ${answer.status}`);
    }
  });
});

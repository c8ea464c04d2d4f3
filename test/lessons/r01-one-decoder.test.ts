// Lesson R1 (CVE-2026-85706: the proxy matched the escaped path, the backend the decoded one; a file was opened before login):
// 1. somebody without a key takes the address of a private thing;
// 2. he spells it otherwise: escaped letters, `//`, a trailing slash, `;`, `..`, `%2e`, a second encoding, a NUL;
// 3. he hopes that one decoder refuses what another lets through, or that some code runs before the key is asked for.
// Each spelling is an unknown route or gives exactly the answer of the canonical one, and never what is inside.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { basic, fill, type Lab, openLab, reading } from './lab.ts';

const SECRET_TEXT = 'only-members-read-this';

function spellings(path: string): string[] {
  const cut = path.lastIndexOf('/');
  const [head, tail] = [path.slice(0, cut), path.slice(cut + 1)];
  const escaped = [...tail].map((letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
  return [
    `${head}/${escaped}`,
    `${head}//${tail}`,
    `/${path}`,
    `${path}/`,
    `${path};x=1`,
    `${path}%00`,
    `${path}%2f`,
    `${path}%252f..`,
    `${head}/./${tail}`,
    `${head}/x/../${tail}`,
    `${head}/x/%2e%2e/${tail}`,
    `${head}\\${tail}`,
    `${path}%0a`,
    path.replace('/api/v4/', '/api/v4/%2e/'),
    path.replace('/api/', '/API/'),
    path.replace('/api/', '/%61pi/'),
    `${path}%`,
    `${path}%c0%ae`,
  ];
}

describe('another spelling of an address', () => {
  let lab: Lab;
  let values: Record<string, string | number>;
  let full: string;

  before(async () => {
    lab = await openLab();
    const group = await lab.world.group({});
    const project = await lab.project(group, {}, { 'secret.txt': SECRET_TEXT });
    values = { projects: project.id, groups: group.id, users: 1, file_path: 'secret.txt', sha: 'main', branch: 'main' };
    full = project.full_path;
  });
  after(() => lab?.stop());

  test('is there for its owner, or this test would show nothing', async () => {
    const path = `/projects/${values['projects']}/repository/files/secret.txt/raw?ref=main`;
    assert.equal((await lab.api('GET', path)).text, SECRET_TEXT);
    assert.notEqual((await lab.api('GET', path, { token: null })).status, 200);
  });

  test('of any REST route is unknown, or answers as the canonical one does', async () => {
    for (const route of reading) {
      const path = `/api/v4${fill(route, values)}`;
      const canonical = await lab.raw('GET', path);
      for (const spelling of spellings(path)) {
        const answer = await lab.raw('GET', spelling);
        assert.ok(!answer.text.includes(SECRET_TEXT), spelling);
        const isSame = answer.status === canonical.status;
        assert.ok(
          isSame || [400, 401, 403, 404, 405].includes(answer.status),
          `${spelling}: ${answer.status} ${answer.text}`,
        );
      }
    }
  });

  test('of a git address is unknown, or asks for a key like the canonical one', async () => {
    const path = `/${full}.git/info/refs`;
    for (const spelling of [
      ...spellings(path),
      `/${full}.git/../${full}.git/info/refs`,
      `/api/../${full}.git/info/refs`,
    ]) {
      const answer = await lab.raw('GET', `${spelling}?service=git-upload-pack`);
      assert.ok([301, 400, 401, 404].includes(answer.status), `${spelling}: ${answer.status}`);
      assert.ok(!answer.text.includes('refs/heads'), spelling);
    }
    const own = await lab.raw('GET', `${path}?service=git-upload-pack`, basic('root', lab.server.rootToken));
    assert.match(own.text, /refs\/heads\/main/);
  });
});

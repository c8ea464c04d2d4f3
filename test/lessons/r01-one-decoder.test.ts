// Lesson R1 (CVE-2026-85706: the proxy matched the escaped path, the backend the decoded one; a file was opened before login):
// 1. somebody without a key takes the address of a private thing;
// 2. he spells it otherwise: escaped letters, `//`, a trailing slash, `;`, `..`, `%2e`, a second encoding, a NUL;
// 3. he hopes that one decoder refuses what another lets through, or that some code runs before the key is asked for.
// Escaped letters inside a segment are the same address and give the same answer; every other spelling is an unknown route, to its
// owner as well, and nothing is looked at before the key.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { routes } from '../../src/doors/rest/routes/index.ts';
import { basic, fill, type Lab, openLab, reading } from './lab.ts';

const SECRET_TEXT = 'only-members-read-this';

/** A text with every letter as an escape. */
const escaped = (text: string) =>
  [...text].map((letter) => `%${letter.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');

/** Spellings that no decoder may take for the same address. */
function others(path: string): string[] {
  const cut = path.lastIndexOf('/');
  const [head, tail] = [path.slice(0, cut), path.slice(cut + 1)];
  return [
    `${head}/${escaped(tail).replaceAll('%', '%25')}`,
    `${head}//${tail}`,
    `/${path}`,
    `${path}/`,
    `${path};x=1`,
    `${path}%3bx=1`,
    `${path}%00`,
    `${path}%2f`,
    `${path}%2f..%2f${tail}`,
    `${path}%252f..`,
    `${head}/./${tail}`,
    `${head}/x/../${tail}`,
    `${head}/x/%2e%2e/${tail}`,
    `${head}/x%2f..%2f${tail}`,
    `${head}\\${tail}`,
    `${path}%0a`,
    path.replace('/', '/%2e/'),
    path.replace('/', '/x/../'),
    path.replace('/api/', '/API/'),
    path.replace('/api/', '/%61pi/'),
    `${path}%`,
    `${path}%c0%ae`,
  ].filter((spelling) => spelling !== path);
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

  test('of any REST route is unknown, to nobody and to its owner alike', async () => {
    for (const route of reading) {
      const path = `/api/v4${fill(route, values)}`;
      for (const headers of [{}, { 'private-token': lab.server.rootToken }] as Record<string, string>[])
        for (const spelling of others(path)) {
          const answer = await lab.raw('GET', spelling, headers);
          const said = `${route.path} as ${spelling}: ${answer.status} ${answer.text.slice(0, 200)}`;
          assert.ok([400, 404, 405].includes(answer.status) || isNobodys(answer, headers), said);
          assert.ok(!answer.text.includes(SECRET_TEXT), said);
        }
    }
  });

  /** Whoever brings no key may hear of that first. */
  const isNobodys = ({ status }: { status: number }, headers: object) =>
    Object.keys(headers).length === 0 && (status === 401 || status === 403);

  test('by escaped letters inside a segment answers exactly as the canonical one', async () => {
    for (const path of [
      `/projects/${values['projects']}/repository/files/secret.txt/raw?ref=main`,
      `/projects/${encodeURIComponent(full)}`,
      '/version',
    ]) {
      const [address = '', query = ''] = `/api/v4${path}`.split('?');
      const spelled = `/api/v4${address.slice('/api/v4'.length).split('/').map(again).join('/')}?${query}`;
      for (const headers of [{}, { 'private-token': lab.server.rootToken }] as Record<string, string>[]) {
        const [one, other] = [
          await lab.raw('GET', `${address}?${query}`, headers),
          await lab.raw('GET', spelled, headers),
        ];
        assert.equal(`${other.status} ${other.text}`, `${one.status} ${one.text}`, spelled);
      }
    }
  });

  /** One segment, decoded and escaped anew in every letter. */
  const again = (segment: string) => escaped(decodeURIComponent(segment));

  test('comes after the key: a wrong one is refused before anything else is looked at', async () => {
    const headers = { 'private-token': 'glpat-wrongwrongwrongwrong', 'content-type': 'application/json' };
    for (const route of routes)
      for (const at of [values, { projects: 999_999, groups: 999_999, users: 999_999 }]) {
        const body = route.method === 'GET' ? undefined : '{"not":["what","it","wants"]}';
        const length: Record<string, string> = body === undefined ? {} : { 'content-length': String(body.length) };
        const answer = await lab.raw(route.method, `/api/v4${fill(route, at)}`, { ...headers, ...length }, body);
        assert.equal(answer.status, 401, `${route.method} ${route.path}: ${answer.status} ${answer.text}`);
      }
  });

  test('of a git address is unknown, or asks for a key like the canonical one, and shows its owner nothing', async () => {
    const path = `/${full}.git/info/refs`;
    const odd = [
      ...others(path),
      `/${full}.git/../${full}.git/info/refs`,
      `/api/../${full}.git/info/refs`,
      `/${escaped(full)}.git/info/refs`,
    ];
    for (const headers of [{}, basic('root', lab.server.rootToken)] as Record<string, string>[])
      for (const spelling of odd) {
        const answer = await lab.raw('GET', `${spelling}?service=git-upload-pack`, headers);
        assert.ok([301, 400, 401, 404].includes(answer.status), `${spelling}: ${answer.status}`);
        assert.ok(!answer.text.includes('refs/heads'), spelling);
      }
    const own = await lab.raw('GET', `${path}?service=git-upload-pack`, basic('root', lab.server.rootToken));
    assert.match(own.text, /refs\/heads\/main/);
  });
});

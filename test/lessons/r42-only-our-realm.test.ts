// Lesson R42 (CVE-2026-59891, CVE-2026-105769: registry credentials went to hosts that only looked right):
// 1. a client presents its key and asks for a moved or misspelt address, with a `Host` of the attacker's choice;
// 2. the answer's challenge, `Location` or links name another host, or carry the key;
// 3. the client sends its key there.
// Challenges name one fixed realm, git's redirects are paths alone, links are built from the instance's own address, and the server
// itself calls nobody with a key.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { sourcesBelow } from '../house/source-files.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('another host', () => {
  let lab: Lab;
  before(async () => {
    lab = await openLab();
  });
  after(() => lab?.stop());
  const evil = { host: 'evil.example', 'x-forwarded-host': 'evil.example', forwarded: 'host=evil.example' };

  test('is named in no challenge, redirect or link', async () => {
    const group = await lab.world.group({});
    const project = await lab.project(group);
    const key = { 'private-token': lab.server.rootToken };
    for (let index = 0; index < 3; index++) await lab.world.project(group);
    for (const [target, headers] of [
      [`/${project.full_path}.git/info/refs?service=git-upload-pack`, {}],
      [`/${project.full_path}/info/refs?service=git-upload-pack`, basic('x', lab.server.rootToken)],
      ['//evil.example/x/info/refs?service=git-upload-pack', {}],
      ['/api/v4/user', {}],
      ['/api/v4/projects?per_page=1', key],
      [`/api/v4/projects/${project.id}`, key],
      ['/api/v4/user', { authorization: 'Basic x' }],
    ] as [string, Record<string, string>][]) {
      const answer = await lab.raw('GET', target, { ...headers, ...evil });
      const said = JSON.stringify(answer.headers) + answer.text;
      assert.doesNotMatch(said, /evil\.example/, target);
      assert.ok(!said.includes(lab.server.rootToken), target);
      const challenge = String(answer.headers['www-authenticate'] ?? '');
      assert.match(challenge, /^(?:|Basic realm="GitLab"|Bearer realm="[^"]*".*)$/, target);
      if (answer.headers.location) assert.match(String(answer.headers.location), /^\/[^/]/, target);
    }
  });

  test('is called by nothing in the server', () => {
    const calls = sourcesBelow('src').filter(({ path, code }) => {
      if (path.startsWith('src/cli/') || path === 'src/mail/smtp.ts') return false;
      // The git door's own word for serving a fetch is no call.
      const isOwn = /^function fetch\(/m.test(code);
      if (!isOwn && /(?<![.\w])fetch\(/.test(code)) return true;
      return /globalThis\.fetch\b|new WebSocket\(|\bhttps?\.(?:request|get)\(|from 'undici'|import \{[^}]*\brequest\b[^}]*\} from 'node:https?'/.test(
        code,
      );
    });
    assert.deepEqual(
      calls.map(({ path }) => path),
      [],
    );
  });
});

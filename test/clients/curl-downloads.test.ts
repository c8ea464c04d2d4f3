// curl, as people download with it: archives in every format that the API offers, the same bytes twice, and a picture sent as
// a form and fetched again without a key.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../support/server.ts';

const GZIP = '1f8b';
const BZIP2 = '425a68';
const ZIP = '504b0304';
/** The last word of the route, and how such a file begins; a tar begins with its first name. */
const FORMATS: readonly (readonly [string, string | null])[] = [
  ['archive', GZIP],
  ['archive.tar.gz', GZIP],
  ['archive.tar.bz2', BZIP2],
  ['archive.tbz', BZIP2],
  ['archive.tbz2', BZIP2],
  ['archive.tb2', BZIP2],
  ['archive.bz2', BZIP2],
  ['archive.tar', null],
  ['archive.zip', ZIP],
];
/** One transparent pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';

function curl(...args: string[]): Promise<string> {
  return new Promise((resolve, reject) =>
    execFile('curl', ['-sS', '--fail-with-body', ...args], (error, stdout, stderr) =>
      error ? reject(new Error(`${stdout}${stderr}`)) : resolve(stdout),
    ),
  );
}

describe('curl', () => {
  let server: TestServer;
  let folder = '';
  let asRoot: string[] = [];
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-curl-'));
    server = await startServer();
    asRoot = ['-H', `PRIVATE-TOKEN: ${server.rootToken}`];
    const made = await server.api('POST', '/projects', { body: { name: 'box', initialize_with_readme: true } });
    assert.equal(made.status, 201, made.text);
  });
  after(async () => {
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  for (const [word, start] of FORMATS)
    it(`downloads ${word}, the same bytes twice`, async () => {
      const url = `${server.url}/api/v4/projects/root%2Fbox/repository/${word}`;
      const [first, second, headers] = ['first', 'second', 'headers'].map((name) => join(folder, name));
      await curl(...asRoot, '-D', headers!, '-o', first!, url);
      await curl(...asRoot, '-o', second!, url);
      const bytes = await readFile(first!);
      assert.ok(bytes.length > 100);
      assert.ok(bytes.equals(await readFile(second!)));
      if (start === null) assert.match(bytes.subarray(0, 60).toString('latin1'), /^(box-|pax_global_header)/);
      else assert.equal(bytes.subarray(0, start.length / 2).toString('hex'), start);
      assert.match(await readFile(headers!, 'utf8'), /content-disposition: attachment; filename="?box-/i);
      await assert.rejects(curl('-o', '/dev/null', url), /404/, 'a stranger sees no project');
    });

  it('sends a picture and fetches it again', async () => {
    const file = join(folder, 'me.png');
    await writeFile(file, Buffer.from(PNG, 'base64'));
    const answer = JSON.parse(
      await curl(...asRoot, '-X', 'PUT', '-F', `avatar=@${file};type=image/png`, `${server.url}/api/v4/user/avatar`),
    );
    assert.match(answer.avatar_url, /\/keyward\/avatars\//);
    await curl('-o', join(folder, 'back.png'), answer.avatar_url);
    assert.equal((await readFile(join(folder, 'back.png'))).toString('base64'), PNG);
  });
});

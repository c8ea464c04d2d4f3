// Whatever text comes in, the readers of it answer and never throw, hang or let two readings stand: addresses, ranges,
// parameters, Basic headers, pkt-lines and what LFS sends. KEYWARD_FUZZ says how often (100,000 in the long run; those that cost a
// git each a fraction of it), KEYWARD_FUZZ_SEED repeats a run.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import { parseGitUrl } from '../../src/doors/git-http/git-url.ts';
import { parseLfsUrl } from '../../src/doors/git-http/lfs-url.ts';
import { readRange } from '../../src/doors/git-http/range.ts';
import { assign, emptyTree, readPairs } from '../../src/doors/http/nested-params.ts';
import { loggedUrl } from '../../src/doors/http/url-log.ts';
import { type Lab, openLab } from '../lessons/lab.ts';

const RUNS = {
  numRuns: Number(process.env['KEYWARD_FUZZ'] ?? 2000),
  ...(process.env['KEYWARD_FUZZ_SEED'] && { seed: Number(process.env['KEYWARD_FUZZ_SEED']) }),
};

/** Bits that have a meaning somewhere, and anything. */
const nasty = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '..',
    '.',
    '%2F',
    '%2f',
    '%2e%2e',
    '%00',
    '%',
    '%ZZ',
    '%ff',
    '%25',
    '\\',
    ';',
    '?',
    '#',
    '.git',
  ),
  fc.constantFrom(
    'info/refs',
    'git-upload-pack',
    'git-receive-pack',
    'api/v4',
    'info/lfs/objects/batch',
    'a',
    'gl',
    '-',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.stringMatching(/^[a-zA-Z0-9_.-]{1,12}$/),
);
const targets = fc.array(nasty, { maxLength: 12 }).map((parts) => `/${parts.join('')}`);

describe('fuzz of readers', () => {
  it('paths: the git doors take plain ones only, and no two of them the same one', () => {
    fc.assert(
      fc.property(targets, fc.constantFrom('GET', 'POST', 'PUT', 'HEAD'), (target, method) => {
        const git = parseGitUrl(target);
        const lfs = parseLfsUrl(method, target);
        assert.ok(git === null || lfs === null);
        if (git !== null && 'path' in git) {
          assert.match(git.path, /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/);
          assert.ok(!git.path.split('/').includes('..'));
        }
        if (git?.type === 'redirect') assert.match(git.location, /^\/[A-Za-z0-9_.-]/, 'never to another host');
      }),
      RUNS,
    );
  });

  it('ranges: what is given out lies inside the file', () => {
    const texts = fc.oneof(
      fc
        .tuple(
          fc.constantFrom('bytes=', 'bytes = ', 'items=', ''),
          fc.array(fc.constantFrom('-', ',', '0', '9', '18', '999999999999999', ' ', 'x'), { maxLength: 8 }),
        )
        .map(([unit, parts]) => unit + parts.join('')),
      fc.string({ unit: 'binary' }),
    );
    fc.assert(
      fc.property(texts, fc.nat(1000), (range, size) => {
        const read = readRange({ range }, size, '"e"');
        if (read === null || read === 'unsatisfiable') return;
        assert.ok(
          read.first >= 0 && read.first <= read.last && read.last < size,
          JSON.stringify({ range, size, read }),
        );
      }),
      RUNS,
    );
  });

  it('parameters: any query makes a tree, or none, and poisons no object', () => {
    const query = fc
      .array(fc.constantFrom('a', '=', '&', '[', ']', '[]', '%', '%5B', '+', '__proto__', 'constructor', 'b', '1'), {
        maxLength: 30,
      })
      .map((parts) => parts.join(''));
    fc.assert(
      fc.property(query, (text) => {
        const tree = emptyTree();
        for (const [name, value] of readPairs(text) ?? []) assign(tree, name, value);
        JSON.stringify(tree);
        assert.equal(({} as Record<string, unknown>)['b'], undefined);
      }),
      RUNS,
    );
  });

  it('the log: no token and no value of a secret name, however it is spelt', () => {
    const spelt = (name: string) =>
      fc
        .array(fc.boolean(), { minLength: name.length, maxLength: name.length })
        .map((escaped) =>
          [...name]
            .map((letter, index) => (escaped[index] ? `%${letter.charCodeAt(0).toString(16)}` : letter))
            .join(''),
        );
    const names = fc.constantFrom('private_token', 'access_token', 'token', 'password', 'job_token').chain(spelt);
    fc.assert(
      fc.property(targets, names, fc.stringMatching(/^[a-zA-Z0-9]{20}$/), (target, name, secret) => {
        const line = loggedUrl(`${target.split('?')[0]}?x=1&${name}=${secret}&y=2`);
        assert.ok(!line.includes(secret), line);
        assert.ok(!loggedUrl(`/a/glpat-${secret}/b`).includes(secret));
      }),
      RUNS,
    );
  });
});

describe('fuzz of git over HTTP', () => {
  let lab: Lab;
  let path = '';
  let key = '';
  before(async () => {
    lab = await openLab();
    const group = await lab.world.group({ path: 'fuzz', visibility: 'public' });
    const ann = await lab.world.user();
    await lab.world.member(ann, { group }, 40);
    const project = await lab.project(group, { visibility: 'public' });
    path = `/${project.full_path}.git`;
    key = await lab.pat(ann, 'api');
  });
  after(() => lab?.stop());

  const basicOf = (login: string, secret: string) => `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}`;
  const alive = async () => assert.equal((await lab.raw('GET', '/-/health')).status, 200);

  it('Basic headers: every one is let in, refused or nothing, in a moment', async () => {
    const visible = fc.string({
      unit: fc.integer({ min: 33, max: 126 }).map((code) => String.fromCharCode(code)),
      maxLength: 60,
    });
    const headers = fc.oneof(
      visible.map((text) => `Basic ${text}`),
      visible,
      fc.uint8Array({ maxLength: 80 }).map((bytes) => `Basic ${Buffer.from(bytes).toString('base64')}`),
      fc
        .tuple(fc.string({ maxLength: 20 }), fc.string({ maxLength: 20 }))
        .map(([login, secret]) => basicOf(login, `glpat-${secret}`)),
      fc.constant(`Basic ${'QUFB'.repeat(2000)}`),
    );
    await fc.assert(
      fc.asyncProperty(headers, async (authorization) => {
        const answer = await lab.raw('GET', `${path}/info/refs?service=git-receive-pack`, { authorization });
        assert.ok([401, 403].includes(answer.status), `${answer.status} for ${authorization}`);
      }),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 7) },
    );
    await alive();
  });

  it('Basic headers: a login with a NUL byte is nobody`s', async () => {
    for (const login of ['\0', 'glpat-\0', 'root\0'])
      for (const secret of ['x-oauth-basic', '\0', '']) {
        const headers = { authorization: basicOf(login, secret) };
        const { status } = await lab.raw('GET', `${path}/info/refs?service=git-upload-pack`, headers);
        assert.equal(status, 401, JSON.stringify([login, secret]));
      }
  });

  it('pkt-lines: no body of a fetch or a push breaks the server or moves a branch', async () => {
    const head = () =>
      lab
        .api('GET', `/projects/fuzz%2F${path.slice(6, -4)}/repository/branches/main`)
        .then(({ body }) => body.commit.id);
    const before = await head();
    const line = (text: string) => (text.length + 4).toString(16).padStart(4, '0') + text;
    const zero = '0'.repeat(40);
    const pieces = fc.oneof(
      fc.constantFrom('0000', '0001', '0002', '0003', '0004', 'ffff', '-001', 'zzzz', '0009', 'PACK', 'ERR '),
      fc.constantFrom(
        line(`want ${before}\n`),
        line('done\n'),
        line(`${zero} ${before} refs/heads/x\0 report-status\n`),
        line(`${before} ${zero} refs/heads/../main\0report-status\n`),
        line(`${zero} ${zero} refs/heads/main\n`),
        line('command=ls-refs\n'),
        line('command=fetch\n'),
        line('deepen 99999999999\n'),
        line('push-cert\0\n'),
        line('filter sparse:path=/etc/passwd\n'),
        `PACK\0\0\0\u0002${'\0'.repeat(4)}`,
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 40 }).map(line),
      fc.string({ unit: 'binary', maxLength: 30 }),
    );
    const bodies = fc.array(pieces, { maxLength: 10 }).map((parts) => Buffer.from(parts.join(''), 'latin1'));
    await fc.assert(
      fc.asyncProperty(
        bodies,
        fc.constantFrom('upload-pack', 'receive-pack'),
        fc.constantFrom('', 'version=2', 'version=1', 'version=99:x', '\u00ff'),
        fc.constantFrom('identity', 'gzip', 'br'),
        async (body, service, protocol, encoding) => {
          const headers = {
            'content-type': `application/x-git-${service}-request`,
            'content-encoding': encoding,
            authorization: basicOf('x', key),
            ...(protocol && { 'git-protocol': protocol }),
          };
          const answer = await Promise.race([
            lab.raw('POST', `${path}/git-${service}`, headers, body).catch((error: NodeJS.ErrnoException) => error),
            new Promise<null>((resolve) => setTimeout(resolve, 20_000, null).unref()),
          ]);
          assert.notEqual(answer, null, 'a hang');
          if (answer && 'status' in answer) assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
          else
            assert.equal(
              (answer as NodeJS.ErrnoException).code,
              'ECONNRESET',
              'an answer that has begun is broken off',
            );
        },
      ),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 17) },
    );
    await alive();
    assert.equal(await head(), before);
  });

  it('pkt-lines: a move from nothing to nothing, which git takes for a deletion, is refused', async () => {
    const zero = '0'.repeat(40);
    const command = `${zero} ${zero} refs/heads/main\0 report-status`;
    const body = `${(command.length + 4).toString(16).padStart(4, '0')}${command}0000`;
    const headers = { 'content-type': 'application/x-git-receive-pack-request', authorization: basicOf('x', key) };
    const answer = await lab.raw('POST', `${path}/git-receive-pack`, headers, body);
    assert.match(answer.text, /ng refs\/heads\/main pre-receive hook declined/);
    const project = encodeURIComponent(path.slice(1, -4));
    assert.equal((await lab.api('GET', `/projects/${project}/repository/branches/main`)).status, 200);
  });

  it('ranges and bodies of LFS: no 5xx', async () => {
    const oid = randomBytes(32).toString('hex');
    const json = fc.oneof(
      fc.json(),
      fc.constant(`{"operation":"download","objects":[{"oid":"${oid}","size":1}]}`),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.constantFrom('objects/batch', 'locks', 'locks/verify', 'locks/1/unlock'),
        fc.boolean(),
        async (body, what, packed) => {
          const type = 'application/vnd.git-lfs+json';
          const headers = { 'content-type': type, accept: type, ...(packed && { 'content-encoding': 'gzip' }) };
          const answer = await lab.raw(
            'POST',
            `${path}/info/lfs/${what}`,
            { ...headers, authorization: basicOf('x', key) },
            body,
          );
          assert.ok(answer.status < 500, `${answer.status} ${answer.text} for ${what} ${body}`);
        },
      ),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 10) },
    );
    await fc.assert(
      fc.asyncProperty(fc.stringMatching(/^(bytes=)?[0-9,-]{0,20}$/), async (range) => {
        const answer = await lab.raw('GET', `${path}/gitlab-lfs/objects/${oid}`, {
          range,
          authorization: basicOf('x', key),
        });
        assert.ok(answer.status < 500, `${answer.status} ${answer.text}`);
      }),
      { ...RUNS, numRuns: Math.ceil(RUNS.numRuns / 40) },
    );
  });
});

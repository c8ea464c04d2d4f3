// Lesson R17 (CVE-2026-28699: scopes were dropped when the token came by Basic auth):
// 1. somebody has a key whose scopes open little;
// 2. he presents it in every way there is: PRIVATE-TOKEN, Bearer, query, body, Basic as user or password, JOB-TOKEN, a cookie;
// 3. one of the ways forgets the scopes.
// Each way gives the same verdict, or does not read the key at all and answers as to nobody.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('the way in which a key is presented', () => {
  let lab: Lab;
  let owner: User;
  let project: Project;

  before(async () => {
    lab = await openLab();
    owner = await lab.world.user({});
    const group = await lab.world.group({});
    project = await lab.project(group);
    await lab.world.member(owner, { group }, 50);
  });
  after(() => lab?.stop());

  const read = (token: string): [string, Record<string, string>][] => [
    ['', { 'private-token': token }],
    ['', { authorization: `Bearer ${token}` }],
    [`?private_token=${token}`, {}],
    [`?access_token=${token}`, {}],
  ];
  const unread = (token: string): [string, Record<string, string>][] => [
    ['', basic('x', token)],
    ['', basic(token, '')],
    ['', basic('gitlab-ci-token', token)],
    ['', { 'job-token': token }],
    ['', { 'deploy-token': token }],
    ['', { cookie: `_gitlab_session=${token}` }],
    [`?job_token=${token}`, {}],
  ];

  for (const scopes of [['read_user'], ['read_repository'], ['write_repository'], ['read_api'], ['api']])
    test(`does not change what [${scopes}] opens`, async () => {
      const token = await lab.pat(owner, ...scopes);
      const targets: [string, string][] = [
        ['GET', `/projects/${project.id}`],
        ['GET', `/projects/${project.id}/repository/files/README.md/raw`],
        ['POST', `/projects/${project.id}/archive`],
        ['GET', '/user'],
      ];
      for (const [method, path] of targets) {
        const nobody = await lab.raw(method, `/api/v4${path}`);
        const verdicts = new Set<string>();
        for (const [query, headers] of read(token)) {
          const answer = await lab.raw(method, `/api/v4${path}${query}`, headers);
          verdicts.add(`${answer.status} ${answer.headers['www-authenticate'] ?? ''}`);
        }
        assert.equal(verdicts.size, 1, `${method} ${path}: ${[...verdicts].join(' | ')}`);
        for (const [query, headers] of unread(token)) {
          const answer = await lab.raw(method, `/api/v4${path}${query}`, headers);
          assert.equal(
            `${answer.status} ${answer.text}`,
            `${nobody.status} ${nobody.text}`,
            `${method} ${path} ${query}`,
          );
        }
      }
      if (scopes[0] === 'api') await lab.api('POST', `/projects/${project.id}/unarchive`);
    });

  test('git reads the scopes of a key in Basic, and no other channel', async () => {
    const target = (service: string) => `/${project.full_path}.git/info/refs?service=git-${service}`;
    const expected: Record<string, [number, number]> = {
      api: [200, 200],
      read_api: [200, 403],
      read_repository: [200, 403],
      write_repository: [200, 200],
      read_user: [403, 403],
    };
    const nobody = await lab.raw('GET', target('upload-pack'));
    for (const [scope, statuses] of Object.entries(expected)) {
      const token = await lab.pat(owner, scope);
      const got = [];
      for (const service of ['upload-pack', 'receive-pack'])
        got.push((await lab.raw('GET', target(service), basic('x', token))).status);
      assert.deepEqual(got, statuses, scope);
      for (const [query, headers] of read(token)) {
        const answer = await lab.raw('GET', `${target('upload-pack')}${query.replace('?', '&')}`, headers);
        assert.equal(answer.status, nobody.status, `${scope} ${query} ${Object.keys(headers)}`);
      }
    }
  });
});

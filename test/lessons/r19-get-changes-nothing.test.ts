// Lesson R19 (CVE-2026-24059: a GET route minted a runner token under a scope that only reads):
// 1. an administrator's key with scope `api` is presented, so that nothing is refused;
// 2. every route is read by GET and by HEAD, with parameters that would make things elsewhere;
// 3. git asks for the refs of a project that is not there, for a push;
// 4. a row appears or changes.
// The whole database is the same afterwards, but for notes of use.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ruleOf } from '../../src/access/actions.ts';
import { basic, fill, type Lab, openLab, reading } from './lab.ts';

describe('a GET', () => {
  let lab: Lab;
  let values: Record<string, string | number>;

  before(async () => {
    lab = await openLab();
    const group = await lab.world.group({});
    const project = await lab.project(group);
    const bot = await lab.bot(project, 40);
    values = {
      projects: project.id,
      groups: group.id,
      users: 1,
      user_id: 1,
      token_id: bot.id,
      credential_id: 1,
      sha: 'main',
      branch: 'main',
      file_path: 'README.md',
    };
  });
  after(() => lab?.stop());

  test('changes nothing, whatever the route', async () => {
    const before = lab.snapshot();
    const token = lab.server.rootToken;
    const query = 'name=x&scopes[]=api&ref=main&from=main&to=main&rotate=true&create=true&confirm=true&_method=POST';
    let answered = 0;
    for (const route of reading) {
      const target = `/api/v4${fill(route, values)}?${query}`;
      const headers = { 'private-token': token, 'x-http-method-override': 'POST' };
      const answer = await lab.raw('GET', target, headers);
      assert.ok(answer.status < 500, `${route.path}: ${answer.text}`);
      if (answer.status === 200) answered++;
      await lab.raw('HEAD', target, headers);
    }
    assert.ok(answered > 40, `${answered} routes answered`);
    for (const service of ['upload-pack', 'receive-pack'])
      await lab.raw('GET', `/root/not-there.git/info/refs?service=git-${service}`, basic('root', token));
    for (const path of ['/-/health', '/-/readiness', '/-/liveness', '/-/metrics', '/root.keys'])
      await lab.raw('GET', path);
    await lab.server.services.verifier.flush();
    assert.deepEqual(lab.snapshot(), before);
  });

  test('asks for an action that reads, in the table itself', () => {
    for (const route of reading) assert.equal(ruleOf(route.action).effect, 'read', `${route.path}: ${route.action}`);
  });
});

// Lesson R9 (a read_api token read an incoming-mail address, which was itself a right to write):
// 1. somebody has a key that only reads;
// 2. he reads every route, and takes each text that he finds in an answer for a key;
// 3. one of them lets him in, or shows a key of somebody else.
// No text in any answer is a key, and the fields that were keys elsewhere are null here.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Secret } from '../../src/kernel/secret.ts';
import { type Lab, openLab, readEverything } from './lab.ts';

function textsIn(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value === 'string') for (const word of value.match(/[\w.=+/-]{16,}/g) ?? []) found.add(word);
  else if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) textsIn(inner, found);
  return found;
}

describe('what can be read', () => {
  let lab: Lab;
  let values: Record<string, string | number>;
  let reader: string;
  const secrets: string[] = [];

  before(async () => {
    lab = await openLab();
    const { world } = lab;
    const user = await world.user({ admin: 1 });
    const group = await world.group({});
    const project = await lab.project(group);
    await world.member(user, { group }, 50);
    reader = await lab.pat(user, 'read_api');
    const bot = await lab.bot(project, 40);
    secrets.push(bot.token, await lab.pat(user, 'api'));
    const places = { project: { projectId: project.id }, group: { groupId: group.id } };
    const make = async (path: string, body: object) => {
      const made = await lab.api('POST', path, { body });
      assert.equal(made.status, 201, made.text);
      if (made.body.token) secrets.push(made.body.token);
      return made.body.id as number;
    };
    const wish = { name: 'gitlab-deploy-token', scopes: ['read_repository'] };
    const deploy = await make(`/projects/${project.id}/deploy_tokens`, wish);
    await make(`/groups/${group.id}/deploy_tokens`, wish);
    const impersonation = await make(`/users/${user.id}/impersonation_tokens`, { name: 'i', scopes: ['api'] });
    for (const kind of ['trigger_token', 'job_token'] as const)
      secrets.push(await lab.key({ kind, userId: user.id, ...places.project, scopes: [] }));
    secrets.push(await lab.key({ kind: 'runner_token', runnerId: 1, scopes: [] }));
    values = {
      projects: project.id,
      groups: group.id,
      users: user.id,
      user_id: user.id,
      token_id: deploy,
      impersonation_token_id: impersonation,
      credential_id: bot.id,
      file_path: 'README.md',
      sha: 'main',
      branch: 'main',
    };
  });
  after(() => lab?.stop());

  test('holds no key of anybody, and no text that lets one in', async () => {
    const answers = await readEverything(lab, reader, values);
    let tried = 0;
    for (const [route, { status, text }] of answers) {
      for (const secret of secrets) assert.ok(!text.includes(secret), `${route} shows a key`);
      if (status !== 200 || !/^[[{]/.test(text)) continue;
      assert.doesNotMatch(text, /"(?:runners_token|incoming_email_token|feed_token)":"/, route);
      for (const word of textsIn(JSON.parse(text))) {
        tried++;
        const key = await lab.server.services.verifier.token(new Secret(word));
        assert.ok(!key.ok, `${route}: ${word.slice(0, 6)}… is a key`);
        const session = await lab.server.services.verifier.session(new Secret(word), null);
        assert.ok(!session.ok, `${route}: ${word.slice(0, 6)}… is a session`);
      }
    }
    assert.ok(tried > 50, `${tried} texts were tried`);
    const read = [...answers.values()].filter(({ status }) => status === 200).length;
    assert.ok(read > 40, `${read} routes were read`);
  });
});

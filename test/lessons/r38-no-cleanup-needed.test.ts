// Lesson R38 (CVE-2026-115362: expired secret ids were accepted until a cleanup ran):
// 1. keys, sessions, LFS tokens and memberships have an end, and whatever cleans up is switched off;
// 2. at their end each is used again, at every door that takes it;
// 3. one still lets somebody in, because its row was not swept yet.
// The end is asked at each use: every door refuses at that very millisecond, while the rows lie there as before.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Project, User } from '../../src/identity/records.ts';
import { DAY, HOUR, MINUTE } from '../../src/kernel/clock.ts';
import { basic, type Lab, openLab } from './lab.ts';

describe('without any cleanup', () => {
  let lab: Lab;
  let project: Project;
  let user: User;

  before(async () => {
    lab = await openLab();
    project = await lab.project(await lab.world.group({}));
    user = await lab.world.user({});
    await lab.world.member(user, { project }, 30);
  });
  after(() => lab?.stop());

  const rest = async (token: string) => (await lab.api('GET', `/projects/${project.id}`, { token })).status;
  const git = async (login: string, token: string) =>
    (await lab.raw('GET', `/${project.full_path}.git/info/refs?service=git-upload-pack`, basic(login, token))).status;
  const batch = (who: Record<string, string>) => {
    const body = JSON.stringify({ operation: 'upload', objects: [{ oid: 'a'.repeat(64), size: 1 }] });
    return lab.raw('POST', `/${project.full_path}.git/info/lfs/objects/batch`, who, body);
  };
  const rowOf = (id: number) =>
    lab.server.services.db.read.selectFrom('credentials').selectAll().where('id', '=', id).executeTakeFirstOrThrow();

  test('a key is dead at its end, at every door', async () => {
    const end = lab.clock.now() + DAY;
    const bot = await lab.world.user({ type: 'project_bot', bot_project_id: project.id });
    await lab.world.member(bot, { project }, 30);
    const { world } = lab;
    const personal = await world.issue({ kind: 'personal_access_token', userId: user.id, expiresAt: end });
    const place = { projectId: project.id };
    const own = await world.issue({ kind: 'project_access_token', userId: bot.id, ...place, expiresAt: end });
    const wish = {
      kind: 'deploy_token',
      ...place,
      scopes: ['read_repository'],
      username: 'd',
      expiresAt: end,
    } as const;
    const deploy = await world.issue(wish);
    const ssh = await world.sshKey({ kind: 'user_ssh_key', userId: user.id, expiresAt: end });
    const print = (await rowOf(ssh.id)).fingerprint!;
    const verdicts = async () => [
      await rest(personal.secret.reveal()),
      await rest(own.secret.reveal()),
      await git('x', personal.secret.reveal()),
      await git('x', own.secret.reveal()),
      await git('d', deploy.secret.reveal()),
      (await batch(basic('x', personal.secret.reveal()))).status,
      (await lab.server.services.verifier.sshKey(print)).ok ? 200 : 401,
    ];
    lab.clock.set(end - 1);
    assert.deepEqual(await verdicts(), [200, 200, 200, 200, 200, 200, 200]);
    lab.clock.set(end);
    assert.deepEqual(await verdicts(), [401, 401, 401, 401, 401, 401, 401]);
    for (const { id } of [personal.credential, own.credential, deploy.credential, ssh])
      assert.equal((await rowOf(id)).ended_at, null, 'nobody ended it: it was its date alone');
  });

  test('an LFS token is dead after its half hour', async () => {
    const token = await lab.pat(user, 'api');
    const asked = await batch(basic('x', token));
    const who = { authorization: JSON.parse(asked.text).objects[0].actions.upload.header.Authorization };
    lab.clock.set(lab.clock.now() + 30 * MINUTE - 1);
    assert.equal((await batch(who)).status, 200);
    lab.clock.set(lab.clock.now() + 1);
    assert.equal((await batch(who)).status, 401);
    assert.equal((await batch(basic('x', token))).status, 200, 'its key lives on');
  });

  test('a session is dead when its time is over', async () => {
    const body = { login: 'root', password: lab.server.rootPassword };
    const signedIn = await lab.api('POST', '/keyward/session', { token: null, body });
    const cookie = signedIn.headers.get('set-cookie')!.split(';')[0]!;
    const life = Number(/Max-Age=(\d+)/.exec(signedIn.headers.get('set-cookie')!)![1]) * 1000;
    assert.ok(life > HOUR);
    const seen = async () => (await lab.api('GET', '/user', { token: null, headers: { cookie } })).status;
    const began = lab.clock.now();
    lab.clock.set(began + life - 1);
    assert.equal(await seen(), 200);
    lab.clock.set(began + life);
    assert.equal(await seen(), 401);
    const sessions = lab.server.services.db.read.selectFrom('credentials').select('id').where('kind', '=', 'session');
    assert.ok((await sessions.execute()).length > 0, 'its row is there');
  });

  test('a membership is none from its day on', async () => {
    const guest = await lab.world.user({});
    const day = new Date(lab.clock.now() + 2 * DAY).toISOString().slice(0, 10);
    await lab.world.member(guest, { project }, 30, day);
    const token = await lab.pat(guest, 'api');
    lab.clock.set(Date.parse(day) - 1);
    assert.deepEqual([await rest(token), await git('x', token)], [200, 200]);
    lab.clock.set(Date.parse(day));
    assert.deepEqual([await rest(token), await git('x', token)], [404, 404]);
    assert.deepEqual((await lab.api('GET', '/projects?membership=true', { token })).body, []);
  });
});

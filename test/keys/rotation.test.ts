// Rotation over a real server: races, overlap, the call that may be repeated, the boundary of the date, and what reuse
// detection takes with it (reference access-tokens 7.2, 7.3, lessons R37 to R39 and R43).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY, parseDate, SECOND } from '../../src/kernel/clock.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import { START } from '../support/world.ts';
import { auditOf, mails, TODAY, withForge } from './forge.ts';

const SELF = '/personal_access_tokens/self';

withForge('rotating a key', (forge) => {
  let count = 0;
  const person = () => forge().world.user({ username: `rotator${++count}x` });
  const status = async (token: string) => (await forge().api('GET', SELF, { token })).status;
  const rotate = (token: string, body: object = {}, key?: string) =>
    forge().api('POST', `${SELF}/rotate`, {
      token,
      body,
      headers: key === undefined ? {} : { 'Idempotency-Key': key },
    });

  test('of two calls at once exactly one wins, and the loser does not hurt the family', async () => {
    const { api, issue, token } = forge();
    const user = await person();
    const other = await token(user);
    for (let round = 0; round < 5; round++) {
      const key = await issue(user);
      const path = `/personal_access_tokens/${key.credential.id}/rotate`;
      const answers = await Promise.all([1, 2, 3].map(() => api('POST', path, { token: other })));
      const won = answers.filter((answer) => answer.status === 200);
      assert.equal(won.length, 1);
      for (const lost of answers.filter((answer) => answer.status !== 200))
        assert.deepEqual([lost.status, lost.body], [400, { message: '400 Bad request - Token already revoked' }]);
      assert.equal(await status(won[0]!.body.token), 200);
    }
  });

  test('the successor keeps user, name, description and scopes, and lives a week', async () => {
    const { issue } = forge();
    const user = await person();
    const key = await issue(user, { name: 'n', description: 'd', scopes: ['self_rotate', 'read_user'] });
    const made = await rotate(key.secret.reveal());
    const { token, id, created_at, ...rest } = made.body;
    assert.match(token, /^glpat-/);
    assert.ok(id > key.credential.id && typeof created_at === 'string');
    assert.deepEqual(rest, {
      name: 'n',
      revoked: false,
      description: 'd',
      scopes: ['self_rotate', 'read_user'],
      user_id: user.id,
      last_used_at: null,
      active: true,
      expires_at: '2026-03-08',
      last_used_ips: [],
    });
  });

  test('with an overlap both work until it ends, and the old one cannot be rotated again', async () => {
    const { api, clock, issue } = forge();
    const key = await issue(await person());
    const old = key.secret.reveal();
    const made = await rotate(old, { overlap: 60 });
    assert.equal(made.status, 200);
    assert.deepEqual([await status(old), await status(made.body.token)], [200, 200]);
    const shown = await api('GET', SELF, { token: old });
    assert.deepEqual([shown.body.revoked, shown.body.active], [false, true]);
    assert.equal((await api('GET', `/keyward/credentials/${key.credential.id}`)).body.state, 'rotating');
    const again = await rotate(old);
    assert.deepEqual([again.status, again.body], [400, { message: '400 Bad request - Token already rotated' }]);
    assert.equal(await status(made.body.token), 200);
    try {
      clock.advance(60 * SECOND - 1);
      assert.equal(await status(old), 200);
      clock.advance(1);
      assert.equal(await status(old), 401);
      assert.equal(await status(made.body.token), 200);
    } finally {
      clock.set(START);
    }
  });

  test('an overlap is at most thirty days, at least nothing, and never past the old date', async () => {
    const { clock, issue } = forge();
    const user = await person();
    for (const overlap of [-1, 2_592_001]) {
      const text = (await issue(user)).secret.reveal();
      const no = await rotate(text, { overlap });
      assert.deepEqual([no.status, no.body], [400, { error: 'overlap does not have a valid value' }]);
      assert.equal(await status(text), 200);
    }
    const short = (await issue(user, { expiresAt: parseDate('2026-03-02') })).secret.reveal();
    assert.equal((await rotate(short, { overlap: 2_592_000 })).status, 200);
    try {
      clock.set(parseDate('2026-03-02')!);
      assert.equal(await status(short), 401);
    } finally {
      clock.set(START);
    }
  });

  test('the same call with the same Idempotency-Key gets the same answer, within the overlap and an hour', async () => {
    const { clock, issue } = forge();
    const old = (await issue(await person())).secret.reveal();
    const first = await rotate(old, { overlap: 7200 }, 'once');
    const second = await rotate(old, { overlap: 7200 }, 'once');
    assert.equal(first.status, 200);
    assert.equal(second.status, 200);
    assert.equal(second.text, first.text);
    const other = await rotate(old, { overlap: 7201 }, 'once');
    assert.deepEqual([other.status, other.body], [409, { message: '409 Conflict' }]);
    assert.equal((await rotate(old, { overlap: 7200 }, 'twice')).status, 400);
    assert.equal(await status(first.body.token), 200);
    try {
      clock.advance(3600 * SECOND);
      const late = await rotate(old, { overlap: 7200 }, 'once');
      assert.deepEqual([late.status, late.body], [400, { message: '400 Bad request - Token already rotated' }]);
    } finally {
      clock.set(START);
    }
  });

  test('repeated calls at once get one secret', async () => {
    const { issue } = forge();
    const old = (await issue(await person())).secret.reveal();
    const answers = await Promise.all([1, 2, 3].map(() => rotate(old, { overlap: 60 }, 'at once')));
    assert.deepEqual(
      answers.map((answer) => answer.status),
      [200, 200, 200],
    );
    assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
  });

  test('a client that repeats its calls at every step of a chain never loses its family', async () => {
    const { issue } = forge();
    let token = (await issue(await person())).secret.reveal();
    for (let step = 0; step < 5; step++) {
      const calls = await Promise.all([1, 2].map(() => rotate(token, { overlap: 60 }, `step ${step}`)));
      calls.push(await rotate(token, { overlap: 60 }, `step ${step}`));
      assert.deepEqual([...new Set(calls.map((call) => call.body.token))], [calls[0]!.body.token]);
      token = calls[0]!.body.token;
    }
    assert.equal(await status(token), 200);
  });

  test('an Idempotency-Key that is too long or empty is refused', async () => {
    const { issue } = forge();
    const old = (await issue(await person())).secret.reveal();
    const no = await rotate(old, { overlap: 60 }, 'x'.repeat(256));
    assert.deepEqual([no.status, no.body], [400, { error: 'Idempotency-Key is invalid' }]);
    assert.equal(await status(old), 200);
  });

  test('a key is alive one millisecond before its date, and dead on it and after it', async () => {
    const { clock, issue } = forge();
    const date = parseDate('2026-03-05')!;
    const text = (await issue(await person(), { expiresAt: date })).secret.reveal();
    try {
      for (const [at, expected] of [
        [date - 1, 200],
        [date, 401],
        [date + 1, 401],
      ] as const) {
        clock.set(at);
        assert.equal(await status(text), expected, String(at - date));
      }
    } finally {
      clock.set(START);
    }
  });

  test('an expired key is rotated by id with another key, never by itself', async () => {
    const { api, issue, token } = forge();
    const user = await person();
    const key = await issue(user, { expiresAt: parseDate(TODAY) });
    const itself = await rotate(key.secret.reveal());
    assert.equal(itself.status, 401);
    const made = await api('POST', `/personal_access_tokens/${key.credential.id}/rotate`, { token: await token(user) });
    assert.equal(made.status, 200);
    assert.equal(await status(made.body.token), 200);
  });

  test('the key of a blocked user is not rotated, and stays as it was', async () => {
    const { api, issue, server } = forge();
    const user = await person();
    const key = await issue(user);
    const set = (state: 'blocked' | 'active') =>
      server.services.db.tx((tx) => tx.updateTable('users').set({ state }).where('id', '=', user.id).execute());
    await set('blocked');
    const no = await api('POST', `/personal_access_tokens/${key.credential.id}/rotate`);
    assert.equal(no.status, 400);
    assert.match(no.body.message, /^400 Bad request - /);
    await set('active');
    assert.equal(await status(key.secret.reveal()), 200);
  });

  test('a token cannot rotate its way to sudo: only a holder of that scope gets such a secret', async () => {
    const { api, issue, world } = forge();
    const admin = await world.user({ username: `admin${++count}x`, admin: 1 });
    const strong = await issue(admin, { scopes: ['api', 'sudo'] });
    const weak = (await issue(admin, { scopes: ['api'] })).secret.reveal();
    const path = `/personal_access_tokens/${strong.credential.id}/rotate`;
    const no = await api('POST', path, { token: weak });
    assert.equal(no.status, 403);
    assert.deepEqual([no.body.error, no.body.scope], ['insufficient_scope', 'sudo']);
    assert.equal((await api('POST', path, { token: strong.secret.reveal() })).status, 200);
  });

  test('self_rotate rotates itself and opens nothing else', async () => {
    const { api, issue } = forge();
    const key = await issue(await person(), { scopes: ['self_rotate'] });
    const text = key.secret.reveal();
    const byId = await api('POST', `/personal_access_tokens/${key.credential.id}/rotate`, { token: text });
    assert.deepEqual([byId.status, byId.body.error], [403, 'insufficient_scope']);
    assert.equal((await api('GET', '/personal_access_tokens', { token: text })).status, 403);
    assert.equal((await rotate(text)).status, 200);
  });

  test('rotating without api or self_rotate names both scopes', async () => {
    const text = (await forge().issue(await person(), { scopes: ['read_api'] })).secret.reveal();
    const no = await rotate(text);
    assert.deepEqual([no.status, no.body.error, no.body.scope], [403, 'insufficient_scope', 'api self_rotate']);
  });

  test('the owner is told by mail, and the mail holds no secret', async () => {
    const { issue } = forge();
    const user = await person();
    const made = await rotate((await issue(user, { name: 'mailed' })).secret.reveal());
    const sent = (await mails(forge())).filter((mail) => mail.to === user.email);
    assert.equal(sent.length, 1);
    assert.match(sent[0]!.text, /"mailed" has been rotated/);
    assert.ok(!JSON.stringify(sent).includes(made.body.token));
  });

  test('every rotation is in the audit log with the key before it', async () => {
    const { issue } = forge();
    const key = await issue(await person(), { name: 'audited' });
    const made = await rotate(key.secret.reveal());
    const rows = await auditOf(forge(), 'own_token:rotate');
    const row = rows.find((each) => each.target_id === String(made.body.id));
    assert.equal(row?.credential_id, key.credential.id);
    assert.equal(JSON.parse(row!.details!).previous_id, key.credential.id);
    assert.ok(!JSON.stringify(rows).includes(made.body.token));
  });

  test('a thief who rotates at the very moment of detection keeps nothing', async () => {
    const { issue } = forge();
    for (let round = 0; round < 10; round++) {
      const a = (await issue(await person())).secret.reveal();
      const b = (await rotate(a)).body.token as string;
      const chain = async () => {
        const c = await rotate(b);
        return c.status === 200 ? [c, await rotate(c.body.token)] : [c];
      };
      const [reuse, thief] = await Promise.all([rotate(a), chain()]);
      assert.equal(reuse.status, 401);
      for (const token of [b, ...thief.map((answer) => answer.body.token as string | undefined)])
        if (token !== undefined) assert.equal(await status(token), 401);
    }
  });

  test('reuse of a project token takes its family and its bot', async () => {
    const { api, server, token, world } = forge();
    const maintainer = await person();
    const project = await world.project(await world.group({}));
    await world.member(maintainer, { project }, 40);
    const path = `/projects/${project.id}/access_tokens`;
    const made = await api('POST', path, {
      token: await token(maintainer),
      body: { name: 'bot', scopes: ['api'] },
    });
    const next = await api('POST', `${path}/self/rotate`, { token: made.body.token });
    assert.equal(next.status, 200);
    const reuse = await api('POST', `${path}/self/rotate`, { token: made.body.token });
    assert.equal(reuse.status, 401);
    assert.equal(await status(next.body.token), 401);
    const bot = await server.services.db.read
      .selectFrom('users')
      .select('state')
      .where('id', '=', made.body.user_id)
      .executeTakeFirst();
    assert.equal(bot?.state, 'deleted');
  });

  test('with token_reuse_detection at report, reuse is only written down', async () => {
    const { issue, server } = forge();
    const set = (token_reuse_detection: string) =>
      server.services.db.tx((tx) => updateSettings(tx, { token_reuse_detection }, START + DAY));
    const key = await issue(await person());
    const next = await rotate(key.secret.reveal());
    await set('report');
    try {
      assert.equal((await rotate(key.secret.reveal())).status, 401);
      assert.equal(await status(next.body.token), 200);
      const rows = await auditOf(forge(), 'own_token:rotate');
      const row = rows.find((each) => each.target_id === String(key.credential.id) && each.result === 'refused');
      assert.match(row!.message, /left alone/);
    } finally {
      await set('revoke');
    }
  });
});

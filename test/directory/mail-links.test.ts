// Links sent by mail, end to end: an address is confirmed and a password set by whoever reads the mail box, once and in time; nobody
// learns from the outside who has an account, and nothing but the mail holds the link.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { HOUR, ManualClock, MINUTE } from '../../src/kernel/clock.ts';
import { openMail } from '../../src/mail/smtp.ts';
import { startServer, type TestServer } from '../support/server.ts';

interface Sent {
  readonly to: string;
  readonly subject: string;
  readonly token: string;
}

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`links by mail (${engine})`, () => {
    const clock = new ManualClock(Date.UTC(2026, 2, 1, 15));
    let server: TestServer;
    before(async () => {
      server = await startServer({ engine, clock });
    });
    after(() => server?.stop());

    /** The links that wait to be sent to `to`, oldest first. */
    async function linksTo(to: string): Promise<Sent[]> {
      const { db, keys } = server.services;
      const rows = await db.read
        .selectFrom('tasks')
        .select('payload')
        .where('kind', '=', 'mail')
        .orderBy('id')
        .execute();
      return rows
        .map((row) => openMail(keys, JSON.parse(row.payload)))
        .filter((mail) => mail.to === to && /_token=/.test(mail.text))
        .map((mail) => ({ to: mail.to, subject: mail.subject, token: /_token=([\w-]+)/.exec(mail.text)![1]! }));
    }

    const confirm = (token: string) =>
      server.api('POST', '/keyward/email_confirmations', { token: null, body: { confirmation_token: token } });
    const reset = (token: string, password: string) =>
      server.api('PUT', '/keyward/password_resets', {
        token: null,
        body: { reset_password_token: token, password },
      });
    const askFor = (email: string) => server.api('POST', '/keyward/password_resets', { token: null, body: { email } });
    /** Waits until nothing that was asked for is under way: the server runs its tasks by itself too. */
    async function settle(): Promise<void> {
      const { db } = server.services;
      const waiting = () => db.read.selectFrom('tasks').select('id').where('kind', '=', 'password_reset').execute();
      for (const until = performance.now() + 10_000; performance.now() < until && (await waiting()).length > 0; ) {
        await server.runTasks();
        await new Promise((next) => setTimeout(next, 20));
      }
    }
    const signIn = (login: string, password: string) =>
      server.api('POST', '/keyward/session', { token: null, body: { login, password } });

    it('confirm an own address once, and until then it opens nothing', async () => {
      const { token } = await server.user('ann');
      const added = await server.api('POST', '/user/emails', { token, body: { email: 'ann@work.example' } });
      assert.equal(added.body.confirmed_at, null);
      await askFor('ann@work.example');
      await settle();
      const [link, ...others] = await linksTo('ann@work.example');
      assert.equal(others.length, 0, 'an unconfirmed address gets no link for the password');
      assert.equal(link!.subject, 'Confirmation instructions');

      assert.equal((await reset(link!.token, 'never to be set')).status, 400, 'it is a link for one purpose');
      const page = await server.http('GET', `/users/confirmation?confirmation_token=${link!.token}`);
      assert.equal(page.status, 200);
      const path = `/user/emails/${added.body.id}`;
      assert.equal((await server.api('GET', path, { token })).body.confirmed_at, null, 'looking confirms nothing');
      const form = { confirmation_token: link!.token };
      const done = await server.http('POST', '/users/confirmation', { form });
      assert.equal(done.status, 200, done.text);
      assert.ok((await server.api('GET', path, { token })).body.confirmed_at);
      assert.equal((await server.http('POST', '/users/confirmation', { form })).status, 400);
      const again = await confirm(link!.token);
      assert.deepEqual([again.status, again.body], [400, { message: { confirmation_token: ['is invalid'] } }]);
    });

    it('are sent again when asked, which kills the one before, and die after a day or with their address', async () => {
      const { token } = await server.user('ben');
      const { id } = (await server.api('POST', '/user/emails', { token, body: { email: 'ben@work.example' } })).body;
      const resend = () => server.api('POST', `/user/emails/${id}/resend_confirmation`, { token });
      assert.equal((await resend()).status, 429, 'one a minute');
      clock.advance(MINUTE);
      assert.equal((await resend()).status, 204);
      const [first, second] = await linksTo('ben@work.example');
      assert.equal((await confirm(first!.token)).status, 400);
      clock.advance(24 * HOUR);
      assert.equal((await confirm(second!.token)).status, 400);
      assert.equal((await resend()).status, 204);
      const third = (await linksTo('ben@work.example'))[2]!;
      assert.equal((await server.api('DELETE', `/user/emails/${id}`, { token })).status, 204);
      assert.equal((await confirm(third.token)).status, 400);
      assert.equal((await resend()).status, 404);
    });

    it('are not sent for what administrators vouch for', async () => {
      const { id, token } = await server.user('cleo');
      const path = `/users/${id}/emails`;
      const sure = await server.api('POST', path, { body: { email: 'cleo@a.example', skip_confirmation: true } });
      assert.equal(sure.status, 201, sure.text);
      assert.ok(sure.body.confirmed_at);
      const unsure = await server.api('POST', path, { body: { email: 'cleo@b.example' } });
      assert.equal(unsure.body.confirmed_at, null);
      assert.deepEqual([await linksTo('cleo@a.example'), (await linksTo('cleo@b.example')).length], [[], 1]);
      assert.deepEqual((await server.api('GET', path)).body, [sure.body, unsure.body]);
      for (const [method, at] of [
        ['GET', path],
        ['POST', path],
        ['DELETE', `${path}/${sure.body.id}`],
      ] as const)
        assert.equal(
          (await server.api(method, at, { token, ...(method === 'POST' && { body: { email: 'x@y.z' } }) })).status,
          403,
        );
      assert.equal((await server.api('DELETE', `/users/1/emails/${sure.body.id}`)).status, 404, 'of another user');
      const early = { 'if-unmodified-since': new Date(clock.now() - HOUR).toUTCString() };
      assert.equal((await server.api('DELETE', `${path}/${sure.body.id}`, { headers: early })).status, 412);
      assert.equal((await server.api('DELETE', `${path}/${sure.body.id}`)).status, 204);
    });

    it('let a new user choose a password, whatever was sent beside reset_password', async () => {
      const body = {
        email: 'dora@example.com',
        name: 'Dora',
        username: 'dora',
        password: 'of the admin',
        reset_password: true,
      };
      assert.equal((await server.api('POST', '/users', { body })).status, 201);
      const [link] = await linksTo('dora@example.com');
      assert.equal((await signIn('dora', 'of the admin')).status, 401);
      clock.advance(47 * HOUR);
      const short = await reset(link!.token, 'short');
      assert.deepEqual(short.body, { message: { password: ['is too short (minimum is 8 characters)'] } });
      assert.equal((await reset(link!.token, 'chosen by Dora')).status, 204);
      assert.equal((await signIn('dora', 'chosen by Dora')).status, 201);
      const again = await reset(link!.token, 'chosen by Eve!');
      assert.deepEqual([again.status, again.body], [400, { message: { reset_password_token: ['is invalid'] } }]);
      assert.equal((await signIn('dora', 'chosen by Eve!')).status, 401);
    });

    it('help who forgot his password, and tell strangers nothing', async () => {
      const user = await server.user('fritz');
      const cookie = (await signIn('fritz', user.password)).headers.get('set-cookie')!.split(';')[0]!;
      const known = await askFor('FRITZ@example.com');
      const unknown = await askFor('nobody@example.com');
      assert.deepEqual([known.status, known.body], [unknown.status, unknown.body]);
      assert.equal(known.status, 202);
      await settle();
      const [link] = await linksTo('fritz@example.com');
      assert.deepEqual(await linksTo('nobody@example.com'), []);

      const mails = await server.api('GET', '/keyward/mails?per_page=100');
      assert.ok(!mails.text.includes(link!.token), 'administrators do not read links');
      const stored = JSON.stringify(await server.services.db.read.selectFrom('tasks').selectAll().execute());
      assert.ok(!stored.includes(link!.token), 'nor does who steals the database');

      const page = await server.http('GET', `/users/password/edit?reset_password_token=${link!.token}`);
      assert.match(page.text, /name="password"/);
      const form = { reset_password_token: link!.token, password: 'never again forgotten' };
      const weak = await server.http('POST', '/users/password/edit', { form: { ...form, password: 'x' } });
      assert.deepEqual([weak.status, /role="alert"/.test(weak.text)], [400, true]);
      assert.equal((await server.http('POST', '/users/password/edit', { form })).status, 200);
      assert.equal((await signIn('fritz', 'never again forgotten')).status, 201);
      assert.equal((await server.api('GET', '/keyward/session', { token: null, headers: { cookie } })).status, 401);
      assert.equal((await server.api('GET', '/user', { token: user.token })).status, 200, 'keys stay');
      const events = await server.api(
        'GET',
        `/audit_events?entity_type=User&entity_id=${user.id}&action=account:recover`,
      );
      assert.equal(events.body.length, 2, events.text);
    });

    it('die when the password changes in another way, and never open a blocked account', async () => {
      const gina = await server.user('gina');
      await askFor('gina@example.com');
      await settle();
      clock.advance(MINUTE);
      await server.api('PUT', `/users/${gina.id}`, { body: { password: 'set by root meanwhile' } });
      assert.equal((await reset((await linksTo('gina@example.com'))[0]!.token, 'from an old mail')).status, 400);
      await askFor('gina@example.com');
      await settle();
      const [, second] = await linksTo('gina@example.com');
      await server.api('POST', `/users/${gina.id}/block`);
      assert.equal((await reset(second!.token, 'from an old mail')).status, 400);
      clock.advance(HOUR);
      await askFor('gina@example.com');
      await settle();
      assert.equal((await linksTo('gina@example.com')).length, 2, 'a blocked one gets no mail');
    });

    it('work once when two come together', async () => {
      await server.user('hugo');
      await askFor('hugo@example.com');
      await settle();
      const [link] = await linksTo('hugo@example.com');
      const both = await Promise.all(['the first of two', 'the other of two'].map((next) => reset(link!.token, next)));
      assert.deepEqual(both.map((answer) => answer.status).sort(), [204, 400]);
    });

    it('cannot be asked for or guessed without end, and pages repeat nothing unescaped', async () => {
      clock.advance(HOUR);
      const asked: number[] = [];
      for (let count = 0; count < 11; count++) asked.push((await askFor(`flood${count}@example.com`)).status);
      assert.deepEqual([asked.filter((status) => status === 202).length, asked.at(-1)], [10, 429]);
      const evil = await server.http(
        'GET',
        `/users/confirmation?confirmation_token=${encodeURIComponent('"><script>')}`,
      );
      assert.ok(!evil.text.includes('<script>'));
      assert.match(evil.headers.get('content-security-policy')!, /default-src 'none'/);
      const settings = (await server.api('GET', '/application/settings')).body;
      for (let count = 0; count < settings.failed_authentication_limit; count++) await confirm(`wrong${count}`);
      assert.equal((await confirm('wrong')).status, 429);
    });
  });

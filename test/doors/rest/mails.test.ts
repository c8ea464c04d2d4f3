// Without a mail server nothing is lost: administrators read the waiting mails, nobody else does, and no mail holds a secret.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startServer, type TestServer } from '../../support/server.ts';

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`waiting mails (${engine})`, () => {
    let server: TestServer;
    before(async () => {
      server = await startServer({ engine });
    });
    after(() => server?.stop());

    it('are listed for administrators alone, oldest first and in pages', async () => {
      const { id, token } = await server.user('reader');
      const body = { name: 'laptop', scopes: ['read_api'] };
      const made = await server.api('POST', `/users/${id}/personal_access_tokens`, { body });
      await server.api('DELETE', `/personal_access_tokens/${made.body.id}`);
      await server.runTasks();

      const all = await server.api('GET', '/keyward/mails');
      assert.equal(all.status, 200, all.text);
      const mine = all.body.filter((mail: { to: string }) => mail.to === 'reader@example.com');
      assert.ok(mine.length >= 2, all.text);
      for (const mail of mine) {
        assert.deepEqual(Object.keys(mail).sort(), [
          'attempts',
          'created_at',
          'id',
          'last_error',
          'subject',
          'text',
          'to',
        ]);
        assert.ok(mail.text.includes('laptop') || mail.subject.length > 0);
      }
      assert.ok(!all.text.includes(made.body.token));
      const page = await server.api('GET', '/keyward/mails?per_page=1');
      assert.deepEqual([page.body.length, page.body[0].id], [1, all.body[0].id]);
      assert.equal(Number(page.headers.get('x-total')), all.body.length);

      assert.equal((await server.api('GET', '/keyward/mails', { token })).status, 403);
      assert.equal((await server.api('GET', '/keyward/mails', { token: null })).status, 401);
    });
  });

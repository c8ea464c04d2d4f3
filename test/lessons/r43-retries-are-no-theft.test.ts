// Lesson R43 (GitLab incident 16047: reuse detection revoked healthy tokens):
// 1. a client rotates its token over a bad network: the answer is lost, it asks again, several times and at once;
// 2. reuse detection takes the repeated call for a thief's;
// 3. the whole family dies, and every machine with it.
// With `Idempotency-Key` and `overlap` a retry gets the first answer and the family lives; without them a revoked token at a rotate
// route still ends the family; with `token_reuse_detection: report` it is only written down.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { User } from '../../src/identity/records.ts';
import { type Lab, openLab } from './lab.ts';

describe('a repeated rotation', () => {
  let lab: Lab;
  let user: User;
  before(async () => {
    lab = await openLab();
    user = await lab.world.user({});
  });
  after(() => lab?.stop());

  const rotate = (token: string, key: string | null, overlap = 60) =>
    lab.api('POST', '/personal_access_tokens/self/rotate', {
      token,
      headers: key === null ? {} : { 'idempotency-key': key },
      body: { overlap },
    });
  const works = async (token: string) => (await lab.api('GET', '/user', { token })).status === 200;

  test('of a client that retries as it should never hurts, in ten rounds of five calls at once', async () => {
    let token = await lab.pat(user, 'api');
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all([1, 2, 3, 4, 5].map(() => rotate(token, `round-${round}`)));
      const again = await rotate(token, `round-${round}`);
      const texts = new Set([...answers, again].filter(({ status }) => status === 200).map(({ body }) => body.token));
      assert.equal(texts.size, 1, [...answers, again].map(({ status, text }) => `${status} ${text}`).join('\n'));
      assert.equal(again.status, 200, again.text);
      const [next] = [...texts] as string[];
      assert.ok(await works(token), 'the old one overlaps');
      assert.ok(await works(next!));
      token = next!;
    }
    assert.ok(await works(token));
  });

  test('of a revoked token without any of it ends the family', async () => {
    const first = await lab.pat(user, 'api');
    const second = (await rotate(first, null, 0)).body.token;
    assert.ok(await works(second));
    assert.equal((await lab.api('GET', '/user', { token: first })).status, 401);
    assert.ok(await works(second), 'the mere use of a revoked token ends nothing');
    assert.equal((await rotate(first, null, 0)).status, 401);
    assert.equal(await works(second), false);
  });

  test('is only written down while detection reports', async () => {
    await lab.api('PUT', '/application/settings', { body: { token_reuse_detection: 'report' } });
    const first = await lab.pat(user, 'api');
    const second = (await rotate(first, null, 0)).body.token;
    assert.equal((await rotate(first, null, 0)).status, 401);
    assert.ok(await works(second));
    await lab.api('PUT', '/application/settings', { body: { token_reuse_detection: 'revoke' } });
  });
});

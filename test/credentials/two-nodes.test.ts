// Two nodes over one PostgreSQL, each with its own memory: what one of them ended, blocked or switched off, the other refuses at the
// very next question.
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endCredential } from '../../src/credentials/end.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import { openDatabase } from '../../src/storage/open-database.ts';
import { postgresDatabase } from '../support/engines.ts';
import { makeWorld } from '../support/world.ts';

describe('two nodes over one PostgreSQL', () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });

  it('refuse at once what the other one ended, blocked or switched off', async () => {
    const { url, drop } = await postgresDatabase();
    cleanups.push(drop);
    const open = async () => {
      const db = await openDatabase({ url, clock: systemClock });
      cleanups.push(() => db.close());
      return makeWorld(db);
    };
    const [here, there] = [await open(), await open()];
    const { db } = here.house;
    const user = await here.user();
    const key = (impersonation = false) =>
      here.issue({ kind: 'personal_access_token', userId: user.id, impersonation });
    const word = async ({ secret }: Awaited<ReturnType<typeof key>>) => {
      const verified = await there.verifier.token(secret);
      return verified.ok ? 'alive' : verified.error.code;
    };
    const warm = await key();
    // Until its memory has a session, the other node asks every time.
    for (let i = 0; i < 50; i++) {
      assert.equal(await word(warm), 'alive');
      await sleep(2);
    }
    for (let round = 0; round < 30; round++) {
      const ended = await key();
      for (let i = 0; i < 3; i++) assert.equal(await word(ended), 'alive');
      await db.tx((tx) => endCredential(tx, here.house, ended.credential.id, 'revoked'));
      assert.equal(await word(ended), 'revoked');
    }
    const impersonation = await key(true);
    assert.equal(await word(impersonation), 'alive');
    await db.tx((tx) => updateSettings(tx, { impersonation_enabled: false }, here.clock.now()));
    assert.equal(await word(impersonation), 'impersonation_disabled');
    assert.equal(await word(warm), 'alive');
    await db.tx((tx) => tx.updateTable('users').set({ state: 'blocked' }).where('id', '=', user.id).execute());
    assert.equal(await word(warm), 'holder_blocked');
  });
});

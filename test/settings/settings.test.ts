// Instance settings: the defaults of reference access-tokens 3.5, what may be set, and what is refused.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { defaultSettings, readSettings, updateSettings } from '../../src/settings/settings.ts';
import { upsertSetting } from '../../src/settings/settings-store.ts';
import type { Database } from '../../src/storage/database.ts';
import { forEachEngine } from '../support/engines.ts';

function update(db: Database, patch: Record<string, unknown>) {
  return db.tx((tx) => updateSettings(tx, patch, 1000));
}

forEachEngine('settings', (engine) => {
  it('begin with the defaults', async () => {
    const db = await engine.open();
    const settings = await readSettings(db.read);
    assert.deepEqual(settings, defaultSettings);
    assert.equal(settings.personal_access_token_prefix, 'glpat-');
    assert.equal(settings.max_personal_access_token_lifetime, null);
    assert.equal(settings.dsa_key_restriction, -1);
    assert.equal(Object.keys(settings).length, 36);
    await db.close();
  });

  it('are changed one by one and stay changed', async () => {
    const db = await engine.open();
    await update(db, { session_expire_delay: 60, token_format: 'legacy' });
    await update(db, { session_expire_delay: 90 });
    const settings = await readSettings(db.list);
    assert.deepEqual(settings, { ...defaultSettings, session_expire_delay: 90, token_format: 'legacy' });
    await db.close();
  });

  it('are read from form texts as well as from JSON', async () => {
    const db = await engine.open();
    const changed = await update(db, {
      require_personal_access_token_expiry: 'false',
      deploy_token_write_repository: '1',
      failed_authentication_limit: '5',
      restricted_visibility_levels: 'public,internal',
      receive_max_input_size: 50,
      personal_access_token_prefix: null,
    });
    assert(changed.ok);
    const { value } = changed;
    assert.equal(value.require_personal_access_token_expiry, false);
    assert.equal(value.deploy_token_write_repository, true);
    assert.equal(value.failed_authentication_limit, 5);
    assert.deepEqual(value.restricted_visibility_levels, ['internal', 'public']);
    assert.equal(value.receive_max_input_size, 50);
    assert.equal(value.personal_access_token_prefix, '');
    const unset = await update(db, { receive_max_input_size: '', restricted_visibility_levels: [] });
    assert(unset.ok);
    assert.deepEqual([unset.value.receive_max_input_size, unset.value.restricted_visibility_levels], [null, []]);
    await db.close();
  });

  it('take only the lengths of SSH keys that GitLab takes, and keep others that were stored before as they are', async () => {
    const db = await engine.open();
    for (const [name, good, bad] of [
      ['rsa_key_restriction', [0, -1, 1024, 2048, 3072, '4096'], [1, 2047, 3000, 8192]],
      ['ecdsa_key_restriction', [0, -1, 256, 384, 521], [512, 255]],
      ['ed25519_key_restriction', [0, -1, 256], [255, 512]],
      ['ecdsa_sk_key_restriction', [0, -1, 256], [384]],
      ['ed25519_sk_key_restriction', [0, -1, 256], [128]],
      ['dsa_key_restriction', [0, -1, 1024, 2048, 3072], [4096]],
    ] as const) {
      for (const value of good) assert.ok((await update(db, { [name]: value })).ok, `${name} ${value}`);
      for (const value of bad) {
        const refused = await update(db, { [name]: value });
        assert.deepEqual(refused.ok || refused.error, [{ field: name, text: 'does not have a valid value' }]);
      }
    }
    await db.tx((tx) => upsertSetting(tx, 'rsa_key_restriction', '3000', 2000));
    assert.equal((await readSettings(db.read)).rsa_key_restriction, 3000, 'it does not open the door to short keys');
    await db.close();
  });

  it('refuse a patch with bad values as a whole and name each of them', async () => {
    const db = await engine.open();
    const refused = await update(db, {
      impersonation_enabled: false,
      session_expire_delay: 0,
      token_format: 'short',
      password_authentication_enabled_for_git: 'perhaps',
      personal_access_token_prefix: 'has space',
      instance_token_prefix: 'x'.repeat(21),
      max_personal_access_token_lifetime: 366,
      restricted_visibility_levels: ['secret'],
      default_artifacts_expire_in: '1 day; drop table',
      rsa_key_restriction: 2048.5,
      failed_authentication_period: '1e3',
    });
    assert(!refused.ok);
    assert.deepEqual(Object.fromEntries(refused.error.map(({ field, text }) => [field, text])), {
      max_personal_access_token_lifetime: 'does not have a valid value',
      personal_access_token_prefix: 'is invalid',
      instance_token_prefix: 'is too long (maximum is 20 characters)',
      password_authentication_enabled_for_git: 'is invalid',
      session_expire_delay: 'does not have a valid value',
      restricted_visibility_levels: 'does not have a valid value',
      rsa_key_restriction: 'is invalid',
      default_artifacts_expire_in: 'is invalid',
      token_format: 'does not have a valid value',
      failed_authentication_period: 'is invalid',
    });
    assert.deepEqual(await readSettings(db.read), defaultSettings);
    await db.close();
  });

  it('ignore names that are none, those of every object among them', async () => {
    const db = await engine.open();
    const patch = JSON.parse('{"signup_enabled":true,"__proto__":{"x":1},"constructor":"x","toString":1}');
    const changed = await update(db, patch);
    assert(changed.ok);
    assert.deepEqual(changed.value, defaultSettings);
    assert.deepEqual(await db.read.selectFrom('settings').selectAll().execute(), []);
    await db.close();
  });

  it('of another version that mean nothing here fall back to the default', async () => {
    const db = await engine.open();
    await db.tx(async (tx) => {
      const rows = [
        { name: 'token_format', value: '"quantum"', updated_at: 1 },
        { name: 'from_the_future', value: 'true', updated_at: 1 },
      ];
      await tx.insertInto('settings').values(rows).execute();
    });
    assert.deepEqual(await readSettings(db.read), defaultSettings);
    await db.close();
  });
});

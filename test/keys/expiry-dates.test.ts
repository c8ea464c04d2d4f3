// Until when a new or rotated key may live, under each setting: the last day is taken, the next is not (reference access-tokens
// 7.1, 7.2).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DAY, isoDate, parseDate } from '../../src/kernel/clock.ts';
import { expiryPolicy, latestExpiry, newExpiry, rotatedExpiry } from '../../src/keys/expiry-dates.ts';
import { defaultSettings } from '../../src/settings/settings.ts';

const NOW = Date.UTC(2026, 2, 1, 15);
const day = (text: string): number => parseDate(text)!;

describe('the date of a new key', () => {
  const policy = expiryPolicy(defaultSettings, 'human');

  test('is 365 days ahead when none is given and keys must expire', () => {
    assert.deepEqual(newExpiry(policy, NOW, null), { ok: true, value: day('2027-03-01') });
  });

  test('may be exactly the last day, and not the day after', () => {
    assert.equal(newExpiry(policy, NOW, day('2027-03-01')).ok, true);
    assert.deepEqual(newExpiry(policy, NOW, day('2027-03-02')), { ok: false, error: 'must be before 2027-03-01' });
  });

  test('has no lower bound', () => {
    assert.deepEqual(newExpiry(policy, NOW, day('2001-01-01')), { ok: true, value: day('2001-01-01') });
  });

  test('follows the lower maximum of the setting', () => {
    const short = expiryPolicy({ ...defaultSettings, max_personal_access_token_lifetime: 30 }, 'human');
    assert.equal(isoDate(latestExpiry(short, NOW)), '2026-03-31');
    assert.deepEqual(newExpiry(short, NOW, undefined), { ok: true, value: day('2026-03-31') });
  });

  test('is none, without a limit, when keys need not expire', () => {
    const free = expiryPolicy({ ...defaultSettings, require_personal_access_token_expiry: false }, 'human');
    assert.deepEqual(newExpiry(free, NOW, null), { ok: true, value: null });
    assert.deepEqual(newExpiry(free, NOW, NOW + 5000 * DAY).ok, true);
  });

  test('may be none for service accounts alone', () => {
    const settings = { ...defaultSettings, service_access_tokens_expiration_enforced: false };
    assert.deepEqual(newExpiry(expiryPolicy(settings, 'service_account'), NOW, null), { ok: true, value: null });
    assert.equal(newExpiry(expiryPolicy(settings, 'human'), NOW, null).ok, true);
    assert.notDeepEqual(newExpiry(expiryPolicy(settings, 'human'), NOW, null), { ok: true, value: null });
  });
});

describe('the date after a rotation', () => {
  test('is a week ahead when none is given', () => {
    const policy = expiryPolicy(defaultSettings, 'human');
    assert.deepEqual(rotatedExpiry(policy, NOW, null), { ok: true, value: day('2026-03-08') });
  });

  test('never exceeds a maximum shorter than a week', () => {
    const short = expiryPolicy({ ...defaultSettings, max_personal_access_token_lifetime: 3 }, 'human');
    assert.deepEqual(rotatedExpiry(short, NOW, null), { ok: true, value: day('2026-03-04') });
  });

  test('is none when keys need not expire', () => {
    const free = expiryPolicy({ ...defaultSettings, require_personal_access_token_expiry: false }, 'human');
    assert.deepEqual(rotatedExpiry(free, NOW, null), { ok: true, value: null });
  });
});

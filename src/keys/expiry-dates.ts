// Until when a new key may live: the default, the limit, and the sentence that names the last day (reference access-tokens 7.1).
// It knows settings and dates, and nothing of who asks.
import { DAY, isoDate, startOfDay } from '../kernel/clock.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { InstanceSettings } from '../settings/settings.ts';

/** The longest life of a key in days while expiry is required and nothing lower is set. */
const YEAR = 365;
/** The life of a rotated key in days when the caller names no date. */
const WEEK = 7;

/** Whether new keys must expire, and after how many days at the latest. */
export interface ExpiryPolicy {
  readonly required: boolean;
  readonly limitDays: number;
}

/** The policy for access tokens; service accounts may be let off by `service_access_tokens_expiration_enforced`. */
export function expiryPolicy(settings: InstanceSettings, holderType: string): ExpiryPolicy {
  const enforced = holderType !== 'service_account' || settings.service_access_tokens_expiration_enforced;
  return {
    required: settings.require_personal_access_token_expiry && enforced,
    limitDays: settings.max_personal_access_token_lifetime ?? YEAR,
  };
}

/** The last date (00:00 UTC of it) that a key made at `now` may have; null when there is no limit. */
export function latestExpiry(policy: ExpiryPolicy, now: number): number | null {
  return policy.required ? startOfDay(now) + policy.limitDays * DAY : null;
}

function checked(policy: ExpiryPolicy, now: number, given: number): Result<number, string> {
  const latest = latestExpiry(policy, now);
  // No lower bound: today or a past date gives a key that is dead from the start (reference access-tokens 7.1).
  return latest !== null && given > latest ? err(`must be before ${isoDate(latest)}`) : ok(startOfDay(given));
}

/** The date of a new key: the one given, else the latest allowed, else none. The error follows the word `Expires at`. */
export function newExpiry(
  policy: ExpiryPolicy,
  now: number,
  given: number | null | undefined,
): Result<number | null, string> {
  return given === null || given === undefined ? ok(latestExpiry(policy, now)) : checked(policy, now, given);
}

/** The date of a key's successor: the one given, else a week from today while expiry is required, else none (7.2). */
export function rotatedExpiry(
  policy: ExpiryPolicy,
  now: number,
  given: number | null | undefined,
): Result<number | null, string> {
  if (given !== null && given !== undefined) return checked(policy, now, given);
  return ok(policy.required ? startOfDay(now) + Math.min(WEEK, policy.limitDays) * DAY : null);
}

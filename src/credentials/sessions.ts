// Sign-in sessions of browsers (reference access-tokens 3.6): a cookie of 32 hex characters of which only a keyed digest is kept,
// and a CSRF text derived from it, so that nothing more needs storing. The cookie checks itself: half of it is chance, half a keyed
// digest of that, so that a made-up one costs no look-up (security-lessons R46).

import { timingSafeEqual } from 'node:crypto';
import type { User } from '../identity/records.ts';
import { noteSignIn } from '../identity/sign-in-store.ts';
import { MINUTE } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { InstanceKeys } from '../storage/instance-keys.ts';
import type { Credential } from './credential-rows.ts';
import { insertCredential } from './credential-store.ts';

export const SESSION_COOKIE = '_gitlab_session';
/** HMAC purpose of session digests; apart from tokens, so that a cookie never passes as a token. */
export const SESSION_PURPOSE = 'session';

const HALF = 16;

function makeCookie(house: Pick<House, 'keys' | 'random'>): Secret {
  const chance = house.random(HALF / 2).toString('hex');
  return new Secret(chance + house.keys.digest('session-check', chance).slice(0, HALF));
}

/** Whether `text` is a cookie that an instance with these keys has made. Says nothing of whether its session is alive. */
export function isSoundCookie(keys: InstanceKeys, text: string): boolean {
  if (!/^[0-9a-f]{32}$/.test(text)) return false;
  const [chance, check] = [text.slice(0, HALF), Buffer.from(text.slice(HALF))];
  return keys
    .versions()
    .some((version) =>
      timingSafeEqual(Buffer.from(keys.digest('session-check', chance, version).slice(0, HALF)), check),
    );
}

/** The CSRF texts that prove a session's own page, for each version of the instance key, newest first. */
export function csrfTokenOf(keys: InstanceKeys, cookie: Secret): Secret[] {
  return keys.versions().map((version) => new Secret(keys.digest('csrf', cookie.reveal(), version)));
}

/** Opens a session for a user whose password was just checked. It lives `session_expire_delay` minutes. */
export async function openSession(
  tx: Tx,
  house: House,
  user: User,
): Promise<{ credential: Credential; cookie: Secret; csrf: Secret; maxAgeSeconds: number }> {
  const settings = await readSettings(tx);
  const cookie = makeCookie(house);
  const now = house.clock.now();
  const credential = await insertCredential(tx, {
    kind: 'session',
    secret_digest: house.keys.digest(SESSION_PURPOSE, cookie.reveal()),
    digest_key: house.keys.current,
    fingerprint: null,
    user_id: user.id,
    runner_id: null,
    project_id: null,
    group_id: null,
    job_id: null,
    name: 'browser session',
    description: null,
    scopes: '[]',
    impersonation: 0,
    created_at: now,
    created_by_user_id: user.id,
    created_by_credential_id: null,
    expires_at: now + settings.session_expire_delay * MINUTE,
    family_id: null,
  });
  await noteSignIn(tx, user.id, now);
  return {
    credential,
    cookie,
    csrf: csrfTokenOf(house.keys, cookie)[0]!,
    maxAgeSeconds: settings.session_expire_delay * 60,
  };
}

// Signing in and out of a browser (reference access-tokens 3.6): the deeds behind the session cookie. Whether the password is
// right the verifier says; this opens and ends sessions and writes both to the audit.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { endCredential } from '../credentials/end.ts';
import { openSession } from '../credentials/sessions.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import type { User } from '../identity/records.ts';
import { fail } from '../kernel/faults.ts';
import type { Secret } from '../kernel/secret.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';

export interface SignedIn {
  readonly user: User;
  readonly cookie: Secret;
  readonly csrf: Secret;
  readonly maxAgeSeconds: number;
}

/**
 * Opens a session for the user whose password was just proven. Fault `unauthorized` when it is no password, or when passwords
 * are switched off for the web.
 */
export async function signIn(
  house: House,
  actor: Actor,
  _allowed: Allowed<'session:open'>,
  password: VerifiedCredential,
): Promise<SignedIn> {
  const user = actingUser(password);
  if (password.kind !== 'password' || user === null) fail({ code: 'unauthorized' });
  const settings = await readSettings(house.db.read);
  if (!settings.password_authentication_enabled_for_web) fail({ code: 'unauthorized' });
  return house.db.tx(async (tx) => {
    const { cookie, csrf, credential, maxAgeSeconds } = await openSession(tx, house, user);
    await auditDeed(
      tx,
      house,
      { ...actor, credential: password },
      {
        action: 'session:open',
        entityType: 'User',
        entityId: user.id,
        entityPath: user.username,
        targetType: 'session',
        targetId: credential.id,
        message: 'Signed in',
      },
    );
    return { user, cookie, csrf, maxAgeSeconds };
  });
}

/** Ends the session that asks. */
export async function signOut(house: House, actor: Actor, allowed: Allowed<'session:close'>): Promise<void> {
  const { credential } = allowed;
  const user = actingUser(credential);
  await house.db.tx(async (tx) => {
    if (credential.id === null || !(await endCredential(tx, house, credential.id, 'signed_out'))) return;
    await auditDeed(tx, house, actor, {
      action: 'session:close',
      entityType: 'User',
      entityId: user?.id ?? null,
      entityPath: user?.username ?? null,
      targetType: 'session',
      targetId: credential.id,
      message: 'Signed out',
    });
  });
}

// Deeds on impersonation tokens: personal tokens that an administrator makes to act as a user, hidden from that user (reference
// access-tokens 4.3).
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import { listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import type { User } from '../identity/records.ts';
import { findUser } from '../identity/user-store.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { revokeKey } from './end-key.ts';
import { refuse } from './key-audit.ts';
import { checkedScopes, type KeyWish, scopesFor } from './key-wish.ts';
import { makePersonalToken } from './make-personal-token.ts';
import type { KeyMade } from './rotate-key.ts';

async function userOf(house: House, userId: number): Promise<User> {
  return (await findUser(house.db.read, userId)) ?? fail({ code: 'not_found', thing: 'User' });
}

async function tokenOf(house: House, userId: number, id: number): Promise<CredentialRow> {
  await userOf(house, userId);
  const row = await findCredential(house.db.read, id);
  if (row?.user_id !== userId || row.impersonation === 0)
    return fail({ code: 'not_found', thing: 'Impersonation Token' });
  return row;
}

/** A page of a user's impersonation tokens. */
export async function listImpersonationTokens(
  house: House,
  _allowed: Allowed<'impersonation_token:read'>,
  userId: number,
  state: 'active' | 'inactive' | undefined,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  await userOf(house, userId);
  const filter = { kinds: ['personal_access_token'], userId, impersonation: true, state } as const;
  return listCredentials(house.db.list, filter, slice, house.clock.now());
}

/** One impersonation token of a user. */
export async function getImpersonationToken(
  house: House,
  _allowed: Allowed<'impersonation_token:read'>,
  userId: number,
  id: number,
): Promise<CredentialRow> {
  return tokenOf(house, userId, id);
}

/** Makes an impersonation token. A rule that it breaks is said field by field. */
export async function createImpersonationToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'impersonation_token:manage'>,
  userId: number,
  wish: KeyWish,
): Promise<KeyMade> {
  const user = await userOf(house, userId);
  const choosable = scopesFor('personal_access_token', await readSettings(house.db.read));
  checkedScopes(wish, choosable);
  const { action } = allowed;
  if (user.state !== 'active' || (user.type !== 'human' && user.type !== 'service_account'))
    return refuse(house, actor, action, { userId }, { code: 'invalid_record', fields: { user: ['is not active'] } });
  return makePersonalToken(house, actor, {
    action,
    user,
    wish,
    choosable,
    impersonation: true,
    say: (fields) => ({ code: 'invalid_record', fields }),
  });
}

/**
 * Revokes an impersonation token; again is fine. `precondition_failed` when it was made after `unchangedSince` (milliseconds;
 * null to not ask), whose sender means an older one.
 */
export async function revokeImpersonationToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'impersonation_token:manage'>,
  userId: number,
  id: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const row = await tokenOf(house, userId, id);
  demandUnchanged(row.created_at, unchangedSince);
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

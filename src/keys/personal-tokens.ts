// Deeds on personal access tokens, and on any access token by its owner or an administrator (reference access-tokens 4.1).
// Everybody sees and changes his own; administrators all. What is hidden and what is missing read alike.
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import { type CredentialFilter, listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { ACCESS_TOKEN_KINDS } from '../credentials/kinds.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { findUser } from '../identity/user-store.ts';
import { demandUnchanged, type Fault, fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { remember } from '../storage/memory.ts';
import { revokeKey } from './end-key.ts';
import { expiryPolicy, rotatedExpiry } from './expiry-dates.ts';
import { directLevels, placeOfKey } from './holder-store.ts';
import { type KeyMade, type RotateWish, rotateKey } from './rotate-key.ts';

/** GitLab's bare `404 Not Found`. */
const NOT_FOUND: Fault = { code: 'not_found', thing: '' };

type PersonalProof = { readonly credential: VerifiedCredential; readonly asAdmin: boolean };

/** An access token that the caller may see: his own that is no impersonation token, or any as administrator. */
async function findOwn(house: House, allowed: PersonalProof, id: number): Promise<CredentialRow | null> {
  const row = await findCredential(house.db.read, id);
  if (!row || !ACCESS_TOKEN_KINDS.includes(row.kind)) return null;
  if (allowed.asAdmin) return row;
  const user = actingUser(allowed.credential);
  return user !== null && row.user_id === user.id && row.impersonation === 0 ? row : null;
}

/**
 * A page of access tokens: one's own, or all as administrator. `userId` narrows it; for others than administrators a foreign
 * one is `unauthorized`, for administrators an unknown one `not_found` (reference access-tokens 4.1).
 */
export async function listPersonalTokens(
  house: House,
  allowed: Allowed<'personal_access_token:list'>,
  filter: Omit<CredentialFilter, 'kinds' | 'userId'> & { readonly userId?: number },
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const now = house.clock.now();
  const { userId } = filter;
  if (allowed.asAdmin) {
    if (userId !== undefined && !(await findUser(house.db.read, userId))) fail(NOT_FOUND);
    const all = { ...filter, kinds: ACCESS_TOKEN_KINDS, impersonation: 'any' } as const;
    return listCredentials(house.db.list, all, slice, now);
  }
  const own = actingUser(allowed.credential)?.id;
  if (own === undefined || (userId !== undefined && userId !== own)) fail({ code: 'unauthorized' });
  const mine = { ...filter, kinds: ACCESS_TOKEN_KINDS, userId: own, impersonation: false } as const;
  return listCredentials(house.db.list, mine, slice, now);
}

/** One access token. Hidden and missing are `unauthorized`; for administrators missing is `not_found`. */
export async function getPersonalToken(
  house: House,
  allowed: Allowed<'personal_access_token:read'>,
  id: number,
): Promise<CredentialRow> {
  const row = await findOwn(house, allowed, id);
  return row ?? fail(allowed.asAdmin ? NOT_FOUND : { code: 'unauthorized' });
}

/** The calling token's own row. */
export async function getOwnToken(house: House, allowed: Allowed<'own_token:read'>): Promise<CredentialRow> {
  const { id } = allowed.credential;
  const { read } = house.db;
  const row = id === null ? null : await remember(read, `credential ${id}`, () => findCredential(read, id));
  return row ?? fail({ code: 'unauthorized' });
}

/** Rotates an access token that the caller owns, or any as administrator; see rotateKey. */
export async function rotatePersonalToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'personal_access_token:rotate'>,
  id: number,
  wish: RotateWish,
): Promise<KeyMade> {
  const row = await findOwn(house, allowed, id);
  if (!row) return fail(allowed.asAdmin ? NOT_FOUND : { code: 'unauthorized' });
  return rotateAccessToken(house, actor, row, wish, allowed.action);
}

/** Rotates the calling token itself. */
export async function rotateOwnToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'own_token:rotate'>,
  wish: RotateWish,
): Promise<KeyMade> {
  const row = allowed.credential.id === null ? null : await findCredential(house.db.read, allowed.credential.id);
  if (!row) return fail({ code: 'unauthorized' });
  return rotateAccessToken(house, actor, row, wish, allowed.action);
}

/**
 * Rotates an access token by the rules of 7.2. Who may was asked before. The bot of a project or group token must still be a
 * member there, by whichever route it is rotated (lessons R39).
 */
export async function rotateAccessToken(
  house: House,
  actor: Actor,
  row: CredentialRow,
  wish: RotateWish,
  action: Action,
  alongside?: (tx: Tx) => Promise<void>,
): Promise<KeyMade> {
  const holder = row.user_id === null ? null : await findUser(house.db.read, row.user_id);
  return rotateKey(house, actor, row, wish, {
    action,
    expiry: (settings, now) => rotatedExpiry(expiryPolicy(settings, holder?.type ?? 'human'), now, wish.expiresAt),
    async alongside(tx) {
      const place = placeOfKey(row);
      if (place && !(await directLevels(tx, place, [row.user_id ?? 0])).has(row.user_id ?? 0))
        fail({ code: 'bad_request', reason: 'Failed to find bot user' });
      await alongside?.(tx);
    },
  });
}

/**
 * Revokes an access token; again and again is fine. Hidden and missing are the same `404 Not found` (lessons R40).
 * `precondition_failed` when it was made after `unchangedSince` (milliseconds; null to not ask).
 */
export async function revokePersonalToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'personal_access_token:revoke'>,
  id: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const row = await findOwn(house, allowed, id);
  if (!row) return fail({ code: 'not_found', thing: null });
  demandUnchanged(row.created_at, unchangedSince);
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

/** Revokes the calling token itself. */
export async function revokeOwnToken(house: House, actor: Actor, allowed: Allowed<'own_token:revoke'>): Promise<void> {
  const row = allowed.credential.id === null ? null : await findCredential(house.db.read, allowed.credential.id);
  if (!row) return fail({ code: 'unauthorized' });
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

// Deeds on personal access tokens, and on any access token by its owner or an administrator (reference access-tokens 4.1, 4.2).
// Everybody sees and changes his own; administrators all. What is hidden and what is missing read alike.
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import {
  type CredentialFilter,
  type CredentialRow,
  findCredential,
  listCredentials,
  type Slice,
} from '../credentials/credential-store.ts';
import { issueCredential } from '../credentials/issue.ts';
import { ACCESS_TOKEN_KINDS } from '../credentials/kinds.ts';
import { isAdminScope, type Scope, SELF_CREATABLE_SCOPES } from '../credentials/scopes.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import type { User } from '../identity/records.ts';
import { findUser } from '../identity/user-store.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { revokeKey } from './end-key.ts';
import { expiryPolicy, rotatedExpiry } from './expiry-dates.ts';
import { directLevels, placeOfKey } from './holder-store.ts';
import { auditKey, refuse } from './key-audit.ts';
import {
  checkedScopes,
  checkWish,
  type KeyWish,
  mayHandOut,
  NEEDS_SUDO,
  type SoundWish,
  scopesFor,
  type WishErrors,
  wishSentence,
} from './key-wish.ts';
import { tellOwner } from './notices.ts';
import { fresh, type KeyMade, type RotateWish, rotateKey } from './rotate-key.ts';

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
  const row = allowed.credential.id === null ? null : await findCredential(house.db.read, allowed.credential.id);
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

/** Revokes an access token; again and again is fine. Hidden and missing are the same `404 Not found` (lessons R40). */
export async function revokePersonalToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'personal_access_token:revoke'>,
  id: number,
): Promise<void> {
  const row = await findOwn(house, allowed, id);
  if (!row) return fail({ code: 'not_found', thing: null });
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

/** Revokes the calling token itself. */
export async function revokeOwnToken(house: House, actor: Actor, allowed: Allowed<'own_token:revoke'>): Promise<void> {
  const row = allowed.credential.id === null ? null : await findCredential(house.db.read, allowed.credential.id);
  if (!row) return fail({ code: 'unauthorized' });
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

/** Who a new personal token is for, and how a rule that it breaks is said on the route. */
export interface PersonalTokenMaking {
  readonly action: Action;
  readonly user: User;
  readonly wish: KeyWish;
  /** the scopes that the caller may choose */
  readonly choosable: readonly Scope[];
  readonly impersonation: boolean;
  readonly say: (errors: WishErrors) => Fault;
}

/** Makes a personal token by the rules of 4.2, 6 and 7.1. Who may was asked before. */
export async function makePersonalToken(house: House, actor: Actor, making: PersonalTokenMaking): Promise<KeyMade> {
  const { user, action } = making;
  const where = { userId: user.id };
  const settings = await readSettings(house.db.read);
  const policy = expiryPolicy(settings, user.type);
  const sound = checkWish(making.wish, making.choosable, policy, house.clock.now());
  if (!sound.ok) return refuse(house, actor, action, where, making.say(sound.error));
  if (!mayHandOut(actor.credential, sound.value.scopes)) return refuse(house, actor, action, where, NEEDS_SUDO);
  // Inert for others today, a key to everything on the day that they become administrators.
  if (user.admin === 0 && sound.value.scopes.some(isAdminScope))
    return refuse(house, actor, action, where, making.say({ scopes: ['can only contain available scopes'] }));
  return house.db.tx((tx) => issuePersonal(tx, house, actor, making, sound.value));
}

async function issuePersonal(
  tx: Tx,
  house: House,
  actor: Actor,
  making: PersonalTokenMaking,
  wish: SoundWish,
): Promise<KeyMade> {
  const { impersonation, user } = making;
  // Asked again inside: the account may have been blocked or deleted meanwhile.
  const holder = await findUser(tx, user.id);
  if (holder?.state !== 'active') fail({ code: 'unprocessable', reason: 'Not permitted to create' });
  const issued = await issueCredential(tx, house, {
    kind: 'personal_access_token',
    ...wish,
    userId: user.id,
    impersonation,
    createdByUserId: actingUser(actor.credential)?.id ?? null,
    createdByCredentialId: actor.credential.id,
  });
  const words = impersonation ? 'impersonation token' : 'personal access token';
  await auditKey(tx, house, actor, making.action, issued.credential, `Created ${words} ${wish.name}`);
  await tellOwner(tx, house, issued.credential, 'created');
  return fresh(issued);
}

const sentence = (errors: WishErrors): Fault => ({ code: 'unprocessable', reason: wishSentence(errors) });

/**
 * Makes a token for oneself: any scope from a signed-in browser, else only `k8s_proxy` and `self_rotate` (reference
 * access-tokens 4.2).
 */
export async function createOwnPersonalToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'personal_access_token:create'>,
  wish: KeyWish,
): Promise<KeyMade> {
  const user = actingUser(allowed.credential);
  if (!user) return fail({ code: 'unauthorized' });
  const settings = await readSettings(house.db.read);
  const choosable =
    allowed.credential.kind === 'session' ? scopesFor('personal_access_token', settings) : SELF_CREATABLE_SCOPES;
  return makePersonalToken(house, actor, {
    action: allowed.action,
    user,
    wish,
    choosable,
    impersonation: false,
    say: sentence,
  });
}

/** Makes a token for somebody, as administrator. Token bots have theirs and get no other; `unprocessable` says why not. */
export async function createPersonalTokenFor(
  house: House,
  actor: Actor,
  allowed: Allowed<'user_token:create'>,
  userId: number,
  wish: KeyWish,
): Promise<KeyMade> {
  const user = await findUser(house.db.read, userId);
  if (!user) return fail({ code: 'not_found', thing: 'User' });
  const choosable = scopesFor('personal_access_token', await readSettings(house.db.read));
  checkedScopes(wish, choosable);
  const { action } = allowed;
  if (user.state !== 'active' || (user.type !== 'human' && user.type !== 'service_account'))
    return refuse(house, actor, action, { userId }, { code: 'unprocessable', reason: 'Not permitted to create' });
  return makePersonalToken(house, actor, { action, user, wish, choosable, impersonation: false, say: sentence });
}

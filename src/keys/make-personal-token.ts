// Making personal access tokens: for oneself, for others as administrator, and what both share with impersonation tokens and
// service accounts (reference access-tokens 4.2, 6, 7.1).
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import { issueCredential } from '../credentials/issue.ts';
import { isAdminScope, type Scope, SELF_CREATABLE_SCOPES } from '../credentials/scopes.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import type { User } from '../identity/records.ts';
import { findUser } from '../identity/user-store.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { expiryPolicy } from './expiry-dates.ts';
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
import { fresh, type KeyMade } from './rotate-key.ts';

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

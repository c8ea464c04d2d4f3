// Deeds on service accounts: users without a person, of the instance, a group or a project, and their personal tokens (reference
// access-tokens 4.5).
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { deleteBot } from '../credentials/bots.ts';
import { type CredentialFilter, listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { isPathTaken } from '../identity/namespace-store.ts';
import { addUser } from '../identity/new-user.ts';
import type { User } from '../identity/records.ts';
import { addEmail, removeEmail } from '../identity/user-email-store.ts';
import { updateUser } from '../identity/user-store.ts';
import { fail } from '../kernel/faults.ts';
import { isEmail, usernameErrors } from '../kernel/names.ts';
import { readSettings } from '../settings/settings.ts';
import { type Tx, UniqueViolation } from '../storage/database.ts';
import { type House, mailHost } from '../storage/house.ts';
import { revokeKey } from './end-key.ts';
import type { KeyPlace } from './holder-store.ts';
import { type KeyWish, scopesFor, wishSentence } from './key-wish.ts';
import { makePersonalToken } from './make-personal-token.ts';
import { rotateAccessToken } from './personal-tokens.ts';
import type { KeyMade, RotateWish } from './rotate-key.ts';
import { findAccount, listAccounts } from './service-account-store.ts';

type Reading = 'service_account:read' | 'group_service_account:read' | 'project_service_account:read';
type Managing = 'service_account:manage' | 'group_service_account:manage' | 'project_service_account:manage';
/** The proof for one of the places, or for several where a route serves them alike. */
type ReadProof =
  | { [A in Reading]: Allowed<A> }[Reading]
  | Allowed<Reading>
  | Allowed<Exclude<Reading, 'service_account:read'>>;
type ManageProof =
  | { [A in Managing]: Allowed<A> }[Managing]
  | Allowed<Managing>
  | Allowed<Exclude<Managing, 'service_account:manage'>>;

/** What a caller says of an account; what is absent is defaulted or stays. */
export interface AccountWish {
  readonly name?: string;
  readonly username?: string;
  readonly email?: string;
}

function placeOf(proof: ReadProof | ManageProof): KeyPlace | null {
  const { place } = proof;
  if (place.type === 'project') return { type: 'project', id: place.project.id };
  return place.type === 'group' ? { type: 'group', id: place.group.id } : null;
}

async function accountOf(house: House, proof: ReadProof | ManageProof, id: number): Promise<User> {
  return (await findAccount(house.db.read, placeOf(proof), id)) ?? fail({ code: 'not_found', thing: 'User' });
}

/** A page of the service accounts of the place. */
export async function listServiceAccounts(
  house: House,
  allowed: ReadProof,
  order: { readonly orderBy: 'id' | 'username'; readonly direction: 'asc' | 'desc' },
  slice: Slice,
): Promise<{ rows: User[]; total: number }> {
  return listAccounts(house.db.list, placeOf(allowed), { ...order, ...slice });
}

const taken = (field: 'username' | 'email'): never =>
  fail({ code: 'invalid_record', fields: { [field]: ['has already been taken'] } });

/** Makes a service account. What is not named is made up from the place (reference access-tokens 4.5). */
export async function createServiceAccount(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  wish: AccountWish,
): Promise<User> {
  const place = placeOf(allowed);
  const middle = place === null ? '' : `${place.type}_${place.id}_`;
  const username = wish.username ?? `service_account_${middle}${house.random(16).toString('hex')}`;
  const email = wish.email ?? `${username}@noreply.${mailHost(house)}`;
  checkAccount({ name: wish.name, username, email });
  return house.db.tx(async (tx) => {
    if (await isPathTaken(tx, username)) taken('username');
    const added = await addUser(tx, house, {
      type: 'service_account',
      username,
      email,
      name: wish.name ?? 'Service account user',
      botProjectId: place?.type === 'project' ? place.id : null,
      botGroupId: place?.type === 'group' ? place.id : null,
      createdByUserId: actingUser(actor.credential)?.id ?? null,
    });
    if (!('user' in added)) return taken(added.taken);
    await auditAccount(tx, house, actor, allowed.action, added.user, `Created service account ${username}`);
    return added.user;
  });
}

function checkAccount(wish: AccountWish): void {
  const fields: Record<string, string[]> = {};
  if (wish.username !== undefined) {
    const errors = usernameErrors(wish.username);
    if (errors.length > 0) fields['username'] = errors;
  }
  if (wish.name !== undefined && wish.name.trim() === '') fields['name'] = ["can't be blank"];
  if (wish.name !== undefined && [...wish.name].length > 255)
    fields['name'] = ['is too long (maximum is 255 characters)'];
  if (wish.email !== undefined && !isEmail(wish.email)) fields['email'] = ['is invalid'];
  if (Object.keys(fields).length > 0) fail({ code: 'invalid_record', fields });
}

/** Changes name, user name or address of a service account. */
export async function updateServiceAccount(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  wish: AccountWish,
): Promise<User> {
  const account = await accountOf(house, allowed, id);
  checkAccount(wish);
  const { name, username, email } = wish;
  try {
    return await house.db.tx(async (tx) => {
      const renamed = username !== undefined && username.toLowerCase() !== account.username_lower;
      if (renamed && (await isPathTaken(tx, username))) taken('username');
      const now = house.clock.now();
      const changed = await updateUser(tx, id, {
        ...(name !== undefined && { name }),
        ...(username !== undefined && { username, username_lower: username.toLowerCase() }),
        ...(email !== undefined && { email, email_lower: email.toLowerCase() }),
        updated_at: now,
      });
      if (!changed) return fail({ code: 'not_found', thing: 'User' });
      if (email !== undefined && email.toLowerCase() !== account.email_lower) {
        if (!(await addEmail(tx, { userId: id, email, confirmedAt: now, now }))) taken('email');
        await removeEmail(tx, id, account.email);
      }
      await auditAccount(tx, house, actor, allowed.action, changed, `Changed service account ${changed.username}`);
      return changed;
    });
  } catch (error) {
    if (error instanceof UniqueViolation) return taken(error.touches('email_lower') ? 'email' : 'username');
    throw error;
  }
}

/** Deletes a service account with all its keys; what it made moves to the Ghost User. */
export async function deleteServiceAccount(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
): Promise<void> {
  const account = await accountOf(house, allowed, id);
  await house.db.tx(async (tx) => {
    if (!(await deleteBot(tx, house, id))) return;
    await auditAccount(tx, house, actor, allowed.action, account, `Deleted service account ${account.username}`);
  });
}

async function auditAccount(tx: Tx, house: House, actor: Actor, action: Action, account: User, message: string) {
  await auditDeed(tx, house, actor, {
    action,
    entityType: 'User',
    entityId: account.id,
    entityPath: account.username,
    message,
  });
}

/** A page of a service account's tokens. */
export async function listAccountTokens(
  house: House,
  allowed: ReadProof,
  id: number,
  filter: CredentialFilter,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  await accountOf(house, allowed, id);
  const own = { ...filter, kinds: ['personal_access_token'], userId: id } as const;
  return listCredentials(house.db.list, own, slice, house.clock.now());
}

/** Makes a token for a service account, by the rules of personal tokens. */
export async function createAccountToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  wish: KeyWish,
): Promise<KeyMade> {
  const user = await accountOf(house, allowed, id);
  return makePersonalToken(house, actor, {
    action: allowed.action,
    user,
    wish,
    choosable: scopesFor('personal_access_token', await readSettings(house.db.read)),
    impersonation: false,
    say: (errors) => ({ code: 'unprocessable', reason: wishSentence(errors) }),
  });
}

async function tokenOf(house: House, proof: ManageProof, id: number, tokenId: number): Promise<CredentialRow> {
  await accountOf(house, proof, id);
  const row = await findCredential(house.db.read, tokenId);
  const own = row?.kind === 'personal_access_token' && row.user_id === id;
  return own ? row : fail({ code: 'not_found', thing: 'Personal Access Token' });
}

/** Rotates a token of a service account. */
export async function rotateAccountToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  tokenId: number,
  wish: RotateWish,
): Promise<KeyMade> {
  return rotateAccessToken(house, actor, await tokenOf(house, allowed, id, tokenId), wish, allowed.action);
}

/** Revokes a token of a service account; again is fine. */
export async function revokeAccountToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  tokenId: number,
): Promise<void> {
  const row = await tokenOf(house, allowed, id, tokenId);
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

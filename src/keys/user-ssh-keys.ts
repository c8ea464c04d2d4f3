// Deeds on the SSH keys of people: their own, and anybody's by administrators (reference git-and-deploy 7). Bots have none
// (security-lessons R21). What is removed is forgotten, so that its body may be registered again.
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { Slice } from '../credentials/credential-list-store.ts';
import { forgetCredentials } from '../credentials/credential-store.ts';
import { endCredential } from '../credentials/end.ts';
import {
  authenticatingKeys,
  findByFingerprint,
  findByMd5,
  findSshKey,
  insertSshKey,
  listUserSshKeys,
  type SshKeyRow,
  type UsageType,
} from '../credentials/ssh-key-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import type { User } from '../identity/records.ts';
import { findUser, findUserByIdOrName } from '../identity/user-store.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { isMailable, queueMail } from './notices.ts';
import { checkSshKeyWish, type SshKeyWish, TAKEN, unlessTaken } from './ssh-key-wish.ts';

export interface UserSshKeyWish extends SshKeyWish {
  readonly usageType: UsageType;
}

const NO_KEY: Fault = { code: 'not_found', thing: 'Key' };
const TAKEN_BODY: Fault = { code: 'invalid_record', fields: { fingerprint: [TAKEN], key: [TAKEN] } };

function ownUser(allowed: { readonly credential: Actor['credential'] }): User {
  return actingUser(allowed.credential) ?? fail({ code: 'forbidden', reason: null });
}

/** The user of a path, by id or name; 404 `User` for unknown and deleted ones. */
async function namedUser(house: House, text: string): Promise<User> {
  const user = await findUserByIdOrName(house.db.read, text);
  return user && user.deleted_at === null ? user : fail({ code: 'not_found', thing: 'User' });
}

async function findOf(house: House, userId: number, id: number): Promise<SshKeyRow> {
  const key = await findSshKey(house.db.read, id, 'user_ssh_key');
  return key?.user_id === userId ? key : fail(NO_KEY);
}

/** A page of one's own keys. */
export async function listOwnSshKeys(house: House, allowed: Allowed<'own_ssh_key:read'>, slice: Slice) {
  return listUserSshKeys(house.db.list, ownUser(allowed).id, slice);
}

/** One of the own keys; 404 `Key` for any other. */
export async function getOwnSshKey(house: House, allowed: Allowed<'own_ssh_key:read'>, id: number): Promise<SshKeyRow> {
  return findOf(house, ownUser(allowed).id, id);
}

/** Adds a key of one's own. 400 by field when it is unsound, or its body is registered already, by whomever. */
export async function addOwnSshKey(
  house: House,
  actor: Actor,
  allowed: Allowed<'own_ssh_key:manage'>,
  wish: UserSshKeyWish,
): Promise<SshKeyRow> {
  return add(house, actor, allowed.action, ownUser(allowed), wish);
}

/** Removes one of the own keys; what it holds open is cut. */
export async function removeOwnSshKey(
  house: House,
  actor: Actor,
  allowed: Allowed<'own_ssh_key:manage'>,
  id: number,
): Promise<void> {
  return remove(house, actor, allowed.action, ownUser(allowed), id);
}

/** A page of somebody's keys: public to everyone. */
export async function listSshKeysOf(
  house: House,
  _allowed: Allowed<'user_ssh_key:read'>,
  userText: string,
  slice: Slice,
) {
  return listUserSshKeys(house.db.list, (await namedUser(house, userText)).id, slice);
}

/** One key of somebody. */
export async function getSshKeyOf(
  house: House,
  _allowed: Allowed<'user_ssh_key:read'>,
  userText: string,
  id: number,
): Promise<SshKeyRow> {
  return findOf(house, (await namedUser(house, userText)).id, id);
}

/** Every key with which somebody may sign in now; null when there is no such user. */
export async function signInKeysOf(
  house: House,
  _allowed: Allowed<'user_ssh_key:read'>,
  username: string,
): Promise<SshKeyRow[] | null> {
  // A user name never reads as an id here: the path is `/{username}.keys`.
  const user = /^\d+$/.test(username) ? null : await findUserByIdOrName(house.db.read, username);
  if (!user || user.deleted_at !== null) return null;
  return authenticatingKeys(house.db.list, user.id, house.clock.now());
}

/** Adds a key for somebody, as administrator. */
export async function addSshKeyFor(
  house: House,
  actor: Actor,
  allowed: Allowed<'user_ssh_key:manage'>,
  userText: string,
  wish: UserSshKeyWish,
): Promise<SshKeyRow> {
  return add(house, actor, allowed.action, await namedUser(house, userText), wish);
}

/** Removes somebody's key, as administrator. */
export async function removeSshKeyOf(
  house: House,
  actor: Actor,
  allowed: Allowed<'user_ssh_key:manage'>,
  userText: string,
  id: number,
): Promise<void> {
  return remove(house, actor, allowed.action, await namedUser(house, userText), id);
}

/** A key of either sort by id, or by MD5 or SHA-256 fingerprint; 404 `Key` when there is none. */
export async function identifySshKey(
  house: House,
  _allowed: Allowed<'ssh_key:identify'>,
  which: { readonly id: number } | { readonly fingerprint: string },
): Promise<SshKeyRow> {
  const q = house.db.read;
  if ('id' in which) return (await findSshKey(q, which.id)) ?? fail(NO_KEY);
  const text = which.fingerprint.trim();
  const md5 = /^(?:MD5:)?((?:[0-9a-f]{2}:){15}[0-9a-f]{2})$/i.exec(text)?.[1];
  if (md5 !== undefined) return (await findByMd5(house.db.list, md5)) ?? fail(NO_KEY);
  // A `+` that was not escaped in the query arrives as a space.
  const sha256 = text.replaceAll(' ', '+');
  return (await findByFingerprint(q, sha256))?.row ?? fail(NO_KEY);
}

async function add(house: House, actor: Actor, action: Action, user: User, wish: UserSshKeyWish): Promise<SshKeyRow> {
  if (user.type !== 'human' && user.type !== 'service_account') fail({ code: 'forbidden', reason: null });
  const key = checkSshKeyWish(await readSettings(house.db.read), wish);
  if (!key.ok) return fail({ code: 'invalid_record', fields: key.error });
  const made = await unlessTaken(() =>
    house.db.tx(async (tx) => {
      // Asked again inside: the account may have been deleted meanwhile.
      if ((await findUser(tx, user.id))?.deleted_at !== null) fail({ code: 'not_found', thing: 'User' });
      const credential = await insertSshKey(
        tx,
        {
          kind: 'user_ssh_key',
          key: key.value,
          title: wish.title,
          public: false,
          usageType: wish.usageType,
          userId: user.id,
          expiresAt: wish.expiresAt ?? null,
          createdByUserId: actingUser(actor.credential)?.id ?? null,
          createdByCredentialId: actor.credential.id,
        },
        house.clock.now(),
      );
      const details = { fingerprint: `SHA256:${key.value.sha256}`, usage_type: wish.usageType };
      await audit(tx, house, actor, action, user, credential, `Added SSH key ${wish.title}`, details);
      await tell(tx, house, user, wish.title, key.value.sha256);
      return (await findSshKey(tx, credential.id))!;
    }),
  );
  return made || fail(TAKEN_BODY);
}

async function remove(house: House, actor: Actor, action: Action, user: User, id: number): Promise<void> {
  await house.db.tx(async (tx) => {
    const key = await findSshKey(tx, id, 'user_ssh_key');
    if (key?.user_id !== user.id || !(await endCredential(tx, house, id, 'revoked'))) return fail(NO_KEY);
    await forgetCredentials(tx, [id], house.clock.now());
    await audit(tx, house, actor, action, user, key, `Removed SSH key ${key.title}`);
  });
}

async function audit(
  tx: Tx,
  house: House,
  actor: Actor,
  action: Action,
  user: User,
  key: { readonly id: number; readonly name: string },
  message: string,
  details?: Readonly<Record<string, unknown>>,
): Promise<void> {
  await auditDeed(tx, house, actor, {
    action,
    entityType: 'User',
    entityId: user.id,
    entityPath: user.username,
    targetType: 'user_ssh_key',
    targetId: key.id,
    targetDetails: key.name,
    message,
    details,
  });
}

/** Whoever finds a key of somebody else beside his own should hear of it from us. */
async function tell(tx: Tx, house: House, user: User, title: string, sha256: string): Promise<void> {
  if (!isMailable(house, user)) return;
  await queueMail(tx, house, user, 'SSH key was added to your account', [
    `An SSH key was added to your account: "${title.replace(/\p{Cc}+/gu, ' ')}", SHA256:${sha256}.`,
    'If you did not add it, remove it and change your password.',
  ]);
}

// Deeds of administrators on users: create and change. States and deletion are files of their own. Texts as GitLab's
// (reference git-and-deploy 12.5).
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { endSessionsOfUser } from '../credentials/session-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { lockTrees, moveNamespace, personalNamespace, updateNamespace } from '../identity/namespace-store.ts';
import { addUser } from '../identity/new-user.ts';
import { hashPassword, passwordErrors } from '../identity/passwords.ts';
import type { User } from '../identity/records.ts';
import { addEmail, findEmail, removeEmail } from '../identity/user-email-store.ts';
import { findUser, updateUser } from '../identity/user-store.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { isEmail, usernameErrors } from '../kernel/names.ts';
import type { Secret } from '../kernel/secret.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { clashIs } from './clash.ts';
import { ofUser } from './entities.ts';
import { sendLink } from './mail-links.ts';

/** What an administrator may say of a user; absent means unchanged, or the default for a new one. */
export interface UserWish {
  readonly email?: string | undefined;
  readonly name?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** only for a new one: he chooses his password with a link that he gets by mail */
  readonly reset_password?: boolean | undefined;
  readonly admin?: boolean | undefined;
  readonly external?: boolean | undefined;
  readonly can_create_group?: boolean | undefined;
  readonly projects_limit?: number | undefined;
  readonly note?: string | undefined;
  readonly bio?: string | undefined;
}

const TAKEN = {
  email: { code: 'conflict', reason: 'Email has already been taken' },
  username: { code: 'conflict', reason: 'Username has already been taken' },
} as const satisfies Record<string, Fault>;

/** Ends the deed with 400 by field when a text breaks its rule. */
export function checkUserWish(wish: UserWish): void {
  const fields: Record<string, string[]> = {};
  const check = (field: string, texts: string[]) => {
    if (texts.length > 0) fields[field] = texts;
  };
  if (wish.email !== undefined && !isEmail(wish.email)) check('email', ['is invalid']);
  if (wish.username !== undefined) check('username', usernameErrors(wish.username));
  if (wish.name !== undefined && wish.name.trim() === '') check('name', ["can't be blank"]);
  if (wish.name !== undefined && wish.name.length > 255) check('name', ['is too long (maximum is 255 characters)']);
  if (wish.password !== undefined) check('password', passwordErrors(wish.password));
  if ((wish.projects_limit ?? 0) < 0) check('projects_limit', ['must be greater than or equal to 0']);
  if ((wish.bio?.length ?? 0) > 255) check('bio', ['is too long (maximum is 255 characters)']);
  if (Object.keys(fields).length > 0) fail({ code: 'invalid_record', fields });
}

/**
 * Makes a user with his personal namespace. With `reset_password` he gets a mail with a link, good for two days, that sets his
 * password; without any he cannot sign in until he asks for such a link, or an administrator gives him one. An
 * external user may create neither groups nor projects unless the wish says so.
 */
export async function createUser(
  house: House,
  actor: Actor,
  _allowed: Allowed<'user:administer'>,
  wish: UserWish & { readonly email: string; readonly name: string; readonly username: string },
): Promise<User> {
  checkUserWish(wish);
  const passwordDigest = wish.password && !wish.reset_password ? await hashPassword(wish.password) : null;
  return clashIs(TAKEN.username, () =>
    house.db.tx(async (tx) => {
      const added = await addUser(tx, house, {
        type: 'human',
        username: wish.username,
        name: wish.name,
        email: wish.email,
        admin: wish.admin ?? false,
        external: wish.external ?? false,
        canCreateGroup: wish.can_create_group ?? !wish.external,
        ...(wish.projects_limit !== undefined || wish.external ? { projectsLimit: wish.projects_limit ?? 0 } : {}),
        note: wish.note ?? null,
        bio: wish.bio ?? null,
        passwordDigest,
        createdByUserId: actingUser(actor.credential)?.id ?? null,
      });
      if (!('user' in added)) fail(TAKEN[added.taken]);
      const { user } = added;
      const email = wish.reset_password ? await findEmail(tx, user.email) : null;
      if (email) await sendLink(tx, house, user, email, 'welcome');
      await auditDeed(tx, house, actor, {
        action: 'user:administer',
        ...ofUser(user),
        message: `Created user ${user.username}`,
        details: { admin: user.admin === 1, external: user.external === 1 },
      });
      return user;
    }),
  );
}

/**
 * Changes a user. A new user name moves his personal namespace with all in it; a new password ends his sessions. Token bots
 * and the Ghost User cannot be changed, nor can an administrator step down by himself (403): one always stays. Who is not there is 404 `User`.
 */
export async function changeUser(
  house: House,
  actor: Actor,
  _allowed: Allowed<'user:administer'>,
  userId: number,
  wish: UserWish,
): Promise<User> {
  checkUserWish(wish);
  const digest = wish.password ? await hashPassword(wish.password) : null;
  const taken = (clash: { touches(name: string): boolean }): Fault =>
    TAKEN[clash.touches('email_lower') ? 'email' : 'username'];
  return clashIs(taken, () =>
    house.db.tx(async (tx) => {
      const before = await findUser(tx, userId);
      if (!before) fail({ code: 'not_found', thing: 'User' });
      if (before.type === 'ghost' || before.type === 'project_bot') fail({ code: 'forbidden', reason: null });
      if (wish.admin === false && before.admin === 1 && actingUser(actor.credential)?.id === userId)
        fail({ code: 'forbidden', reason: 'You cannot remove your own administrator rights' });
      const now = house.clock.now();
      if (wish.username !== undefined && wish.username !== before.username)
        await renamePersonalNamespace(tx, userId, wish.username, now);
      if (wish.name !== undefined) await renameDisplay(tx, userId, wish.name, now);
      if (wish.email !== undefined && wish.email !== before.email) await replaceEmail(tx, before, wish.email, now);
      const flag = (value: boolean | undefined) =>
        value === undefined ? undefined : value ? (1 as const) : (0 as const);
      const patch = {
        email: wish.email,
        email_lower: wish.email?.toLowerCase(),
        username: wish.username,
        username_lower: wish.username?.toLowerCase(),
        name: wish.name,
        admin: flag(wish.admin),
        external: flag(wish.external),
        // As for a new one: who becomes external may make nothing, unless it is said in the same breath.
        can_create_group: flag(wish.can_create_group ?? (wish.external ? false : undefined)),
        projects_limit: wish.projects_limit ?? (wish.external ? 0 : undefined),
        note: wish.note,
        bio: wish.bio,
        ...(digest === null ? {} : { password_digest: digest, password_changed_at: now }),
        updated_at: now,
      };
      const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
      const user = await updateUser(tx, userId, given);
      if (!user) fail({ code: 'not_found', thing: 'User' });
      if (digest !== null) await endSessionsOfUser(tx, house, userId, actor.credential.id);
      await auditDeed(tx, house, actor, {
        action: 'user:administer',
        ...ofUser(user),
        message: `Changed user ${user.username}`,
        details: { changed: Object.keys(wish).filter((name) => wish[name as keyof UserWish] !== undefined) },
      });
      return user;
    }),
  );
}

async function renamePersonalNamespace(tx: Tx, userId: number, username: string, now: number): Promise<void> {
  const own = await personalNamespace(tx, userId);
  if (!own) return;
  const [namespace] = await lockTrees(tx, [own.id]);
  if (namespace) await moveNamespace(tx, namespace, { parent: null, path: username, now });
}

async function renameDisplay(tx: Tx, userId: number, name: string, now: number): Promise<void> {
  const own = await personalNamespace(tx, userId);
  if (own) await updateNamespace(tx, own.id, { name, updated_at: now });
}

async function replaceEmail(tx: Tx, user: User, email: string, now: number): Promise<void> {
  await removeEmail(tx, user.id, email);
  await removeEmail(tx, user.id, user.email);
  if (!(await addEmail(tx, { userId: user.id, email, confirmedAt: now, now }))) fail(TAKEN.email);
}

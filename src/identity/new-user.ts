// How a user comes to be: the row, the primary address and, for people, the personal namespace, in one transaction. Rules of
// text are the caller's; this only keeps names and addresses unique.
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { UserType } from '../storage/schema.ts';
import { insertNamespace } from './namespace-store.ts';
import type { User } from './records.ts';
import { addEmail } from './user-email-store.ts';
import { findUserByUsername, GHOST_USERNAME, insertUser } from './user-store.ts';

export interface NewUser {
  readonly type: UserType;
  readonly username: string;
  readonly name: string;
  readonly email: string;
  readonly admin?: boolean;
  readonly external?: boolean;
  readonly canCreateGroup?: boolean;
  readonly projectsLimit?: number;
  readonly note?: string | null;
  readonly bio?: string | null;
  /** argon2id in PHC form, from identity/passwords.ts */
  readonly passwordDigest?: string | null;
  readonly confirmed?: boolean;
  readonly botProjectId?: number | null;
  readonly botGroupId?: number | null;
  readonly createdByUserId?: number | null;
}

/** How many projects a person may have in his own namespace unless an administrator says otherwise. */
export const DEFAULT_PROJECTS_LIMIT = 100_000;

/**
 * Adds a user. Answers which of the two is taken instead, when one is; the transaction must then be given up (`fail`), for
 * half of the user may be there. People get a personal namespace; bots, service accounts and the ghost none.
 */
export async function addUser(
  tx: Tx,
  house: Pick<House, 'clock'>,
  wish: NewUser,
): Promise<{ readonly user: User } | { readonly taken: 'username' | 'email' }> {
  const now = house.clock.now();
  const human = wish.type === 'human';
  const user = await insertUser(tx, {
    type: wish.type,
    state: 'active',
    username: wish.username,
    username_lower: wish.username.toLowerCase(),
    name: wish.name,
    email: wish.email,
    email_lower: wish.email.toLowerCase(),
    admin: wish.admin ? 1 : 0,
    external: wish.external ? 1 : 0,
    can_create_group: (wish.canCreateGroup ?? human) ? 1 : 0,
    projects_limit: wish.projectsLimit ?? (human ? DEFAULT_PROJECTS_LIMIT : 0),
    note: wish.note ?? null,
    bio: wish.bio ?? null,
    password_digest: wish.passwordDigest ?? null,
    password_changed_at: wish.passwordDigest ? now : null,
    bot_project_id: wish.botProjectId ?? null,
    bot_namespace_id: wish.botGroupId ?? null,
    created_by_user_id: wish.createdByUserId ?? null,
    created_at: now,
    updated_at: now,
    confirmed_at: (wish.confirmed ?? true) ? now : null,
  });
  if (!user) return { taken: (await findUserByUsername(tx, wish.username)) ? 'username' : 'email' };
  const confirmedAt = user.confirmed_at;
  if (!(await addEmail(tx, { userId: user.id, email: wish.email, confirmedAt, now }))) return { taken: 'email' };
  if (human) {
    const namespace = await insertNamespace(tx, null, {
      kind: 'user',
      owner_user_id: user.id,
      name: wish.name,
      path: wish.username,
      visibility: 'public',
      description: '',
      settings: '{}',
      created_at: now,
      updated_at: now,
      deleted_at: null,
    });
    if (!namespace) return { taken: 'username' };
  }
  return { user };
}

/** The Ghost User, made when there is none. Called at every start, and by whoever deletes a user. */
export async function ensureGhost(tx: Tx, house: Pick<House, 'clock'>): Promise<User> {
  const known = await findUserByUsername(tx, GHOST_USERNAME);
  if (known?.type === 'ghost') return known;
  const added = await addUser(tx, house, {
    type: 'ghost',
    username: GHOST_USERNAME,
    name: 'Ghost User',
    email: 'ghost@keyward.invalid',
    canCreateGroup: false,
  });
  if ('user' in added) return added.user;
  const other = await findUserByUsername(tx, GHOST_USERNAME);
  if (other?.type !== 'ghost') throw new Error('the user name "ghost" is held by somebody who is not the Ghost User');
  return other;
}

// What administrators do with other people's addresses: look, add and remove. Theirs count as confirmed when they say so.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { User } from '../identity/records.ts';
import {
  addEmail,
  findSecondaryEmail,
  listSecondaryEmails,
  removeEmail,
  type UserEmail,
} from '../identity/user-email-store.ts';
import { findUser } from '../identity/user-store.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import { isEmail } from '../kernel/names.ts';
import type { Queryable } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { ofUser } from './entities.ts';
import { sendLink } from './mail-links.ts';

type Administer = Allowed<'user:administer'>;

async function userOf(q: Queryable, id: number): Promise<User> {
  return (await findUser(q, id)) ?? fail({ code: 'not_found', thing: 'User' });
}

/** The addresses of a user beside his primary one. 404 `User`. */
export async function listUserEmails(
  house: House,
  _allowed: Allowed<'user_email:list'>,
  userId: number,
): Promise<UserEmail[]> {
  const user = await userOf(house.db.read, userId);
  return listSecondaryEmails(house.db.read, user.id);
}

/**
 * Adds an address to a person or a service account. Unconfirmed until its link is opened, unless `confirmed`; then no mail is sent.
 * 404 `User`, 403 for token bots and the Ghost User, 400 by field.
 */
export async function addUserEmail(
  house: House,
  actor: Actor,
  _allowed: Administer,
  userId: number,
  wish: { readonly email: string; readonly confirmed: boolean },
): Promise<UserEmail> {
  if (!isEmail(wish.email)) fail({ code: 'invalid_record', fields: { email: ['is invalid'] } });
  return house.db.tx(async (tx) => {
    const user = await userOf(tx, userId);
    if (user.type === 'ghost' || user.type === 'project_bot') fail({ code: 'forbidden', reason: null });
    const now = house.clock.now();
    const row = { userId, email: wish.email, confirmedAt: wish.confirmed ? now : null, now };
    const added = await addEmail(tx, row);
    if (!added) fail({ code: 'invalid_record', fields: { email: ['has already been taken'] } });
    if (!wish.confirmed) await sendLink(tx, house, user, added, 'confirm_email');
    await auditDeed(tx, house, actor, {
      action: 'user:administer',
      ...ofUser(user),
      message: `Added an e-mail address to user ${user.username}`,
      details: { confirmed: wish.confirmed },
    });
    return added;
  });
}

/** Removes an address of a user, never the primary one. 404 `User` or `Email`; 412 when it changed after `unchangedSince`. */
export async function removeUserEmail(
  house: House,
  actor: Actor,
  _allowed: Administer,
  target: { readonly userId: number; readonly id: number; readonly unchangedSince: number | null },
): Promise<void> {
  await house.db.tx(async (tx) => {
    const user = await userOf(tx, target.userId);
    const email = await findSecondaryEmail(tx, user.id, target.id);
    if (!email) fail({ code: 'not_found', thing: 'Email' });
    demandUnchanged(email.confirmed_at ?? email.created_at, target.unchangedSince);
    if (!(await removeEmail(tx, user.id, email.email))) fail({ code: 'not_found', thing: 'Email' });
    await auditDeed(tx, house, actor, {
      action: 'user:administer',
      ...ofUser(user),
      message: `Removed an e-mail address of user ${user.username}`,
    });
  });
}

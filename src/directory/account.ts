// What people change about themselves: addresses, profile, preferences, status, picture and password. Machines never come here:
// the kinds of these actions are people's (security-lessons R21).
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { endSessionsOfUser } from '../credentials/session-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { checkPassword, hashPassword, passwordErrors } from '../identity/passwords.ts';
import type { User } from '../identity/records.ts';
import { clearFailures, countFailure, lockedUntil } from '../identity/sign-in-store.ts';
import { addEmail, findSecondaryEmail, removeEmail, type UserEmail } from '../identity/user-email-store.ts';
import { updateUser } from '../identity/user-store.ts';
import { DAY, HOUR, MINUTE, SECOND } from '../kernel/clock.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import { isEmail } from '../kernel/names.ts';
import type { Secret } from '../kernel/secret.ts';
import { Throttle } from '../kernel/throttle.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { putAvatar, removeAvatar } from './avatar-store.ts';
import { ofUser } from './entities.ts';
import { sendLink } from './mail-links.ts';

type Mine = Allowed<'account:update'>;

/** The person behind the proof; 403 for the local command line, which is nobody in particular. */
export function ownUser(allowed: { readonly credential: Actor['credential'] }): User {
  return actingUser(allowed.credential) ?? fail({ code: 'forbidden', reason: null });
}

/** How often in a minute somebody may have a link sent to a new address. */
const LINKS_A_MINUTE = 5;
const throttles = new WeakMap<House['db'], Throttle>();

function demandFewLinks(house: House, userId: number): void {
  let throttle = throttles.get(house.db);
  if (!throttle) {
    throttle = new Throttle(house.clock, LINKS_A_MINUTE);
    throttles.set(house.db, throttle);
  }
  const wait = throttle.take(String(userId));
  if (wait !== null) fail({ code: 'too_many_requests', retryAfter: wait });
}

/** Adds an address, unconfirmed until the link in the mail that it gets is opened. 400 by field when it is none, or taken. */
export async function addOwnEmail(house: House, actor: Actor, allowed: Mine, email: string): Promise<UserEmail> {
  const user = ownUser(allowed);
  if (!isEmail(email)) fail({ code: 'invalid_record', fields: { email: ['is invalid'] } });
  demandFewLinks(house, user.id);
  return house.db.tx(async (tx) => {
    const added = await addEmail(tx, { userId: user.id, email, confirmedAt: null, now: house.clock.now() });
    if (!added) fail({ code: 'invalid_record', fields: { email: ['has already been taken'] } });
    await sendLink(tx, house, user, added, 'confirm_email');
    await auditDeed(tx, house, actor, {
      action: 'account:update',
      ...ofUser(user),
      message: 'Added an e-mail address',
    });
    return added;
  });
}

/** Sends the link for one of the own unconfirmed addresses again; the link before is dead. 404 `Email` when there is none such. */
export async function resendConfirmation(house: House, allowed: Mine, id: number): Promise<void> {
  const user = ownUser(allowed);
  const email = await findSecondaryEmail(house.db.read, user.id, id);
  if (!email) fail({ code: 'not_found', thing: 'Email' });
  if (email.confirmed_at !== null) fail({ code: 'bad_request', reason: 'Email was already confirmed' });
  demandFewLinks(house, user.id);
  if (!(await house.db.tx((tx) => sendLink(tx, house, user, email, 'confirm_email'))))
    fail({ code: 'too_many_requests', retryAfter: MINUTE / SECOND });
}

/** Removes one of the own secondary addresses; 404 `Email` for any other id. */
export async function removeOwnEmail(
  house: House,
  actor: Actor,
  allowed: Mine,
  id: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const user = ownUser(allowed);
  await house.db.tx(async (tx) => {
    const email = await findSecondaryEmail(tx, user.id, id);
    if (email) demandUnchanged(email.confirmed_at ?? email.created_at, unchangedSince);
    if (!email || !(await removeEmail(tx, user.id, email.email))) fail({ code: 'not_found', thing: 'Email' });
    await auditDeed(tx, house, actor, {
      action: 'account:update',
      ...ofUser(user),
      message: 'Removed an e-mail address',
    });
  });
}

/** Changes what the own page says. */
export async function changeProfile(
  house: House,
  actor: Actor,
  allowed: Mine,
  wish: { readonly name?: string | undefined; readonly bio?: string | undefined },
): Promise<User> {
  const user = ownUser(allowed);
  const fields: Record<string, string[]> = {};
  if (wish.name !== undefined && wish.name.trim() === '') fields['name'] = ["can't be blank"];
  if ((wish.name?.length ?? 0) > 255) fields['name'] = ['is too long (maximum is 255 characters)'];
  if ((wish.bio?.length ?? 0) > 255) fields['bio'] = ['is too long (maximum is 255 characters)'];
  if (Object.keys(fields).length > 0) fail({ code: 'invalid_record', fields });
  return house.db.tx(async (tx) => {
    const patch = { ...(wish.name === undefined ? {} : { name: wish.name }), ...(wish.bio === undefined ? {} : wish) };
    const changed = await updateUser(tx, user.id, { ...patch, updated_at: house.clock.now() });
    if (!changed) fail({ code: 'not_found', thing: 'User' });
    await auditDeed(tx, house, actor, { action: 'account:update', ...ofUser(user), message: 'Changed the profile' });
    return changed;
  });
}

export interface Preferences {
  readonly view_diffs_file_by_file: boolean;
  readonly show_whitespace_in_diffs: boolean;
  readonly pass_user_identities_to_ci_jwt: boolean;
}

const PREFERENCES: Preferences = {
  view_diffs_file_by_file: false,
  show_whitespace_in_diffs: true,
  pass_user_identities_to_ci_jwt: false,
};

/** A user's preferences; what he never chose has its default. */
export function preferencesOf(user: User): Preferences {
  return { ...PREFERENCES, ...(user.preferences === null ? {} : JSON.parse(user.preferences)) };
}

/** Changes the own preferences. */
export async function changePreferences(
  house: House,
  actor: Actor,
  allowed: Mine,
  wish: Partial<Preferences>,
): Promise<Preferences> {
  const user = ownUser(allowed);
  const given = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== undefined));
  const preferences = { ...preferencesOf(user), ...given };
  await house.db.tx(async (tx) => {
    await updateUser(tx, user.id, { preferences: JSON.stringify(preferences) });
    await auditDeed(tx, house, actor, {
      action: 'account:update',
      ...ofUser(user),
      message: 'Changed the preferences',
      details: { changed: Object.keys(given) },
    });
  });
  return preferences;
}

export interface Status {
  readonly emoji: string | null;
  readonly message: string | null;
  readonly availability: 'not_set' | 'busy';
  /** milliseconds; from then on it counts as none */
  readonly clear_status_at: number | null;
}

const NO_STATUS: Status = { emoji: null, message: null, availability: 'not_set', clear_status_at: null };
export const CLEAR_AFTER = {
  '30_minutes': 30 * MINUTE,
  '3_hours': 3 * HOUR,
  '8_hours': 8 * HOUR,
  '1_day': DAY,
  '3_days': 3 * DAY,
  '7_days': 7 * DAY,
  '30_days': 30 * DAY,
} as const;

/** A user's status at `now`. */
export function statusOf(user: User, now: number): Status {
  const status: Status = user.status === null ? NO_STATUS : { ...NO_STATUS, ...JSON.parse(user.status) };
  return status.clear_status_at !== null && status.clear_status_at <= now ? NO_STATUS : status;
}

/** Sets the own status; `keep` leaves what is not named as it is (PATCH), otherwise it is cleared (PUT). */
export async function changeStatus(
  house: House,
  actor: Actor,
  allowed: Mine,
  wish: {
    readonly emoji?: string | null | undefined;
    readonly message?: string | null | undefined;
    readonly availability?: 'not_set' | 'busy' | undefined;
    readonly clear_status_after?: keyof typeof CLEAR_AFTER | undefined;
  },
  keep: boolean,
): Promise<Status> {
  const user = ownUser(allowed);
  const now = house.clock.now();
  if ((wish.message?.length ?? 0) > 100 || (wish.emoji?.length ?? 0) > 100)
    fail({ code: 'invalid_record', fields: { message: ['is too long (maximum is 100 characters)'] } });
  const before = keep ? statusOf(user, now) : NO_STATUS;
  const status: Status = {
    emoji: wish.emoji === undefined ? before.emoji : wish.emoji,
    message: wish.message === undefined ? before.message : wish.message,
    availability: wish.availability ?? before.availability,
    clear_status_at: wish.clear_status_after ? now + CLEAR_AFTER[wish.clear_status_after] : before.clear_status_at,
  };
  await house.db.tx(async (tx) => {
    await updateUser(tx, user.id, { status: JSON.stringify(status) });
    await auditDeed(tx, house, actor, { action: 'account:update', ...ofUser(user), message: 'Changed the status' });
  });
  return status;
}

export const AVATAR_LIMIT = 200 * 1024;
const PICTURES: readonly [mediaType: string, begins: RegExp][] = [
  ['image/png', /^\x89PNG\r\n\x1a\n/],
  ['image/jpeg', /^\xff\xd8\xff/],
  ['image/gif', /^GIF8[79]a/],
  ['image/webp', /^RIFF.{4}WEBP/s],
];

/** Sets the own picture, or with null removes it. Its type is read from its bytes, never believed; SVG is no picture here. */
export async function changeAvatar(house: House, actor: Actor, allowed: Mine, data: Buffer | null): Promise<User> {
  const user = ownUser(allowed);
  const head = data?.subarray(0, 16).toString('latin1') ?? '';
  const mediaType = PICTURES.find(([, begins]) => begins.test(head))?.[0];
  if (data && data.length > AVATAR_LIMIT)
    fail({ code: 'invalid_record', fields: { avatar: ['is too big (should be at most 200 KiB)'] } });
  if (data && !mediaType)
    fail({
      code: 'invalid_record',
      fields: {
        avatar: [
          'file format is not supported. Please try one of the following supported formats: image/png, image/jpeg, image/gif, image/webp',
        ],
      },
    });
  const now = house.clock.now();
  const key = data ? house.random(16).toString('hex') : null;
  return house.db.tx(async (tx) => {
    if (data && key && mediaType)
      await putAvatar(tx, {
        key,
        user_id: user.id,
        media_type: mediaType,
        data: data.toString('base64'),
        created_at: now,
      });
    else await removeAvatar(tx, user.id);
    const changed = await updateUser(tx, user.id, { avatar_key: key, updated_at: now });
    if (!changed) fail({ code: 'not_found', thing: 'User' });
    await auditDeed(tx, house, actor, { action: 'account:update', ...ofUser(user), message: 'Changed the avatar' });
    return changed;
  });
}

/**
 * Changes the own password, in a session and with the old one (reference git-and-deploy 12.5). Wrong old passwords count as
 * failed sign-ins; the other sessions end.
 */
export async function changePassword(
  house: House,
  actor: Actor,
  allowed: Allowed<'account:change_password'>,
  wish: { readonly current: Secret; readonly next: Secret },
): Promise<void> {
  const user = ownUser(allowed);
  const errors = passwordErrors(wish.next);
  if (errors.length > 0) fail({ code: 'invalid_record', fields: { password: errors } });
  const now = house.clock.now();
  const locked = await lockedUntil(house.db.read, user.id, now);
  if (locked !== null) fail({ code: 'too_many_requests', retryAfter: Math.ceil((locked - now) / SECOND) });
  const right = user.password_digest !== null && (await checkPassword(user.password_digest, wish.current));
  if (!right) {
    const settings = await readSettings(house.db.read);
    const { password_lock_attempts: attempts, password_lock_period: period } = settings;
    await house.db.tx((tx) => countFailure(tx, user.id, now, attempts, period * SECOND));
    fail({ code: 'invalid_record', fields: { current_password: ['is invalid'] } });
  }
  const digest = await hashPassword(wish.next);
  await house.db.tx(async (tx) => {
    await updateUser(tx, user.id, { password_digest: digest, password_changed_at: now, updated_at: now });
    await clearFailures(tx, user.id);
    await endSessionsOfUser(tx, house, user.id, actor.credential.id);
    await auditDeed(tx, house, actor, {
      action: 'account:change_password',
      ...ofUser(user),
      message: 'Changed the password',
    });
  });
}

// Links that people get by mail: one confirms an address, one sets a password. Whoever opens one has read the mail box, and that is
// all the proof there is; so a link is random, kept as a digest, good once and for a time, and goes with its address. What a
// stranger asks for is answered alike whether there is such an account or not.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { endSessionsOfUser } from '../credentials/session-store.ts';
import { findMailLink, putMailLink, takeMailLink } from '../identity/mail-link-store.ts';
import { hashPassword, passwordErrors } from '../identity/passwords.ts';
import type { User } from '../identity/records.ts';
import { clearFailures } from '../identity/sign-in-store.ts';
import { confirmEmail, type UserEmail } from '../identity/user-email-store.ts';
import { findUser, updateUser } from '../identity/user-store.ts';
import { DAY, HOUR, MINUTE } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import type { Secret } from '../kernel/secret.ts';
import { sealMail } from '../mail/smtp.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { MailLinkPurpose } from '../storage/schema.ts';
import { enqueue } from '../tasks/enqueue.ts';
import { ofUser } from './entities.ts';

/** Anybody who came by the link, or asks for one. */
type Reader = Allowed<'account:recover'>;

export type LinkReason = 'confirm_email' | 'reset_password' | 'welcome';

interface Letter {
  readonly purpose: MailLinkPurpose;
  /** milliseconds */
  readonly life: number;
  readonly path: string;
  readonly subject: string;
  readonly says: (email: string) => readonly string[];
  readonly until: string;
}

const RESET_PATH = '/users/password/edit?reset_password_token=';

/** Paths and lives as GitLab's; the texts are ours (decided). */
const LETTERS: Readonly<Record<LinkReason, Letter>> = {
  confirm_email: {
    purpose: 'confirm_email',
    life: DAY,
    path: '/users/confirmation?confirmation_token=',
    subject: 'Confirmation instructions',
    says: (email) => [`Confirm that ${email} is your e-mail address by opening this link:`],
    until: 'The link is good once, and for 24 hours. If you did not ask for this, do nothing.',
  },
  reset_password: {
    purpose: 'reset_password',
    life: 6 * HOUR,
    path: RESET_PATH,
    subject: 'Reset password instructions',
    says: () => ['Somebody, hopefully you, asked to reset the password of your account. Choose a new one here:'],
    until: 'The link is good once, and for 6 hours. If you did not ask for this, do nothing: your password stays.',
  },
  welcome: {
    purpose: 'reset_password',
    life: 2 * DAY,
    path: RESET_PATH,
    subject: 'Account was created for you',
    says: () => ['An administrator made an account for you. Choose its password here:'],
    until: 'The link is good once, and for 2 days. After that, ask for a new one on the page of the link.',
  },
};

/**
 * Makes a link and queues its mail, in the deed's transaction; the link before it of the same purpose is dead. False when that one
 * is younger than a minute: then nothing is sent.
 */
export async function sendLink(
  tx: Tx,
  house: House,
  user: User,
  email: UserEmail,
  reason: LinkReason,
): Promise<boolean> {
  const letter = LETTERS[reason];
  const now = house.clock.now();
  const token = house.random(24).toString('base64url');
  const link = { purpose: letter.purpose, email_id: email.id, created_at: now, expires_at: now + letter.life };
  const digest = house.keys.digest(letter.purpose, token);
  if (!(await putMailLink(tx, { ...link, digest }, now - MINUTE))) return false;
  const name = user.name.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');
  const lines = [`Hi ${name},`, '', `Your user name is ${user.username}.`, ...letter.says(email.email)];
  const text = [...lines, '', `  ${house.url}${letter.path}${token}`, '', letter.until, ''].join('\n');
  const payload = sealMail(house.keys, { to: email.email, subject: letter.subject, text });
  await enqueue(tx, { kind: 'mail', payload, now });
  return true;
}

function look(q: Queryable, house: House, purpose: MailLinkPurpose, token: Secret) {
  const digests = house.keys.versions().map((version) => house.keys.digest(purpose, token.reveal(), version));
  return findMailLink(q, purpose, digests, house.clock.now());
}

/** Whether somebody may be sent a link for a new password: a person who is not blocked, at an address that is surely his. */
export function mayReset(user: User | null, email: UserEmail): user is User {
  return user !== null && user.type === 'human' && user.state === 'active' && email.confirmed_at !== null;
}

/** Confirms the address that the link was sent to. 400 `confirmation_token` when it is no link, used, or too old. */
export async function confirmByLink(house: House, actor: Actor, _allowed: Reader, token: Secret): Promise<UserEmail> {
  const invalid = () => fail({ code: 'invalid_record', fields: { confirmation_token: ['is invalid'] } });
  return house.db.tx(async (tx) => {
    const found = await look(tx, house, 'confirm_email', token);
    if (!found || !(await takeMailLink(tx, found.link.id, found.link.digest))) return invalid();
    const user = await findUser(tx, found.email.user_id);
    const confirmed = await confirmEmail(tx, found.email.id, house.clock.now());
    if (!user || !confirmed) return invalid();
    await auditDeed(tx, house, actor, {
      action: 'account:recover',
      ...ofUser(user),
      message: 'Confirmed an e-mail address with the link sent to it',
    });
    return confirmed;
  });
}

/** Whether a link for a new password is good still; looking does not use it. */
export async function isResetLink(house: House, _allowed: Reader, token: Secret): Promise<boolean> {
  return (await resettable(house.db.read, house, token)) !== null;
}

/** The link with its user; null too when he was blocked, or got a new password in another way since. */
async function resettable(q: Queryable, house: House, token: Secret) {
  const found = await look(q, house, 'reset_password', token);
  const user = found && (await findUser(q, found.email.user_id));
  if (!found || !mayReset(user, found.email)) return null;
  return (user.password_changed_at ?? 0) > found.link.created_at ? null : { link: found.link, user };
}

/**
 * Sets a password with the link that was sent by mail, ends the sessions and forgets failed passwords; keys stay. 400
 * `reset_password_token` when it is no link, used, or too old; 400 `password` when that breaks its rule: the link stays good then.
 */
export async function resetPassword(
  house: House,
  actor: Actor,
  _allowed: Reader,
  wish: { readonly token: Secret; readonly password: Secret },
): Promise<void> {
  const invalid = () => fail({ code: 'invalid_record', fields: { reset_password_token: ['is invalid'] } });
  // Hashing is dear, so it is for those who have a link.
  if (!(await resettable(house.db.read, house, wish.token))) invalid();
  const errors = passwordErrors(wish.password);
  if (errors.length > 0) fail({ code: 'invalid_record', fields: { password: errors } });
  const digest = await hashPassword(wish.password);
  await house.db.tx(async (tx) => {
    const found = await resettable(tx, house, wish.token);
    if (!found || !(await takeMailLink(tx, found.link.id, found.link.digest))) return invalid();
    const now = house.clock.now();
    const { user } = found;
    await updateUser(tx, user.id, { password_digest: digest, password_changed_at: now, updated_at: now });
    await clearFailures(tx, user.id);
    await endSessionsOfUser(tx, house, user.id);
    await auditDeed(tx, house, actor, {
      action: 'account:recover',
      ...ofUser(user),
      message: 'Set a new password with a link sent by mail',
    });
  });
}

/** The task behind `askForReset`; its handler is password-reset-task.ts. APPEND ONLY: stored. */
export const RESET_TASK = 'password_reset';

/**
 * Notes that somebody asked for a link for a new password. The look for the account is a task, so that neither the answer nor its
 * time tells a stranger whether there is one.
 */
export async function askForReset(house: House, _actor: Actor, _allowed: Reader, email: string): Promise<void> {
  const address = email.trim().toLowerCase();
  const uniqueKey = `${RESET_TASK}:${house.keys.digest(RESET_TASK, address)}`;
  await house.db.tx((tx) =>
    enqueue(tx, { kind: RESET_TASK, payload: { email: address }, now: house.clock.now(), uniqueKey }),
  );
}

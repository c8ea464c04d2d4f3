// The mails about keys: made, rotated, revoked, expired, about to expire (reference access-tokens 7.7). They name the key and
// never its text; the mail task sends them after the commit.
import type { Credential } from '../credentials/credential-rows.ts';
import type { User } from '../identity/records.ts';
import { findUser } from '../identity/user-store.ts';
import { isoDate } from '../kernel/clock.ts';
import type { Tx } from '../storage/database.ts';
import { type House, mailHost } from '../storage/house.ts';
import type { StoredKind } from '../storage/schema.ts';
import { enqueue } from '../tasks/enqueue.ts';

const WORDS: Readonly<Partial<Record<StoredKind, string>>> = {
  personal_access_token: 'personal access token',
  group_access_token: 'group access token',
  project_access_token: 'project access token',
  deploy_token: 'deploy token',
};

/** `personal access token` for `personal_access_token`. */
export function kindWords(kind: StoredKind): string {
  return WORDS[kind] ?? kind.replaceAll('_', ' ');
}

export type KeyEvent = 'created' | 'rotated' | 'revoked' | 'expired';

/** What a notice says before it names the key. */
const SUBJECTS: Readonly<Record<KeyEvent, string>> = {
  created: 'A new personal access token has been created',
  rotated: 'Your personal access token has been rotated',
  revoked: 'Your personal access token has been revoked',
  expired: 'Your personal access token has expired',
};

/** One line of plain text: what somebody typed as a name cannot begin a header or a new paragraph. */
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ');
}

/** Whether mail reaches this account: people, and service accounts that were given an address of their own. */
export function isMailable(house: Pick<House, 'url'>, user: User): boolean {
  if (user.state !== 'active' || (user.type !== 'human' && user.type !== 'service_account')) return false;
  return !user.email.toLowerCase().endsWith(`@noreply.${mailHost(house).toLowerCase()}`);
}

/** Queues one mail in the deed's transaction. */
export async function queueMail(tx: Tx, house: House, user: User, subject: string, lines: readonly string[]) {
  const text = [`Hi ${oneLine(user.name)},`, '', ...lines, ''].join('\n');
  await enqueue(tx, { kind: 'mail', payload: { to: user.email, subject, text }, now: house.clock.now() });
}

const settingsUrl = (house: Pick<House, 'url'>): string => `${house.url}/-/user_settings/personal_access_tokens`;

/**
 * Tells the owner of a personal token what happened to it. Bots have no mail box, and impersonation tokens are never spoken
 * of to the user (reference access-tokens 4.3, 7.7).
 */
export async function tellOwner(tx: Tx, house: House, key: Credential, event: KeyEvent): Promise<void> {
  if (key.kind !== 'personal_access_token' || key.impersonation === 1 || key.user_id === null) return;
  const user = await findUser(tx, key.user_id);
  if (!user || !isMailable(house, user)) return;
  const happened: Readonly<Record<KeyEvent, string>> = {
    created: `A new personal access token, named "${oneLine(key.name)}", has been created.`,
    rotated: `Your personal access token "${oneLine(key.name)}" has been rotated: a new one takes its place.`,
    revoked: `Your personal access token "${oneLine(key.name)}" has been revoked.`,
    expired: `Your personal access token "${oneLine(key.name)}" has expired.`,
  };
  await queueMail(tx, house, user, SUBJECTS[event], [
    happened[event],
    `You can check your tokens at ${settingsUrl(house)}.`,
    ...(event === 'expired' ? [] : ['If this was not you, revoke the token and change your password.']),
  ]);
}

/** Tells `user` that a key will expire. `where` names its place, such as `the project acme/web`; null for the user's own. */
export async function tellExpiring(
  tx: Tx,
  house: House,
  user: User,
  key: Credential,
  where: string | null,
): Promise<void> {
  const words = kindWords(key.kind);
  const date = isoDate(key.expires_at);
  const subject = where ? `A ${words} of ${where} will expire on ${date}` : `Your ${words} will expire on ${date}`;
  await queueMail(tx, house, user, oneLine(subject), [
    `The ${words} "${oneLine(key.name)}"${where ? ` of ${where}` : ''} will expire on ${date}, at 00:00 UTC.`,
    'Rotate it, or make a new one, before that day; afterwards it no longer works.',
    ...(where ? [] : [`You can do so at ${settingsUrl(house)}.`]),
  ]);
}

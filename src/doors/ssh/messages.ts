// How the SSH door speaks to people: lines on standard error in GitLab's frame, and the few sentences that only this door says
// (reference git-and-deploy 10.3, 10.5). What other git doors say too stands with the repositories.
import type { UserState } from '../../storage/schema.ts';
import type { SessionOpening } from './frames.ts';

export type Transport = SessionOpening['transport'];

const RULER = '='.repeat(72);

const prefixed = (lines: readonly string[]) => lines.map((line) => `remote: ${line}\n`).join('');

/** A refusal between two rulers, each line prefixed as git prefixes what a server says. */
export function framed(message: string): string {
  return prefixed(['', RULER, '', ...message.split('\n'), '', RULER, '']);
}

/** A refusal in the words of the transport: our own SSH server begins with `ERROR: `, a forced command does not. */
export function refusalFrame(message: string, transport: Transport): string {
  return framed(transport === 'ssh2' ? `ERROR: ${message}` : message);
}

export const NOT_AVAILABLE = 'The git server, Keyward, is not available at this time. Please try again later.';
export const PROTOCOL_OFF = 'Git access over SSH is not allowed';
export const KEY_EXPIRED = 'Your SSH key has expired.';
export const KEY_GONE = 'This SSH key is no longer known.';
export const KEY_ENDED = 'This SSH key was ended while it was in use.';
export const TOO_MANY_SESSIONS = 'Too many sessions of this SSH key are open. Please try again.';
export const READ_ONLY_KEY = 'This deploy key does not have write access to this project.';
export const NO_TWO_FACTOR = 'Two-factor authentication is not enabled for this user';

/** Why an account may not enter; `url` is where people sign in. */
export function accountText(state: UserState | null, url: string): string {
  if (state === 'deactivated')
    return `Your account has been deactivated by your administrator. Please log back in from a web browser to reactivate your account at ${url}`;
  return 'Your account has been blocked.';
}

/** A word of the client's own, fit to be printed back to it. */
export function echo(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}

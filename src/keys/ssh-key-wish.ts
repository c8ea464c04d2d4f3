// What somebody asks of a new SSH key or deploy key, checked before it is registered: the title, the line itself, and what the
// instance takes (reference git-and-deploy 6.2). Deeds say the result under the names that their route uses.
import { parseSshKey, type SshPublicKey } from '../credentials/ssh-key.ts';
import { keyPolicyError } from '../credentials/ssh-key-policy.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { InstanceSettings } from '../settings/settings.ts';
import { UniqueViolation } from '../storage/errors.ts';

/** `expiresAt`: the instant from which it is dead; null or absent for never. */
export interface SshKeyWish {
  readonly title: string;
  /** one line of an SSH public key */
  readonly key: string;
  readonly expiresAt?: number | null;
}

/** field -> what is wrong with it, in the words that follow the field's name. */
export type SshKeyErrors = Readonly<Record<string, readonly string[]>>;

const LONGEST_TITLE = 255;
export const TAKEN = 'has already been taken';

/** What is wrong with a title; empty when nothing is. */
export function titleErrors(title: string): string[] {
  if (title.trim() === '') return ["can't be blank"];
  return [...title].length > LONGEST_TITLE ? [`is too long (maximum is ${LONGEST_TITLE} characters)`] : [];
}

/** Reads and checks a wish against the settings of now. */
export function checkSshKeyWish(settings: InstanceSettings, wish: SshKeyWish): Result<SshPublicKey, SshKeyErrors> {
  const errors: Record<string, readonly string[]> = {};
  const titles = titleErrors(wish.title);
  if (titles.length > 0) errors['title'] = titles;
  const parsed = parseSshKey(wish.key);
  const why = parsed.ok ? keyPolicyError(settings, parsed.value) : parsed.error;
  if (why !== null) errors['key'] = [why];
  return parsed.ok && Object.keys(errors).length === 0 ? ok(parsed.value) : err(errors);
}

/** Runs what registers a key; false stands for a body that is registered already, by whomever. */
export async function unlessTaken<T>(register: () => Promise<T>): Promise<T | false> {
  try {
    return await register();
  } catch (error) {
    if (error instanceof UniqueViolation && error.touches('fingerprint')) return false;
    throw error;
  }
}

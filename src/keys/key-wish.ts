// What somebody asks of a new key, checked before it is made: name, description, scopes, date. The deeds say the result in
// the words that their route uses; who may ask at all was decided before.
import { choosableScopes, isAdminScope, isScope, type Scope } from '../credentials/scopes.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { InstanceSettings } from '../settings/settings.ts';
import type { StoredKind } from '../storage/schema.ts';
import { type ExpiryPolicy, newExpiry } from './expiry-dates.ts';

/** What a caller asks of a new key. `expiresAt`: 00:00 UTC of a date; absent or null for the default. */
export interface KeyWish {
  readonly name: string;
  readonly description?: string | null;
  readonly scopes: readonly string[];
  readonly expiresAt?: number | null;
}

/** A wish that may be granted. */
export interface SoundWish {
  readonly name: string;
  readonly description: string | null;
  readonly scopes: readonly Scope[];
  readonly expiresAt: number | null;
}

/** field -> what is wrong with it, in the words that follow the field's name. */
export type WishErrors = Readonly<Record<string, readonly string[]>>;

const LONGEST = 255;
const TOO_LONG = `is too long (maximum is ${LONGEST} characters)`;

/**
 * The wish's scopes, each once, in the order given. Fails with `scopes does not have a valid value` when one of them is not
 * among `choosable` (reference access-tokens 6.1).
 */
export function checkedScopes(wish: Pick<KeyWish, 'scopes'>, choosable: readonly Scope[]): Scope[] {
  const scopes: Scope[] = [];
  for (const scope of wish.scopes) {
    if (!isScope(scope) || !choosable.includes(scope))
      fail({ code: 'invalid_parameters', texts: ['scopes does not have a valid value'] });
    if (!scopes.includes(scope)) scopes.push(scope);
  }
  return scopes;
}

/** The scopes that may be chosen for a key of this kind under these settings. */
export function scopesFor(kind: StoredKind, settings: InstanceSettings): readonly Scope[] {
  return choosableScopes(kind, { deployTokenWriteRepository: settings.deploy_token_write_repository });
}

/** The scopes that a key of this kind can have under some settings, and those of `wished` that are none of them. */
export function sortedOut(wished: readonly string[], kind: StoredKind) {
  const known = choosableScopes(kind, { deployTokenWriteRepository: true });
  return { known, unknown: wished.filter((name) => !known.some((scope) => scope === name)) };
}

/** Checks what a key's record must hold, and gives the date it will have. Scopes that are unknown fail at once. */
export function checkWish(
  wish: KeyWish,
  choosable: readonly Scope[],
  policy: ExpiryPolicy,
  now: number,
): Result<SoundWish, WishErrors> {
  const scopes = checkedScopes(wish, choosable);
  const errors: Record<string, string[]> = {};
  if (wish.name.trim() === '') errors['name'] = ["can't be blank"];
  else if ([...wish.name].length > LONGEST) errors['name'] = [TOO_LONG];
  if ([...(wish.description ?? '')].length > LONGEST) errors['description'] = [TOO_LONG];
  if (scopes.length === 0) errors['scopes'] = ["can't be blank"];
  const expiry = newExpiry(policy, now, wish.expiresAt);
  if (!expiry.ok) errors['expires_at'] = [expiry.error];
  if (Object.keys(errors).length > 0 || !expiry.ok) return err(errors);
  return ok({ name: wish.name, description: wish.description ?? null, scopes, expiresAt: expiry.value });
}

/** The errors as one sentence: `Expires at must be before 2027-03-01`. */
export function wishSentence(errors: WishErrors): string {
  return Object.entries(errors)
    .flatMap(([field, texts]) => texts.map((text) => `${capitalised(field)} ${text}`))
    .join(', ');
}

function capitalised(field: string): string {
  const words = field.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Whether the caller may be handed a key with these scopes: `sudo` and `admin_mode` only from a signed-in browser, the local
 * command line, or a token that holds the same scope (reference access-tokens 4.2, lessons R4 and R6).
 */
export function mayHandOut(credential: VerifiedCredential, scopes: readonly string[]): boolean {
  if (credential.kind === 'session' || credential.kind === 'local') return true;
  return scopes.every((scope) => !isScope(scope) || !isAdminScope(scope) || credential.scopes.includes(scope));
}

/** What a caller is told who may not. */
export const NEEDS_SUDO: Fault = { code: 'insufficient_scope', scopes: ['sudo'] };

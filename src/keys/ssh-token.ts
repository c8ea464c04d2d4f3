// The deed behind `ssh git@host personal_access_token <name> <scopes> [ttl]`: a person who proved his SSH key makes himself a
// token (reference access-tokens 4.7). The sentences are those that the command prints; frames and exit codes are the door's.
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import { isAdminScope, isScope, type Scope } from '../credentials/scopes.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { DAY, isoDate, startOfDay } from '../kernel/clock.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import type { Secret } from '../kernel/secret.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { scopesFor, wishSentence } from './key-wish.ts';
import { makePersonalToken } from './make-personal-token.ts';

const USUAL_DAYS = 30;
/** More days than any setting allows; keeps the sum within the calendar. */
const MOST_DAYS = 100_000;

/** `ttlDays` null: 30 days from today; else until the day after that many days. */
export interface SshTokenWish {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly ttlDays: number | null;
}

const refuse = (reason: string): never => fail({ code: 'unprocessable', reason });

/**
 * Makes the token, with any scopes but `sudo` and `admin_mode`. What is wrong is a fault `unprocessable` whose reason is the
 * sentence to print. `expiresOn`: `YYYY-MM-DD`, or null when it never expires.
 */
export async function createTokenOverSsh(
  house: House,
  actor: Actor,
  allowed: Allowed<'ssh_token:create'>,
  wish: SshTokenWish,
): Promise<{ readonly secret: Secret; readonly scopes: readonly string[]; readonly expiresOn: string | null }> {
  const user = actingUser(allowed.credential) ?? refuse('Only the SSH key of a user makes tokens');
  const choosable = scopesFor('personal_access_token', await readSettings(house.db.read)).filter(
    (scope) => !isAdminScope(scope),
  );
  const made = await makePersonalToken(house, actor, {
    action: allowed.action,
    user,
    wish: {
      name: wish.name,
      scopes: readScopes(wish.scopes, choosable),
      expiresAt: expiryOf(wish.ttlDays, house.clock.now()),
    },
    choosable,
    impersonation: false,
    say: (errors): Fault => ({ code: 'unprocessable', reason: wishSentence(errors) }),
  });
  return {
    secret: made.secret,
    scopes: JSON.parse(made.credential.scopes),
    expiresOn: isoDate(made.credential.expires_at),
  };
}

function readScopes(words: readonly string[], choosable: readonly Scope[]): Scope[] {
  return words.map((word) => {
    if (isScope(word) && choosable.includes(word)) return word;
    const valid = choosable.map((scope) => `"${scope}"`).join(', ');
    return refuse(`Invalid scope: '${word.replace(/[^\x21-\x7e]/g, '?')}'. Valid scopes are: [${valid}]`);
  });
}

function expiryOf(ttlDays: number | null, now: number): number {
  const today = startOfDay(now);
  if (ttlDays === null) return today + USUAL_DAYS * DAY;
  if (ttlDays < 0 || ttlDays > MOST_DAYS) return refuse(`Invalid value for days_ttl: '${ttlDays}'`);
  return today + (ttlDays + 1) * DAY;
}

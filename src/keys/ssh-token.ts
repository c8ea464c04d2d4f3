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

export const SSH_TOKEN_USAGE = 'Usage: personal_access_token <name> <scope1[,scope2,...]> [ttl_days]';
/** What a deploy key is told; `decide` refuses it by its kind. */
export const SSH_TOKEN_DEPLOY_KEY = 'Deploy keys cannot be used to create personal access tokens';

const USUAL_DAYS = 30;
/** More days than any setting allows; keeps the sum within the calendar. */
const MOST_DAYS = 100_000;

export interface SshToken {
  readonly secret: Secret;
  readonly scopes: readonly string[];
  /** `YYYY-MM-DD`, or null when it never expires */
  readonly expiresAt: string | null;
}

const refuse = (reason: string): never => fail({ code: 'unprocessable', reason });

/**
 * Makes the token. `args` are the words after `personal_access_token`. Any scope but `sudo` and `admin_mode`; 30 days, or until
 * the day after `ttl` days from today. What is wrong is a fault `unprocessable` whose reason is the sentence to print.
 */
export async function createTokenOverSsh(
  house: House,
  actor: Actor,
  allowed: Allowed<'ssh_token:create'>,
  args: readonly string[],
): Promise<SshToken> {
  const [name, scopeList, ttl] = args;
  if (name === undefined || scopeList === undefined || args.length > 3) return refuse(SSH_TOKEN_USAGE);
  const user = actingUser(allowed.credential) ?? refuse('This command needs the SSH key of a user');
  const choosable = scopesFor('personal_access_token', await readSettings(house.db.read)).filter(
    (scope) => !isAdminScope(scope),
  );
  const made = await makePersonalToken(house, actor, {
    action: allowed.action,
    user,
    wish: { name, scopes: readScopes(scopeList, choosable), expiresAt: expiryOf(ttl, house.clock.now()) },
    choosable,
    impersonation: false,
    say: (errors): Fault => ({ code: 'unprocessable', reason: wishSentence(errors) }),
  });
  return {
    secret: made.secret,
    scopes: JSON.parse(made.credential.scopes),
    expiresAt: isoDate(made.credential.expires_at),
  };
}

function readScopes(list: string, choosable: readonly Scope[]): Scope[] {
  return list.split(',').map((word) => {
    if (isScope(word) && choosable.includes(word)) return word;
    const valid = choosable.map((scope) => `"${scope}"`).join(', ');
    return refuse(`Invalid scope: '${word}'. Valid scopes are: [${valid}]`);
  });
}

function expiryOf(ttl: string | undefined, now: number): number {
  const today = startOfDay(now);
  if (ttl === undefined) return today + USUAL_DAYS * DAY;
  const days = /^\d{1,9}$/.test(ttl) ? Number(ttl) : -1;
  if (days < 0 || days > MOST_DAYS) return refuse(`Invalid value for days_ttl: '${ttl}'`);
  return today + (days + 1) * DAY;
}

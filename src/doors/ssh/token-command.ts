// `ssh git@host personal_access_token <name> <scopes> [ttl_days]`: reads its words, asks the room of keys for the token, prints
// three lines (reference access-tokens 4.7). Which scopes there are and who may have them is not known here.
import type { Actor } from '../../credentials/actor.ts';
import { FaultError } from '../../kernel/faults.ts';
import type { Secret } from '../../kernel/secret.ts';
import type { Services } from '../services.ts';
import { echo } from './messages.ts';
import { type Session, SessionRefusal } from './serve-session.ts';

export interface TokenWish {
  readonly name: string;
  readonly scopes: readonly string[];
  /** null: the default life of 30 days; else dead at 00:00 UTC of today + this + 1 */
  readonly ttlDays: number | null;
}

/** Makes the token. Throws a fault whose reason is a sentence for the person. */
export type MakeToken = (
  services: Services,
  actor: Actor,
  wish: TokenWish,
) => Promise<{ readonly secret: Secret; readonly scopes: readonly string[]; readonly expiresOn: string | null }>;

const USAGE = 'Usage: personal_access_token <name> <scope1[,scope2,...]> [ttl_days]';

/** Runs the command. Gives the exit code; throws SessionRefusal when no token is made. */
export async function runPersonalAccessToken(
  { services, credential, opening, streams }: Session,
  make: MakeToken,
  words: readonly string[],
): Promise<number> {
  if (words.length < 2 || words.length > 3) throw new SessionRefusal(USAGE);
  const [name = '', scopes = '', ttl] = words;
  if (ttl !== undefined && !/^[0-9]{1,6}$/.test(ttl))
    throw new SessionRefusal(`Invalid value for days_ttl: '${echo(ttl)}'`);
  if (credential.holder.type !== 'user')
    throw new SessionRefusal('Deploy keys cannot be used to create personal access tokens');
  services.verifier.used(credential, opening.ip);
  try {
    const made = await make(
      services,
      { credential, door: 'ssh', ip: opening.ip },
      { name, scopes: scopes.split(','), ttlDays: ttl === undefined ? null : Number(ttl) },
    );
    const lines = [
      `Token:   ${made.secret.reveal()}`,
      `Scopes:  ${made.scopes.join(',')}`,
      `Expires: ${made.expiresOn ?? 'never'}`,
    ];
    streams.stdout.write(`${lines.join('\n')}\n`);
    return 0;
  } catch (error) {
    throw error instanceof FaultError ? new SessionRefusal(reasonOf(error)) : error;
  }
}

function reasonOf({ fault }: FaultError): string {
  switch (fault.code) {
    case 'bad_request':
    case 'unprocessable':
      return fault.reason;
    case 'invalid_parameters':
      return fault.texts.join(', ');
    case 'invalid_record':
      return Object.entries(fault.fields)
        .flatMap(([field, texts]) => texts.map((text) => `${field} ${text}`))
        .join(', ');
    default:
      return 'The personal access token could not be created.';
  }
}

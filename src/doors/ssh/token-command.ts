// `ssh git@host personal_access_token <name> <scopes> [ttl_days]`: reads its words, asks the room of keys for the token, prints
// three lines (reference access-tokens 4.7). Which scopes there are and who may have them is not known here.
import { decide } from '../../access/decide.ts';
import { FaultError } from '../../kernel/faults.ts';
import { createTokenOverSsh } from '../../keys/ssh-token.ts';
import { echo } from './messages.ts';
import type { Session } from './session.ts';
import { SessionRefusal } from './session-refusal.ts';

const USAGE = 'Usage: personal_access_token <name> <scope1[,scope2,...]> [ttl_days]';
const DEPLOY_KEY = 'Deploy keys cannot be used to create personal access tokens';

/** Runs the command. Gives the exit code; throws SessionRefusal when no token is made. */
export async function runPersonalAccessToken(session: Session, words: readonly string[]): Promise<number> {
  const { services, credential, opening, streams } = session;
  const [name, scopes, ttl] = words;
  if (name === undefined || scopes === undefined || words.length > 3) throw new SessionRefusal(USAGE);
  if (ttl !== undefined && !/^[0-9]{1,5}$/.test(ttl))
    throw new SessionRefusal(`Invalid value for days_ttl: '${echo(ttl)}'`);
  const decided = await decide(services.db.read, services.clock, credential, { action: 'ssh_token:create' });
  if (!decided.ok) throw new SessionRefusal(DEPLOY_KEY);
  services.verifier.used(credential, opening.ip);
  const actor = { credential, door: 'ssh' as const, ip: opening.ip };
  const wish = { name, scopes: scopes.split(','), ttlDays: ttl === undefined ? null : Number(ttl) };
  try {
    const made = await createTokenOverSsh(services, actor, decided.value, wish);
    const list = `Scopes:  ${made.scopes.join(',')}`;
    streams.stdout.write(`Token:   ${made.secret.reveal()}\n${list}\nExpires: ${made.expiresOn ?? 'never'}\n`);
    return 0;
  } catch (error) {
    if (error instanceof FaultError && error.fault.code === 'unprocessable')
      throw new SessionRefusal(error.fault.reason);
    throw error;
  }
}

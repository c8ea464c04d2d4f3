// Acting as somebody else with the `Sudo` header or parameter (reference access-tokens 2.5): who may, and whom it names.
import type { IncomingHttpHeaders } from 'node:http';
import { decide } from '../../access/decide.ts';
import type { Refusal } from '../../access/refusal.ts';
import { findUser } from '../../credentials/holder-store.ts';
import { asSudo } from '../../credentials/sudo.ts';
import { actingUser, type VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { User } from '../../identity/records.ts';
import { isTokenBot } from '../../identity/records.ts';
import { findByLogin } from '../../identity/sign-in-store.ts';
import { parseId } from '../../kernel/names.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import type { Queryable } from '../../storage/database.ts';
import type { House } from '../../storage/house.ts';
import { Repeated, type Tree } from '../http/nested-params.ts';
import { BLOCKED, refusalToReply } from './refusal-to-reply.ts';
import { message, type WireReply } from './wire-reply.ts';

/** Whom the request wants to act as, or null. The parameter counts before the header. */
export function sudoTarget(headers: IncomingHttpHeaders, tree: Tree): string | null {
  const raw = tree['sudo'] instanceof Repeated ? tree['sudo'].values.at(-1) : tree['sudo'];
  const text = raw === undefined || raw === null || raw === '' ? String(headers['sudo'] ?? '') : String(raw);
  return text.trim() === '' ? null : text.trim();
}

/** The credential acting as `target` (an id or a user name), or the answer that says why not. */
export async function applySudo(
  house: Pick<House, 'db' | 'clock'>,
  credential: VerifiedCredential,
  target: string,
): Promise<Result<VerifiedCredential, SudoRefused>> {
  const q = house.db.read;
  const decided = await decide(q, house.clock, credential, { action: 'sudo:use' });
  if (!decided.ok) return err({ reply: refusedReply(credential, decided.error), refusal: decided.error });
  const no = (reply: WireReply) => err({ reply, refusal: null });
  const user = await findTarget(q, target);
  if (user === null) return no(message(404, `404 User with ID or username '${target.slice(0, 255)}' Not Found`));
  if (user.state !== 'active') return no(message(403, BLOCKED));
  return ok(asSudo(credential, user));
}

export interface SudoRefused {
  readonly reply: WireReply;
  /** null when the caller may, and only the target does not do */
  readonly refusal: Refusal | null;
}

/** Who is no administrator hears that first, whatever his token lacks beside it (reference git-and-deploy 4). */
function refusedReply(credential: VerifiedCredential, refusal: Refusal): WireReply {
  const caller = actingUser(credential);
  if (caller !== null && (caller.admin !== 1 || isTokenBot(caller)))
    return message(403, '403 Forbidden - Must be admin to use sudo');
  if (refusal.code === 'kind_not_allowed')
    return message(403, '403 Forbidden - Must be authenticated using an OAuth or personal access token to use sudo');
  return refusalToReply(refusal);
}

async function findTarget(q: Queryable, target: string): Promise<User | null> {
  if (target.includes('\0') || target.includes('@') || target.length > 255) return null;
  const id = /^\d+$/.test(target) ? parseId(target) : null;
  const user = /^\d+$/.test(target) ? id && (await findUser(q, id)) : await findByLogin(q, target);
  return user && user.state !== 'deleted' && user.type !== 'ghost' ? user : null;
}

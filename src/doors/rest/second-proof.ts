// A deed that touches two places needs two proofs. The route's own action gives the first; a handler asks here for the other,
// about a place that the body names (security-lessons R10).
import type { Action } from '../../access/actions.ts';
import type { Allowed } from '../../access/allowed.ts';
import { decide, type Question } from '../../access/decide.ts';
import type { PlaceRef, UnresolvedPlace } from '../../access/place.ts';
import type { Refusal } from '../../access/refusal.ts';
import type { Actor } from '../../credentials/actor.ts';
import { type Fault, fail } from '../../kernel/faults.ts';
import { parseId } from '../../kernel/names.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';

/** What a second refusal says: as the first would, in the words of faults. */
function faultOf(refusal: Refusal): Fault {
  if (refusal.code === 'scope_missing') return { code: 'insufficient_scope', scopes: refusal.acceptedScopes };
  if (refusal.code === 'credential_required') return { code: 'unauthorized' };
  if (refusal.code === 'hidden') return { code: 'not_found', thing: refusal.thing };
  return { code: 'forbidden', reason: null };
}

/**
 * The proof for `question`, or the end of the request. `worded` is said instead of hidden, too low and out of reach, where
 * GitLab has one text for all of them.
 */
export async function demand<A extends Action>(
  services: Services,
  actor: Actor,
  question: Question<A>,
  worded?: Fault,
): Promise<Allowed<A>> {
  const decided = await decide(services.db.read, services.clock, actor.credential, question);
  if (decided.ok) return decided.value;
  const { action, place = null } = question as { action: Action; place?: UnresolvedPlace };
  refusalAuditOf(services).note('rest', decided.error, action, place, actor.ip);
  const fault = faultOf(decided.error);
  return fail(worded && (fault.code === 'not_found' || fault.code === 'forbidden') ? worded : fault);
}

/** A place that a parameter names: all digits are an id. */
export function refOf(text: string): PlaceRef {
  return /^\d+$/.test(text) ? (parseId(text) ?? 0) : text;
}

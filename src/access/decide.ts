// The one place where a credential meets a question: resolves the place, gathers the facts, asks the judge, and makes the
// proof. Every door asks here, so a rule holds everywhere.
import { creatorOf } from '../credentials/deploy-key-creator.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { isTokenBot } from '../identity/records.ts';
import { GUEST } from '../identity/roles.ts';
import { type Clock, isoDate } from '../kernel/clock.ts';
import { parseFullPath } from '../kernel/names.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Queryable } from '../storage/database.ts';
import { type Action, type ActionAt, ruleOf } from './actions.ts';
import { type Allowed, allow } from './allowed.ts';
import { findGrant } from './deploy-key-store.ts';
import { heldLevel, isMemberBelow, loadNamespace, loadProject } from './facts-store.ts';
import { type Facts, judge, type Verdict } from './judge.ts';
import { INSTANCE, type PlaceRef, type UnresolvedPlace } from './place.ts';
import type { Refusal } from './refusal.ts';
import type { PlaceType } from './rule.ts';

/** One question: an action, and the place that its rule asks for. Actions of the instance take none. */
export type Question<A extends Action = Action> =
  A extends ActionAt<'instance'>
    ? { readonly action: A; readonly place?: { readonly type: 'instance' } }
    : { readonly action: A; readonly place: UnresolvedPlace };

const NO_FACTS: Facts = { place: null };
const AT_INSTANCE: Facts = { place: INSTANCE };

/**
 * Asks whether `credential` may do `question.action` there. `q` is `db.read`, or a transaction when the answer must hold
 * until it commits. The place may be an id or any text from outside.
 */
export async function decide<A extends Action>(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  question: Question<A>,
): Promise<Result<Allowed<A>, Refusal>> {
  const { facts, verdict } = await weigh(q, clock, credential, question);
  if (verdict.refusal) return err(verdict.refusal);
  return ok(allow(question.action as A, facts.place!, credential, verdict.asAdmin));
}

/** The verdict with all its locks, and the facts behind it: what `explain` shows. Asks no place when the scope lock says no. */
export async function weigh(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  question: { readonly action: Action; readonly place?: UnresolvedPlace },
): Promise<{ facts: Facts; verdict: Verdict }> {
  if (ruleOf(question.action).place === 'instance')
    return { facts: AT_INSTANCE, verdict: judge(credential, question.action, AT_INSTANCE) };
  const early = judge(credential, question.action, NO_FACTS);
  if (early.refusal?.lock === 'scope') return { facts: NO_FACTS, verdict: early };
  const facts = await gather(q, clock, credential, question);
  return { facts, verdict: judge(credential, question.action, facts) };
}

async function gather(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  question: { readonly action: Action; readonly place?: UnresolvedPlace },
): Promise<Facts> {
  const type = ruleOf(question.action).place;
  if (type === 'instance') return AT_INSTANCE;
  return question.place ? gatherAt(q, clock, credential, type, question.place) : NO_FACTS;
}

/** The facts of one place, looked up as the type that the rule asks for; `{ place: null }` when there is none. */
export async function gatherAt(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  type: Exclude<PlaceType, 'instance'>,
  place: UnresolvedPlace,
): Promise<Facts> {
  if (place.type === 'instance') return NO_FACTS;
  const ref = soundRef(place.ref);
  if (ref === null) return NO_FACTS;
  const today = isoDate(clock.now());
  const user = actingUser(credential);
  const shares = user !== null && !isTokenBot(user);

  if (type === 'project') {
    const found = await loadProject(q, ref);
    if (!found) return NO_FACTS;
    const at = { projectId: found.project.id, namespace: found.namespace };
    const level = user ? await heldLevel(q, user.id, at, today, shares) : 0;
    const facts: Facts = { place: { type: 'project', ...found, level } };
    if (credential.holder.type !== 'deploy_key') return facts;
    return { ...facts, deployKey: await deployKeyFacts(q, clock, credential, found.project.id) };
  }
  const namespace = await loadNamespace(q, ref, type === 'group' ? 'group' : 'any');
  if (!namespace) return NO_FACTS;
  const level = user ? await heldLevel(q, user.id, { projectId: null, namespace }, today, shares) : 0;
  const memberBelow = shares && level < GUEST && (await isMemberBelow(q, user.id, namespace, today));
  if (type === 'group') return { place: { type: 'group', group: namespace, level, moved: false }, memberBelow };
  return { place: { type: 'namespace', namespace, level, moved: false }, memberBelow };
}

/** Where the key is enabled and may push, and whether its creator could push there himself now (reference git-and-deploy 6.5). */
async function deployKeyFacts(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  projectId: number,
): Promise<NonNullable<Facts['deployKey']>> {
  const grant = credential.id === null ? null : await findGrant(q, credential.id, projectId);
  const canPush = grant?.can_push === 1;
  const creator = canPush ? creatorOf(credential) : null;
  const creatorMayPush =
    creator !== null &&
    (await weigh(q, clock, creator, { action: 'repository:push', place: { type: 'project', ref: projectId } })).verdict
      .refusal === null;
  return { enabled: grant !== null, canPush, creatorMayPush };
}

function soundRef(ref: PlaceRef): PlaceRef | null {
  if (typeof ref === 'number') return Number.isSafeInteger(ref) && ref > 0 ? ref : null;
  return parseFullPath(ref);
}

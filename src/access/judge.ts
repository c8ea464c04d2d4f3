// The judge: a pure function from a credential, a rule and the facts of the place to four lock results. It asks no store and
// knows no wire, so `decide`, `explain` and `reach` cannot differ.
import { describeKind } from '../credentials/kinds.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { type FeatureLevel, featureLevels } from '../identity/features.ts';
import { isTokenBot, lineageIds } from '../identity/records.ts';
import { GUEST } from '../identity/roles.ts';
import type { Visibility } from '../storage/schema.ts';
import { type Action, ruleOf } from './actions.ts';
import { kindSets } from './kind-sets.ts';
import type { Place } from './place.ts';
import { LOCKS, type Lock, type LockResult, type Refusal, type RefusalCode } from './refusal.ts';
import type { Rule } from './rule.ts';

/** What the judge must know beside the credential and the action. */
export interface Facts {
  /** null: there is no such place */
  readonly place: Place | null;
  /** groups only: the holder is a member of something below */
  readonly memberBelow?: boolean;
  /** deploy keys only: whether it is enabled in this project, and may push there */
  readonly deployKey?: { readonly enabled: boolean; readonly canPush: boolean; readonly creatorMayPush: boolean };
}

export interface Verdict {
  readonly locks: readonly LockResult[];
  readonly refusal: Refusal | null;
  readonly asAdmin: boolean;
}

/** Whether the holder passes role locks as an administrator. Bots never do. */
export function isAdministrator(credential: VerifiedCredential): boolean {
  if (credential.holder.type === 'operator') return true;
  const user = actingUser(credential);
  return user !== null && user.admin === 1 && !isTokenBot(user);
}

const THINGS = { project: 'Project', group: 'Group', namespace: 'Namespace', instance: null } as const;

/** Passes the question through the four locks in their order: alive, scope, reach, role. */
export function judge(credential: VerifiedCredential, action: Action, facts: Facts): Verdict {
  const rule = ruleOf(action);
  const locks: LockResult[] = [
    { name: 'alive', passed: true, reason: 'the key is genuine and alive', row: credential.kind },
  ];
  const asAdmin = rule.admin && isAdministrator(credential);
  for (const [name, check] of [
    ['scope', scopeLock],
    ['reach', reachLock],
    ['role', roleLock],
  ] as const) {
    const outcome = check(credential, rule, facts);
    locks.push({ name, passed: outcome.code === null, reason: outcome.reason, row: action });
    if (outcome.code !== null) {
      for (const later of LOCKS.slice(LOCKS.indexOf(name) + 1))
        locks.push({ name: later, passed: null, reason: 'not reached', row: action });
      return { locks, refusal: refusal(credential, action, rule, name, outcome, facts), asAdmin };
    }
  }
  return { locks, refusal: null, asAdmin };
}

interface Outcome {
  readonly code: RefusalCode | null;
  readonly reason: string;
}

const yes = (reason: string): Outcome => ({ code: null, reason });
const no = (code: RefusalCode, reason: string): Outcome => ({ code, reason });

function scopeLock(credential: VerifiedCredential, rule: Rule): Outcome {
  if (!kindSets[rule.kinds][credential.kind])
    return credential.kind === 'anonymous'
      ? no('credential_required', 'nobody is signed in')
      : no('kind_not_allowed', `a ${credential.kind} may not do this`);
  if (credential.kind === 'session' && !credential.csrfProven && rule.effect === 'write')
    return no('credential_required', 'the session did not prove that its own page sent the request');
  if (credential.kind === 'anonymous') return yes('open to everyone');
  if (rule.scopes === 'any') return yes('any live key may do this');
  const found = rule.scopes.find((scope) => credential.scopes.includes(scope));
  if (found === undefined) return no('scope_missing', `needs one of: ${rule.scopes.join(' ')}`);
  return yes(
    describeKind(credential.kind).impliedScopes.includes(found) ? `every ${credential.kind} may` : `scope ${found}`,
  );
}

/** Whether the place lies inside what the key was made for. */
export function isInReach(credential: VerifiedCredential, facts: Facts): boolean {
  const { place } = facts;
  if (place === null) return false;
  if (place.type === 'instance') return true;
  switch (credential.reach.type) {
    case 'everything':
      return true;
    case 'project':
      return place.type === 'project' && place.project.id === credential.reach.projectId;
    case 'group': {
      const namespace = place.type === 'group' ? place.group : place.namespace;
      return lineageIds(namespace.lineage).includes(credential.reach.groupId);
    }
    case 'enabled_projects':
      return place.type === 'project' && facts.deployKey?.enabled === true;
  }
}

function visibilityOf(place: Exclude<Place, { type: 'instance' }>): Visibility {
  if (place.type === 'project') return place.project.visibility;
  return place.type === 'group' ? place.group.visibility : place.namespace.visibility;
}

/** Whether the visibility alone shows the place to this caller: public to all, internal to users who are not external. */
export function isOpenTo(credential: VerifiedCredential, visibility: Visibility): boolean {
  if (visibility === 'public') return true;
  if (visibility === 'private') return false;
  const user = actingUser(credential);
  return credential.holder.type === 'operator' || (user !== null && user.external === 0);
}

function featureLevel(rule: Rule, place: Place): FeatureLevel {
  return rule.feature !== undefined && place.type === 'project'
    ? featureLevels(place.project)[rule.feature]
    : 'enabled';
}

function reachLock(credential: VerifiedCredential, rule: Rule, facts: Facts): Outcome {
  const { place } = facts;
  if (place?.type === 'instance') return yes('asked of the instance');
  if (place !== null && isInReach(credential, facts)) return yes('inside what the key was made for');
  if (credential.reach.type === 'everything') return no('hidden', 'there is no such place');
  const open = place !== null && isOpenTo(credential, visibilityOf(place));
  if (credential.holder.type === 'user' && place !== null && open && rule.effect === 'read' && rule.visibility)
    return yes('outside the reach, read by its visibility like any signed-in user');
  if (place === null) return no('hidden', 'there is no such place');
  if (!open || credential.holder.type === 'deploy_token')
    return no(open ? 'out_of_reach' : 'hidden', 'outside the reach of this key');
  return no('out_of_reach', 'outside the reach of this key');
}

function roleLock(credential: VerifiedCredential, rule: Rule, facts: Facts): Outcome {
  const place = facts.place!;
  if (place.type === 'instance') return instanceRole(credential, rule);
  const inReach = isInReach(credential, facts);
  const admin = inReach && isAdministrator(credential);
  const open = isOpenTo(credential, visibilityOf(place));
  const level = inReach ? place.level : 0;
  const itself = inReach && (credential.holder.type === 'deploy_token' || credential.holder.type === 'deploy_key');
  const member = admin || itself || level >= GUEST;
  if (!open && !member && !(place.type === 'group' && facts.memberBelow) && level < 5)
    return no('hidden', 'there is no such place, or it is not visible to the holder');

  const feature = featureLevel(rule, place);
  if (feature === 'disabled') return no('feature_disabled', `${rule.feature} is disabled in this project`);
  if (feature === 'private' && !member) return no('feature_disabled', `${rule.feature} is for members only`);
  if (place.type === 'project' && place.project.archived === 1 && rule.effect === 'write' && !rule.archived)
    return no('archived', 'the project is archived');

  if (itself) return deployLock(credential, rule, facts);
  if (rule.roles?.includes(level)) return yes(`level ${level} is enough`);
  if (admin && rule.admin) return yes('an administrator');
  if (rule.visibility && open) return yes(`${visibilityOf(place)} to the caller`);
  if (rule.visibility && rule.roles?.includes(GUEST) && place.type === 'group' && facts.memberBelow)
    return yes('a member of something below this group');
  return no('role_too_low', `level ${level} is not enough`);
}

function deployLock(credential: VerifiedCredential, rule: Rule, facts: Facts): Outcome {
  if (credential.holder.type === 'deploy_token') return yes('a deploy token inside its reach');
  if (rule.effect === 'read') return yes('a deploy key enabled in this project');
  if (!facts.deployKey?.canPush) return no('role_too_low', 'the deploy key is read-only here');
  return facts.deployKey.creatorMayPush
    ? yes('a deploy key with write access, whose creator may push')
    : no('role_too_low', 'the creator of the deploy key may not push here');
}

function instanceRole(credential: VerifiedCredential, rule: Rule): Outcome {
  const user = actingUser(credential);
  if (rule.instance === 'anyone') return yes('open to everyone');
  if (isAdministrator(credential)) return yes('an administrator');
  switch (rule.instance) {
    case 'self':
      return user !== null ? yes('for oneself') : no('credential_required', 'needs a user');
    case 'human':
      return user !== null && !isTokenBot(user) ? yes('a person') : no('role_too_low', 'needs a person');
    case 'group_creator':
      return user !== null && user.can_create_group === 1 && !isTokenBot(user)
        ? yes('may create groups')
        : no('role_too_low', 'may not create groups');
    default:
      return no('role_too_low', 'needs an administrator');
  }
}

function refusal(
  credential: VerifiedCredential,
  action: Action,
  rule: Rule,
  lock: Lock,
  outcome: Outcome,
  facts: Facts,
): Refusal {
  const code = outcome.code!;
  return {
    lock,
    code,
    visible: code !== 'hidden' && lock !== 'scope' && facts.place !== null,
    acceptedScopes: rule.scopes === 'any' ? [] : rule.scopes,
    thing: THINGS[rule.place],
    row: action,
    detail: outcome.reason,
    credential,
    dead: null,
    message: null,
  };
}

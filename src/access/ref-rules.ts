// May this ref move like that? The part of lock 4 that only a branch or tag can answer: names, protections, the default
// branch, the empty repository (reference git-and-deploy 11.1, 11.2, 11.4). A pure function; what it must know is handed in.

import { type LevelOperation, matchingProtections, type Protection, type ProtectionEntry } from './protections.ts';
import { isSafeRefName, startsWithObjectId } from './ref-names.ts';

/** Who moves it. Levels are the role really held here: being an administrator does not raise them. */
export type RefActor =
  | {
      readonly type: 'user';
      readonly userId: number;
      readonly level: number;
      readonly isAdmin: boolean;
      /** those of the groups named in the protections in which the user is a member */
      readonly groupIds: readonly number[];
    }
  /** with our opt-in scope it may push to what nothing protects (reference git-and-deploy 5.2) */
  | { readonly type: 'deploy_token' }
  | {
      readonly type: 'deploy_key';
      readonly keyId: number;
      readonly canPush: boolean;
      readonly creatorLevel: number;
      readonly creatorCanRead: boolean;
    };

export interface RefFacts {
  readonly actor: RefActor;
  /** what `decide` said to `repository:push` (or its REST twin) */
  readonly mayPush: boolean;
  readonly protections: readonly Protection[];
  readonly defaultBranch: string | null;
  /** the repository has no branch yet */
  readonly empty: boolean;
  /** the setting: 0 none, 1 Developers may push, 2 full, 3 Developers may merge, 4 full after the first push */
  readonly defaultBranchProtection: number;
  /** `web`: REST and the UI, which may do what git may not */
  readonly door: 'git' | 'web';
  readonly projectPath: string;
  /** where its members are listed, named in one text */
  readonly membersUrl: string;
}

export interface RefUpdate {
  /** full: `refs/heads/main` */
  readonly ref: string;
  readonly kind: 'create' | 'update' | 'delete';
  /** the old commit is no ancestor of the new one */
  readonly forced: boolean;
  /** the new commit lies in a branch that is protected already; asked only of `create` */
  readonly inProtectedBranch: boolean;
}

export interface RefRefusal {
  readonly code: 'protected';
  /** the rule that decided: a protection's name, or a word for a rule that everyone has */
  readonly row: string;
  /** for the person who pushes, without the prefix `GitLab: ` */
  readonly message: string;
}

const MAINTAINER = 40;
const DEVELOPER = 30;
const ADMINISTRATORS = 60;

const no = (row: string, message: string): RefRefusal => ({ code: 'protected', row, message });

/** Null when the update is allowed; else the first rule that refuses it, in the order of reference git-and-deploy 11.4. */
export function judgeRefUpdate(facts: RefFacts, update: RefUpdate): RefRefusal | null {
  if (update.ref.startsWith('refs/heads/')) return judgeBranch(facts, update, update.ref.slice('refs/heads/'.length));
  if (update.ref.startsWith('refs/tags/')) return judgeTag(facts, update, update.ref.slice('refs/tags/'.length));
  return mayPushUnprotected(facts) ? null : no('push', NO_PUSH);
}

const NO_PUSH = 'You are not allowed to push code to this project.';

function judgeBranch(facts: RefFacts, update: RefUpdate, name: string): RefRefusal | null {
  if (update.kind === 'delete' && name === facts.defaultBranch)
    return no('default branch', 'The default branch of a project cannot be deleted.');
  if (update.kind !== 'delete') {
    if (startsWithObjectId(name))
      return no('branch name', 'You cannot create a branch with a SHA-1 or SHA-256 branch name.');
    if (!isSafeRefName(name)) return no('branch name', 'You cannot create a branch with an invalid name.');
  }
  const rules = matchingProtections(facts.protections, 'branch', name);
  const firstPush = facts.empty && protectsFirstPush(facts);
  if (rules.length === 0 && !firstPush) return mayPushUnprotected(facts) ? null : no('push', NO_PUSH);
  const row = rules[0]?.name ?? 'empty repository';

  if (update.forced && !rules.some((rule) => rule.allowForcePush))
    return no(row, 'You are not allowed to force push code to a protected branch on this project.');
  if (facts.empty) return mayPushFirst(facts, rules) ? null : no(row, emptyRepositoryText(facts));
  if (update.kind === 'delete') {
    if (!isMaintainer(facts))
      return no(
        row,
        'You are not allowed to delete protected branches from this project. Only a project maintainer or owner can delete a protected branch.',
      );
    return facts.door === 'web' ? null : no(row, 'You can only delete protected branches using the web interface.');
  }
  if (passes(facts, rules, 'push')) return null;
  if (update.kind === 'update')
    return no(row, 'You are not allowed to push code to protected branches on this project.');
  if (!passes(facts, rules, 'merge'))
    return no(row, 'You are not allowed to create protected branches on this project.');
  if (!update.inProtectedBranch)
    return no(row, 'You can only use an existing protected branch ref as the basis of a new protected branch.');
  return facts.door === 'web'
    ? null
    : no(row, 'You can only create protected branches using the web interface and API.');
}

function judgeTag(facts: RefFacts, update: RefUpdate, name: string): RefRefusal | null {
  if (update.kind !== 'delete') {
    if (name === facts.defaultBranch) return no('tag name', 'You cannot use default branch name to create a tag');
    if (startsWithObjectId(name)) return no('tag name', 'You cannot create a tag with a SHA-1 or SHA-256 tag name.');
    if (!isSafeRefName(name)) return no('tag name', 'You cannot create a tag with a prohibited pattern.');
  }
  if (!mayPushUnprotected(facts))
    return update.kind === 'create'
      ? no('push', NO_PUSH)
      : no('existing tag', 'You are not allowed to change existing tags on this project.');
  const rules = matchingProtections(facts.protections, 'tag', name);
  if (rules.length === 0) return null;
  const row = rules[0]!.name;
  if (update.kind === 'update') return no(row, 'Protected tags cannot be updated.');
  if (update.kind === 'create')
    return passes(facts, rules, 'create')
      ? null
      : no(row, 'You are not allowed to create this tag as it is protected.');
  if (!isMaintainer(facts))
    return no(
      row,
      'You are not allowed to delete protected tags from this project. Only a project maintainer or owner can delete a protected tag.',
    );
  return facts.door === 'web' ? null : no(row, 'You can only delete protected tags using the web interface.');
}

/** Whether this actor would pass the protections' entries for `operation` on a branch of that name; for presenters too. */
export function passesBranchRules(facts: RefFacts, branch: string, operation: 'push' | 'merge'): boolean {
  const rules = matchingProtections(facts.protections, 'branch', branch);
  return rules.length === 0 ? mayPushUnprotected(facts) : passes(facts, rules, operation);
}

/** Whether this actor may take a protection away: as its entries say, or any Maintainer where it has none. */
export function mayUnprotect(facts: RefFacts, protection: Protection): boolean {
  return protection.levels.unprotect.length === 0 || passes(facts, [protection], 'unprotect');
}

/** Whether the rules that speak about a branch let every Developer push or merge; true where nothing protects it. */
export function developersMay(
  protections: readonly Protection[],
  branch: string,
  operation: 'push' | 'merge',
): boolean {
  return matchingProtections(protections, 'branch', branch).some((rule) =>
    rule.levels[operation].some((entry) => isRole(entry) && entry.accessLevel === DEVELOPER),
  );
}

/** Several rules: the most permissive wins, entry by entry. */
function passes(facts: RefFacts, rules: readonly Protection[], operation: LevelOperation): boolean {
  return rules.some((rule) => rule.levels[operation].some((entry) => entryAdmits(facts, entry)));
}

function isRole(entry: ProtectionEntry): boolean {
  return entry.userId === null && entry.groupId === null && entry.deployKeyId === null;
}

function entryAdmits(facts: RefFacts, entry: ProtectionEntry): boolean {
  const { actor } = facts;
  if (actor.type === 'deploy_token') return false;
  if (actor.type === 'deploy_key') {
    if (!actor.canPush) return false;
    // A named key needs no role of its creator, but a creator who can still see the project (reference git-and-deploy 6.5).
    if (entry.deployKeyId !== null) return entry.deployKeyId === actor.keyId && actor.creatorCanRead;
    return facts.mayPush && isRole(entry) && holds(actor.creatorLevel, entry.accessLevel);
  }
  if (!facts.mayPush || entry.deployKeyId !== null) return false;
  if (entry.userId !== null) return entry.userId === actor.userId;
  if (entry.groupId !== null) return actor.groupIds.includes(entry.groupId);
  if (entry.accessLevel === ADMINISTRATORS) return actor.isAdmin;
  return holds(actor.level, entry.accessLevel);
}

function holds(level: number, needed: number | null): boolean {
  return needed !== null && needed >= DEVELOPER && needed < ADMINISTRATORS && level >= needed;
}

function mayPushUnprotected(facts: RefFacts): boolean {
  return facts.mayPush && (facts.actor.type !== 'deploy_key' || facts.actor.canPush);
}

/** Maintainers, and administrators in their stead: deleting is a role's right, not a protection's. */
function isMaintainer(facts: RefFacts): boolean {
  if (!facts.mayPush || facts.actor.type === 'deploy_token') return false;
  if (facts.actor.type === 'deploy_key') return facts.actor.canPush && facts.actor.creatorLevel >= MAINTAINER;
  return facts.actor.level >= MAINTAINER || facts.actor.isAdmin;
}

function protectsFirstPush(facts: RefFacts): boolean {
  return facts.defaultBranchProtection === 2 || facts.defaultBranchProtection === 3;
}

function mayPushFirst(facts: RefFacts, rules: readonly Protection[]): boolean {
  if (rules.length === 0) return isMaintainer(facts);
  if (passes(facts, rules, 'push')) return true;
  // Setting 4: Developers may do the first push, unless a rule says that no one may.
  const noOne = rules.every((rule) => rule.levels.push.every((entry) => entry.accessLevel === 0));
  return (
    facts.defaultBranchProtection === 4 && !noOne && facts.actor.type !== 'deploy_token' && mayPushUnprotected(facts)
  );
}

function emptyRepositoryText(facts: RefFacts): string {
  return [
    `A default branch (e.g. ${facts.defaultBranch ?? 'main'}) does not yet exist for ${facts.projectPath}`,
    'Ask a project Owner or Maintainer to create a default branch:',
    '',
    `  ${facts.membersUrl}`,
    '',
  ].join('\n');
}

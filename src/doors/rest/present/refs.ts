// Branches, tags and the rules that protect them as JSON (reference git-and-deploy 11.3, 12.6, 12.7).
import { matchingProtections, type Protection, type ProtectionEntry } from '../../../access/protections.ts';
import { developersMay, passesBranchRules, type RefFacts } from '../../../access/ref-rules.ts';
import type { Project } from '../../../identity/records.ts';
import type { Branch, Tag } from '../../../repositories/refs.ts';
import type { House } from '../../../storage/house.ts';
import { gitDate, presentCommit } from './commit.ts';

type Address = Pick<House, 'url'>;

/** A branch, as the caller sees it. `merged`: its commit is contained in the default branch. */
export function presentBranch(house: Address, project: Project, branch: Branch, facts: RefFacts, merged: boolean) {
  const rules = matchingProtections(facts.protections, 'branch', branch.name);
  return {
    name: branch.name,
    commit: presentCommit(house, project, branch.commit),
    merged,
    protected: rules.length > 0,
    developers_can_push: developersMay(facts.protections, branch.name, 'push'),
    developers_can_merge: developersMay(facts.protections, branch.name, 'merge'),
    can_push: passesBranchRules(facts, branch.name, 'push'),
    default: branch.name === project.default_branch,
    web_url: `${house.url}/${project.full_path}/-/tree/${branch.name.split('/').map(encodeURIComponent).join('/')}`,
  };
}

/** A tag; `created_at` is the annotation's date. */
export function presentTag(house: Address, project: Project, tag: Tag, protections: readonly Protection[]) {
  return {
    name: tag.name,
    message: tag.message ?? '',
    target: tag.target,
    commit: tag.commit && presentCommit(house, project, tag.commit),
    release: null,
    protected: matchingProtections(protections, 'tag', tag.name).length > 0,
    created_at: tag.taggedAt && gitDate(tag.taggedAt),
  };
}

/** Who the entries of rules speak of, by id. */
export interface EntryNames {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
  readonly deployKeys: ReadonlyMap<number, string>;
}

const LEVEL_NAMES: Readonly<Record<number, string>> = {
  0: 'No one',
  30: 'Developers + Maintainers',
  40: 'Maintainers',
  60: 'Administrators',
};

function presentEntry(entry: ProtectionEntry, names: EntryNames) {
  const { id, userId, groupId, deployKeyId } = entry;
  if (deployKeyId !== null)
    return {
      id,
      access_level: 40,
      access_level_description: names.deployKeys.get(deployKeyId) ?? 'Deploy key',
      deploy_key_id: deployKeyId,
      user_id: null,
      group_id: null,
    };
  const named = userId !== null ? names.users.get(userId) : groupId !== null ? names.groups.get(groupId) : undefined;
  const level = entry.accessLevel ?? 40;
  return {
    id,
    access_level: userId !== null || groupId !== null ? (entry.accessLevel ?? 40) : level,
    access_level_description: named ?? LEVEL_NAMES[level] ?? `Level ${level}`,
    deploy_key_id: null,
    user_id: userId,
    group_id: groupId,
  };
}

/** A rule for branches. */
export function presentProtectedBranch(rule: Protection, names: EntryNames) {
  const list = (entries: readonly ProtectionEntry[]) => entries.map((entry) => presentEntry(entry, names));
  return {
    id: rule.id,
    name: rule.name,
    push_access_levels: list(rule.levels.push),
    merge_access_levels: list(rule.levels.merge),
    allow_force_push: rule.allowForcePush,
    unprotect_access_levels: list(rule.levels.unprotect),
    code_owner_approval_required: rule.codeOwnerApprovalRequired,
    inherited: false,
  };
}

/** A rule for tags. */
export function presentProtectedTag(rule: Protection, names: EntryNames) {
  return { name: rule.name, create_access_levels: rule.levels.create.map((entry) => presentEntry(entry, names)) };
}

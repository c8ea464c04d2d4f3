// The settings of a group that are kept as JSON: who may create what in it, and how default branches begin. Defaults are
// GitLab's.
import type { Namespace } from '../identity/records.ts';

export const PROJECT_CREATION_LEVELS = ['noone', 'owner', 'maintainer', 'developer', 'administrator'] as const;
export const SUBGROUP_CREATION_LEVELS = ['owner', 'maintainer'] as const;

export interface GroupSettings {
  readonly project_creation_level: (typeof PROJECT_CREATION_LEVELS)[number];
  readonly subgroup_creation_level: (typeof SUBGROUP_CREATION_LEVELS)[number];
  /** 0 to 4; null: as the instance */
  readonly default_branch_protection: number | null;
  /** of a group at the top: whether project and group access tokens may be made below it (reference access-tokens 4.4) */
  readonly resource_access_token_creation_allowed: boolean;
}

const DEFAULTS: GroupSettings = {
  project_creation_level: 'developer',
  subgroup_creation_level: 'maintainer',
  default_branch_protection: null,
  resource_access_token_creation_allowed: true,
};

/** All settings of a group; what is not stored has its default. */
export function groupSettings(group: Pick<Namespace, 'settings'>): GroupSettings {
  return { ...DEFAULTS, ...(JSON.parse(group.settings) as Partial<GroupSettings>) };
}

/** The stored form of the present settings with `patch` over them; undefined values change nothing. */
export function withGroupSettings(group: Pick<Namespace, 'settings'>, patch: Partial<GroupSettings>): string {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  return JSON.stringify({ ...JSON.parse(group.settings), ...given });
}

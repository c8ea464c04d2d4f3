// Groups as JSON (reference git-and-deploy 12.2).
import { groupSettings } from '../../../directory/group-settings.ts';
import type { Group } from '../../../identity/records.ts';
import type { ShownShare } from '../../../identity/share-store.ts';
import { isoTime } from '../../../kernel/clock.ts';
import type { House } from '../../../storage/house.ts';
import { namespaceUrl } from './namespace.ts';

/** A share inside the JSON of what is shared. */
export function presentShare(share: ShownShare) {
  return {
    group_id: share.group_id,
    group_name: share.group_name,
    group_full_path: share.group_full_path,
    group_access_level: share.access_level,
    expires_at: share.expires_at,
  };
}

/**
 * A group. `fullName` is `Parent / Child`; `defaultBranchProtection` what holds when the group sets none; `shares` only on
 * the route of one group.
 */
export function presentGroup(
  house: Pick<House, 'url'>,
  group: Group,
  extras: {
    readonly fullName: string;
    readonly defaultBranchProtection: number;
    readonly shares?: readonly ShownShare[];
    readonly projects?: readonly unknown[];
  },
) {
  const settings = groupSettings(group);
  return {
    id: group.id,
    web_url: namespaceUrl(house, group),
    name: group.name,
    path: group.path,
    description: group.description,
    visibility: group.visibility,
    share_with_group_lock: false,
    require_two_factor_authentication: false,
    project_creation_level: settings.project_creation_level,
    subgroup_creation_level: settings.subgroup_creation_level,
    auto_devops_enabled: null,
    emails_enabled: true,
    mentions_disabled: null,
    lfs_enabled: true,
    default_branch_protection: settings.default_branch_protection ?? extras.defaultBranchProtection,
    ...(group.parent_id === null && {
      resource_access_token_creation_allowed: settings.resource_access_token_creation_allowed,
    }),
    avatar_url: null,
    request_access_enabled: false,
    full_name: extras.fullName,
    full_path: group.full_path,
    created_at: isoTime(group.created_at),
    parent_id: group.parent_id,
    marked_for_deletion_on: null,
    ...(extras.shares ? { shared_with_groups: extras.shares.map(presentShare), runners_token: null } : {}),
    ...(extras.projects ? { projects: extras.projects, shared_projects: [] } : {}),
  };
}

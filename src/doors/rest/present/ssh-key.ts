// SSH keys of people and deploy keys as JSON (reference git-and-deploy 6.3, 7).
import type { GrantedProject } from '../../../access/deploy-key-store.ts';
import type { SshKeyRow } from '../../../credentials/ssh-key-store.ts';
import type { User } from '../../../identity/records.ts';
import { isoTime } from '../../../kernel/clock.ts';
import type { House } from '../../../storage/house.ts';
import { presentUser } from './user.ts';

/** A person's key. */
export function presentSshKey(row: SshKeyRow) {
  return {
    id: row.id,
    title: row.title,
    created_at: isoTime(row.created_at),
    expires_at: isoTime(row.expires_at),
    last_used_at: isoTime(row.last_used_at),
    key: row.key_text,
    usage_type: row.usage_type,
  };
}

/** A deploy key as it is by itself. */
export function presentDeployKey(row: SshKeyRow) {
  return {
    id: row.id,
    title: row.title,
    key: row.key_text,
    fingerprint: row.fingerprint_md5,
    fingerprint_sha256: `SHA256:${row.fingerprint}`,
    created_at: isoTime(row.created_at),
    expires_at: isoTime(row.expires_at),
    last_used_at: isoTime(row.last_used_at),
    usage_type: row.usage_type,
  };
}

/** A deploy key as it is enabled in one project. */
export function presentEnabledDeployKey(row: SshKeyRow & { readonly can_push: 0 | 1 }) {
  return { ...presentDeployKey(row), can_push: row.can_push === 1 };
}

/** A deploy key with the projects that it opens, in the administrators' list. */
export function presentDeployKeyWithProjects(row: SshKeyRow, grants: readonly GrantedProject[]) {
  const those = (canPush: 0 | 1) => grants.filter((grant) => grant.can_push === canPush).map(presentIdentity);
  return {
    ...presentDeployKey(row),
    projects_with_write_access: those(1),
    projects_with_readonly_access: those(0),
  };
}

function presentIdentity({ project, namespaceName }: GrantedProject) {
  return {
    id: project.id,
    description: project.description,
    name: project.name,
    name_with_namespace: `${namespaceName} / ${project.name}`,
    path: project.path,
    path_with_namespace: project.full_path,
    created_at: isoTime(project.created_at),
  };
}

/** Any key as administrators look it up: with its owner, and for a deploy key where it is enabled. */
export function presentIdentifiedKey(
  house: Pick<House, 'url'>,
  row: SshKeyRow,
  owner: User | null,
  grants: readonly GrantedProject[],
) {
  return {
    ...presentSshKey(row),
    fingerprint: row.fingerprint_md5,
    fingerprint_sha256: `SHA256:${row.fingerprint}`,
    user: owner ? presentUser(house, owner) : null,
    ...(row.kind === 'deploy_key' && {
      deploy_keys_projects: grants.map((grant) => ({
        id: grant.id,
        deploy_key_id: grant.credential_id,
        project_id: grant.project_id,
        created_at: isoTime(grant.created_at),
        updated_at: isoTime(grant.updated_at),
        can_push: grant.can_push === 1,
      })),
    }),
  };
}

// The closed lists of scopes that each kind of key may carry (reference access-tokens 6.1, git-and-deploy 5.1). What a scope
// opens stands in access/.
import type { StoredKind } from '../storage/schema.ts';

export const SCOPES = [
  'api',
  'read_api',
  'read_user',
  'create_runner',
  'manage_runner',
  'k8s_proxy',
  'self_rotate',
  'read_repository',
  'write_repository',
  'read_registry',
  'write_registry',
  'read_package_registry',
  'write_package_registry',
  'read_virtual_registry',
  'write_virtual_registry',
  'ai_features',
  'sudo',
  'admin_mode',
] as const;
export type Scope = (typeof SCOPES)[number];

const PACKAGE_ONLY: readonly Scope[] = ['read_package_registry', 'write_package_registry'];
const ADMIN_ONLY: readonly Scope[] = ['sudo', 'admin_mode'];

const PERSONAL = SCOPES.filter((scope) => !PACKAGE_ONLY.includes(scope));
const RESOURCE = PERSONAL.filter((scope) => !ADMIN_ONLY.includes(scope) && scope !== 'read_user');

/** In the order in which answers list them. */
export const DEPLOY_TOKEN_SCOPES: readonly Scope[] = [
  'read_repository',
  'read_registry',
  'write_registry',
  'read_package_registry',
  'write_package_registry',
  'read_virtual_registry',
  'write_virtual_registry',
];

/** Scopes that a token may give to a new personal token of its own user (reference access-tokens 4.2). */
export const SELF_CREATABLE_SCOPES: readonly Scope[] = ['k8s_proxy', 'self_rotate'];

/**
 * The scopes that may be chosen for a new key of this kind. `write_repository` on deploy tokens is our opt-in extension
 * (reference git-and-deploy 5.2).
 */
export function choosableScopes(kind: StoredKind, options: { deployTokenWriteRepository: boolean }): readonly Scope[] {
  switch (kind) {
    case 'personal_access_token':
      return PERSONAL;
    case 'group_access_token':
    case 'project_access_token':
      return RESOURCE;
    case 'deploy_token':
      return options.deployTokenWriteRepository ? [...DEPLOY_TOKEN_SCOPES, 'write_repository'] : DEPLOY_TOKEN_SCOPES;
    default:
      return [];
  }
}

/** Whether `text` is one of the scopes we know. */
export function isScope(text: string): text is Scope {
  return (SCOPES as readonly string[]).includes(text);
}

/** Scopes that only an administrator's token may carry. */
export function isAdminScope(scope: Scope): boolean {
  return ADMIN_ONLY.includes(scope);
}

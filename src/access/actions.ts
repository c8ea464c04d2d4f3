// The closed list of actions with the rule of each: the tables of locks 2 and 4. Names are `resource:verb`; APPEND ONLY, for
// audit rows and `explain` speak them. Sources: reference access-tokens 4 and 6.4, git-and-deploy 1, 2, 5, 11 and 12.
import type { Scope } from '../credentials/scopes.ts';
import { DEVELOPER, GUEST, MAINTAINER, OWNER, PLANNER, REPORTER, SECURITY_MANAGER } from '../identity/roles.ts';
import type { Rule } from './rule.ts';

const GUEST_UP = [GUEST, PLANNER, REPORTER, SECURITY_MANAGER, DEVELOPER, MAINTAINER, OWNER];
/** read code of a private project: Planner and up, each level named (reference git-and-deploy 1) */
const CODE_UP = [PLANNER, REPORTER, SECURITY_MANAGER, DEVELOPER, MAINTAINER, OWNER];
const REPORTER_UP = [REPORTER, SECURITY_MANAGER, DEVELOPER, MAINTAINER, OWNER];
const DEVELOPER_UP = [DEVELOPER, MAINTAINER, OWNER];
const MAINTAINER_UP = [MAINTAINER, OWNER];
const OWNERS = [OWNER];

const API: readonly Scope[] = ['api'];
const READ: readonly Scope[] = ['api', 'read_api'];
const READ_USER: readonly Scope[] = ['read_user', 'api', 'read_api'];
const ADMIN_API: readonly Scope[] = ['api'];

type Partly = Omit<Rule, 'place' | 'admin'> & { admin?: boolean };
const atInstance = (rule: Partly): Rule & { readonly place: 'instance' } => ({
  admin: true,
  ...rule,
  place: 'instance',
});
const atGroup = (rule: Partly): Rule & { readonly place: 'group' } => ({ admin: true, ...rule, place: 'group' });
const atNamespace = (rule: Partly): Rule & { readonly place: 'namespace' } => ({
  admin: true,
  ...rule,
  place: 'namespace',
});
const atProject = (rule: Partly): Rule & { readonly place: 'project' } => ({ admin: true, ...rule, place: 'project' });

const READ_BY_ANYONE = { effect: 'read', kinds: 'everyone', scopes: READ } as const;
const ADMIN_READ = { effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'admin' } as const;
const ADMIN_WRITE = { effect: 'write', kinds: 'signed_in', scopes: ADMIN_API, instance: 'admin' } as const;
const MANAGE = { effect: 'write', kinds: 'humans_and_bots', scopes: API } as const;
const LOOK = { effect: 'read', kinds: 'humans_and_bots', scopes: READ } as const;

export const actions = {
  // -- the instance
  'instance:read': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ_USER, instance: 'self' }),
  'statistics:read': atInstance(ADMIN_READ),
  'mail:list': atInstance(ADMIN_READ),
  'settings:read': atInstance(ADMIN_READ),
  'settings:update': atInstance(ADMIN_WRITE),
  'audit:read': atInstance(ADMIN_READ),
  'metrics:read': atInstance(ADMIN_READ),
  'catalogue:read': atInstance({ effect: 'read', kinds: 'everyone', scopes: 'any', instance: 'anyone' }),
  'openapi:read': atInstance({ effect: 'read', kinds: 'everyone', scopes: 'any', instance: 'anyone' }),

  // -- users
  'user:list': atInstance({ effect: 'read', kinds: 'everyone', scopes: READ_USER, instance: 'anyone' }),
  'user:read': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ_USER, instance: 'self' }),
  'user:administer': atInstance(ADMIN_WRITE),
  'user_email:list': atInstance(ADMIN_READ),
  'user:projects': atInstance({ ...READ_BY_ANYONE, instance: 'anyone' }),
  'self:read': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ_USER, instance: 'self' }),
  'account:read': atInstance({ effect: 'read', kinds: 'people', scopes: READ_USER, instance: 'self' }),
  'account:update': atInstance({ effect: 'write', kinds: 'people', scopes: API, instance: 'self' }),
  'account:change_password': atInstance({ effect: 'write', kinds: 'session_only', scopes: API, instance: 'self' }),
  // Whoever opens a link that was sent by mail, or asks for one: the link is the proof, so a session needs no CSRF token for it.
  'account:recover': atInstance({ effect: 'read', kinds: 'browsers', scopes: 'any', instance: 'anyone' }),
  // What signing in writes belongs to the password, not to the one who asks: a session without CSRF proof may sign in anew.
  'session:open': atInstance({ effect: 'read', kinds: 'browsers', scopes: 'any', instance: 'anyone' }),
  'session:read': atInstance({ effect: 'read', kinds: 'session_only', scopes: 'any', instance: 'self' }),
  'session:close': atInstance({ effect: 'write', kinds: 'session_only', scopes: 'any', instance: 'self' }),
  'sudo:use': atInstance({ effect: 'write', kinds: 'sudoers', scopes: ['sudo'], instance: 'admin' }),

  // -- personal access tokens and what looks across all keys
  'personal_access_token:list': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'personal_access_token:read': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'personal_access_token:create': atInstance({ effect: 'write', kinds: 'people', scopes: API, instance: 'self' }),
  'personal_access_token:rotate': atInstance({ effect: 'write', kinds: 'signed_in', scopes: API, instance: 'self' }),
  'personal_access_token:revoke': atInstance({ effect: 'write', kinds: 'signed_in', scopes: API, instance: 'self' }),
  'own_token:read': atInstance({ effect: 'read', kinds: 'token_itself', scopes: 'any', instance: 'self' }),
  'own_token:revoke': atInstance({ effect: 'write', kinds: 'token_itself', scopes: 'any', instance: 'self' }),
  'own_token:rotate': atInstance({
    effect: 'write',
    kinds: 'token_itself',
    scopes: ['api', 'self_rotate'],
    instance: 'self',
  }),
  'impersonation_token:read': atInstance(ADMIN_READ),
  'impersonation_token:manage': atInstance(ADMIN_WRITE),
  'user_token:create': atInstance(ADMIN_WRITE),
  'token:identify': atInstance({ ...ADMIN_WRITE, effect: 'read' }),
  'token:end': atInstance(ADMIN_WRITE),
  'deploy_token:list_all': atInstance(ADMIN_READ),
  'credential:list': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'credential:read': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'credential:explain': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'service_account:read': atInstance(ADMIN_READ),
  'service_account:manage': atInstance(ADMIN_WRITE),

  // -- namespaces and groups
  'namespace:list': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'namespace:exists': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'namespace:read': atNamespace({
    effect: 'read',
    kinds: 'signed_in',
    scopes: READ,
    roles: GUEST_UP,
    visibility: true,
  }),
  'group:list': atInstance({ ...READ_BY_ANYONE, instance: 'anyone' }),
  // the parent or namespace of a new one is in the body: `subgroup:create` or `group:create`, `project:create` are asked next
  'group:new': atInstance({ ...MANAGE, instance: 'self' }),
  'project:new': atInstance({ ...MANAGE, instance: 'self' }),
  'group:create': atInstance({ effect: 'write', kinds: 'people', scopes: API, instance: 'group_creator' }),
  'group:read': atGroup({ ...READ_BY_ANYONE, roles: GUEST_UP, visibility: true }),
  'group:update': atGroup({ ...MANAGE, roles: OWNERS }),
  'group:delete': atGroup({ ...MANAGE, roles: OWNERS }),
  'group:transfer': atGroup({ ...MANAGE, roles: OWNERS }),
  'group:transfer_in': atGroup({ ...MANAGE, roles: [], admin: true }),
  'group:share': atGroup({ ...MANAGE, roles: OWNERS }),
  'subgroup:create': atGroup({ ...MANAGE, roles: MAINTAINER_UP }),
  'project:create': atNamespace({ ...MANAGE, roles: DEVELOPER_UP }),
  'group_members:read': atGroup({ ...READ_BY_ANYONE, roles: GUEST_UP, visibility: true }),
  'group_members:manage': atGroup({ ...MANAGE, roles: OWNERS }),
  'group_members:leave': atGroup({ effect: 'write', kinds: 'people', scopes: API, roles: [5, ...GUEST_UP] }),
  'group_access_token:list': atGroup({ ...LOOK, roles: OWNERS }),
  'group_access_token:create': atGroup({ effect: 'write', kinds: 'people', scopes: API, roles: OWNERS }),
  'group_access_token:rotate': atGroup({ effect: 'write', kinds: 'people', scopes: API, roles: OWNERS }),
  'group_access_token:revoke': atGroup({ ...MANAGE, roles: OWNERS }),
  'group_deploy_token:list': atGroup({ ...LOOK, roles: MAINTAINER_UP }),
  'group_deploy_token:manage': atGroup({ ...MANAGE, roles: OWNERS }),
  'group_service_account:read': atGroup({ ...LOOK, roles: OWNERS }),
  'group_service_account:manage': atGroup({ effect: 'write', kinds: 'people', scopes: API, roles: OWNERS }),

  // -- projects
  'project:list': atInstance({ ...READ_BY_ANYONE, instance: 'anyone' }),
  'project:read': atProject({ ...READ_BY_ANYONE, roles: GUEST_UP, visibility: true }),
  'project_statistics:read': atProject({ ...LOOK, roles: REPORTER_UP }),
  'project:update': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'project:change_visibility': atProject({ ...MANAGE, roles: OWNERS, archived: true }),
  'project:archive': atProject({ ...MANAGE, roles: OWNERS, archived: true }),
  'project:transfer': atProject({ ...MANAGE, roles: OWNERS, archived: true }),
  'project:delete': atProject({ ...MANAGE, roles: OWNERS, archived: true }),
  'project:fork': atProject({
    effect: 'read',
    kinds: 'humans_and_bots',
    scopes: API,
    roles: CODE_UP,
    visibility: true,
    feature: 'forking',
  }),
  'project:share': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'project_members:read': atProject({ ...READ_BY_ANYONE, roles: GUEST_UP, visibility: true }),
  'project_members:manage': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'project_members:leave': atProject({
    effect: 'write',
    kinds: 'people',
    scopes: API,
    roles: GUEST_UP,
    archived: true,
  }),
  'project_access_token:list': atProject({ ...LOOK, roles: MAINTAINER_UP }),
  'project_access_token:create': atProject({
    effect: 'write',
    kinds: 'people',
    scopes: API,
    roles: MAINTAINER_UP,
    archived: true,
  }),
  'project_access_token:rotate': atProject({
    effect: 'write',
    kinds: 'people',
    scopes: API,
    roles: MAINTAINER_UP,
    archived: true,
  }),
  'project_access_token:revoke': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'project_service_account:read': atProject({ ...LOOK, roles: OWNERS }),
  'project_service_account:manage': atProject({ effect: 'write', kinds: 'people', scopes: API, roles: OWNERS }),
  'project_deploy_token:list': atProject({ ...LOOK, roles: MAINTAINER_UP }),
  'project_deploy_token:manage': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'protected_ref:read': atProject({ ...LOOK, roles: MAINTAINER_UP }),
  'protected_ref:manage': atProject({ ...MANAGE, roles: MAINTAINER_UP }),

  // -- code. `repository:pull` and `repository:push` are git's own wire, the others REST: their scopes differ
  'repository:pull': atProject({
    effect: 'read',
    kinds: 'git_readers',
    scopes: ['api', 'read_api', 'read_repository', 'write_repository'],
    roles: CODE_UP,
    visibility: true,
    feature: 'repository',
  }),
  'repository:push': atProject({
    effect: 'write',
    kinds: 'git_writers',
    scopes: ['api', 'write_repository'],
    roles: DEVELOPER_UP,
    feature: 'repository',
  }),
  'project:create_by_push': atNamespace({
    effect: 'write',
    kinds: 'pushers',
    scopes: ['api', 'write_repository'],
    roles: DEVELOPER_UP,
  }),
  'repository:read': atProject({
    effect: 'read',
    kinds: 'readers',
    scopes: READ,
    roles: CODE_UP,
    visibility: true,
    feature: 'repository',
  }),
  'file:read': atProject({
    effect: 'read',
    kinds: 'readers',
    scopes: ['read_repository', 'api', 'read_api'],
    roles: CODE_UP,
    visibility: true,
    feature: 'repository',
  }),
  'repository:commit': atProject({ ...MANAGE, roles: DEVELOPER_UP, feature: 'repository' }),
  'branch:create': atProject({ ...MANAGE, roles: DEVELOPER_UP, feature: 'repository' }),
  'branch:delete': atProject({ ...MANAGE, roles: DEVELOPER_UP, feature: 'repository' }),
  'tag:create': atProject({ ...MANAGE, roles: DEVELOPER_UP, feature: 'repository' }),
  'tag:delete': atProject({ ...MANAGE, roles: DEVELOPER_UP, feature: 'repository' }),

  // -- deploy keys and SSH keys (reference git-and-deploy 6, 7)
  'deploy_key:list_all': atInstance(ADMIN_READ),
  'deploy_key:manage_all': atInstance(ADMIN_WRITE),
  'deploy_key:list_common': atInstance({ effect: 'read', kinds: 'signed_in', scopes: READ, instance: 'self' }),
  'project_deploy_key:list': atProject({ ...LOOK, roles: MAINTAINER_UP }),
  'project_deploy_key:manage': atProject({ ...MANAGE, roles: MAINTAINER_UP, archived: true }),
  'own_ssh_key:read': atInstance({ effect: 'read', kinds: 'people', scopes: READ_USER, instance: 'self' }),
  'own_ssh_key:manage': atInstance({ effect: 'write', kinds: 'people', scopes: API, instance: 'self' }),
  'user_ssh_key:read': atInstance({ effect: 'read', kinds: 'everyone', scopes: 'any', instance: 'anyone' }),
  'user_ssh_key:manage': atInstance(ADMIN_WRITE),
  'ssh_key:identify': atInstance(ADMIN_READ),
  'ssh_token:create': atInstance({ effect: 'write', kinds: 'ssh_people', scopes: 'any', instance: 'self' }),

  // -- git LFS: opening a lock that another holds (reference git-and-deploy 9.1). Objects and locks of one's own are pull and push
  'lfs_lock:force_delete': atProject({
    effect: 'write',
    kinds: 'pushers',
    scopes: ['api', 'write_repository'],
    roles: MAINTAINER_UP,
    feature: 'repository',
  }),
} as const satisfies Record<string, Rule>;

export type Action = keyof typeof actions;

/** The rule of an action. */
export function ruleOf(action: Action): Rule {
  return actions[action];
}

/** Whether `text` names an action. */
export function isAction(text: string): text is Action {
  return Object.hasOwn(actions, text);
}

export const ALL_ACTIONS = Object.keys(actions) as Action[];

type PlaceOf<A extends Action> = (typeof actions)[A]['place'];
/** The actions that are asked at a place of type P. */
export type ActionAt<P> = { [A in Action]: PlaceOf<A> extends P ? A : never }[Action];

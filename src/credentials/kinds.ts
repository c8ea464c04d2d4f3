// The kinds of credential: the eight that Keyward hands out, and the narrow ones that are proofs of another sort (a password,
// a session, an SSH key of a person, the local command line, nobody). A kind is a row of traits; what it may do stands
// in access/. A ninth kind is one more row here, and the compiler then lists what is missing elsewhere.
import type { StoredKind } from '../storage/schema.ts';

/** Every way in which a request can be somebody. Stored ones have a row in `credentials`. */
export type Kind = StoredKind | 'anonymous' | 'password' | 'schedule' | 'local';

/** Whom a kind of key is held by. */
export type HolderType = 'user' | 'deploy_token' | 'deploy_key' | 'runner' | 'nobody' | 'operator';

export interface KindDescriptor {
  readonly kind: Kind;
  /** one of the eight that people are given */
  readonly issued: boolean;
  readonly holder: HolderType;
  /** how its text begins, before any instance prefix; null when it is no token text of ours */
  readonly prefix: string | null;
  readonly form: 'routable' | 'friendly' | 'hex40' | 'job' | 'session' | 'none';
  readonly expires: boolean;
  readonly rotates: boolean;
  /** rotating again with a dead member of the family kills the family (reference access-tokens 7.3) */
  readonly reuseEndsFamily: boolean;
  /** a bot user of its own stands behind it */
  readonly bot: boolean;
  readonly bound: 'user' | 'project' | 'group' | 'project_or_group' | 'job' | 'nothing';
  /** scopes that a credential of this kind has without anybody choosing them */
  readonly impliedScopes: readonly string[];
  /** ended rows are swept after a day instead of kept for the retention time */
  readonly sweptEarly: boolean;
  /** use is written behind to `credential_uses` */
  readonly tracksUse: boolean;
}

const NONE = {
  issued: false,
  prefix: null,
  form: 'none',
  expires: false,
  rotates: false,
  reuseEndsFamily: false,
  bot: false,
  bound: 'nothing',
  impliedScopes: [],
  sweptEarly: false,
  tracksUse: false,
} as const;

const ACCESS_TOKEN = {
  ...NONE,
  issued: true,
  holder: 'user',
  prefix: 'glpat-',
  form: 'routable',
  expires: true,
  rotates: true,
  reuseEndsFamily: true,
  tracksUse: true,
} as const;

export const KINDS = {
  personal_access_token: { ...ACCESS_TOKEN, kind: 'personal_access_token', bound: 'user' },
  group_access_token: { ...ACCESS_TOKEN, kind: 'group_access_token', bot: true, bound: 'group' },
  project_access_token: { ...ACCESS_TOKEN, kind: 'project_access_token', bot: true, bound: 'project' },
  deploy_token: {
    ...NONE,
    kind: 'deploy_token',
    issued: true,
    holder: 'deploy_token',
    prefix: 'gldt-',
    form: 'friendly',
    expires: true,
    rotates: true,
    bound: 'project_or_group',
    tracksUse: true,
  },
  deploy_key: {
    ...NONE,
    kind: 'deploy_key',
    issued: true,
    holder: 'deploy_key',
    expires: true,
    impliedScopes: ['write_repository'],
    tracksUse: true,
  },
  runner_token: {
    ...NONE,
    kind: 'runner_token',
    issued: true,
    holder: 'runner',
    prefix: 'glrt-',
    form: 'routable',
    expires: true,
    rotates: true,
    tracksUse: true,
  },
  job_token: {
    ...NONE,
    kind: 'job_token',
    issued: true,
    holder: 'user',
    prefix: 'glcbt-',
    form: 'job',
    expires: true,
    bound: 'job',
    sweptEarly: true,
  },
  trigger_token: {
    ...NONE,
    kind: 'trigger_token',
    issued: true,
    holder: 'user',
    prefix: 'glptt-',
    form: 'hex40',
    expires: true,
    rotates: true,
    bound: 'project',
    tracksUse: true,
  },
  session: {
    ...NONE,
    kind: 'session',
    holder: 'user',
    form: 'session',
    expires: true,
    bound: 'user',
    impliedScopes: ['api'],
    sweptEarly: true,
  },
  user_ssh_key: {
    ...NONE,
    kind: 'user_ssh_key',
    holder: 'user',
    expires: true,
    bound: 'user',
    impliedScopes: ['write_repository'],
    tracksUse: true,
  },
  password: { ...NONE, kind: 'password', holder: 'user', bound: 'user', impliedScopes: ['write_repository'] },
  schedule: { ...NONE, kind: 'schedule', holder: 'user', bound: 'project' },
  local: { ...NONE, kind: 'local', holder: 'operator', impliedScopes: ['api', 'sudo', 'admin_mode'] },
  anonymous: { ...NONE, kind: 'anonymous', holder: 'nobody' },
} as const satisfies { readonly [K in Kind]: KindDescriptor & { readonly kind: K } };

/** The descriptor of a kind. */
export function describeKind(kind: Kind): KindDescriptor {
  return KINDS[kind];
}

/** The eight kinds that people are given, in the order of the README. */
export const ISSUED_KINDS: readonly StoredKind[] = [
  'personal_access_token',
  'group_access_token',
  'project_access_token',
  'deploy_token',
  'deploy_key',
  'runner_token',
  'job_token',
  'trigger_token',
];

/** The three kinds that share the `glpat-` form and GitLab's access-token routes. */
export const ACCESS_TOKEN_KINDS: readonly StoredKind[] = [
  'personal_access_token',
  'group_access_token',
  'project_access_token',
];

// What `verify` gives out: a proven credential with kind, holder, scopes and reach together, so that no scope can be lost on
// the way. The class is not exported; only credentials/ can make one (a test in test/house holds that).
import type { User } from '../identity/records.ts';
import type { Kind } from './kinds.ts';
import type { Scope } from './scopes.ts';

/** Who a credential acts as. */
export type Holder =
  | { readonly type: 'user'; readonly user: User }
  | { readonly type: 'deploy_token'; readonly username: string }
  /** `creator` is judged as a second principal on pushes */
  | { readonly type: 'deploy_key'; readonly creator: User | null }
  | { readonly type: 'runner'; readonly runnerId: number }
  | { readonly type: 'operator' }
  | { readonly type: 'nobody' };

/** What a key was made for. Deploy keys reach the projects in which they are enabled. */
export type CredentialReach =
  | { readonly type: 'everything' }
  | { readonly type: 'project'; readonly projectId: number }
  | { readonly type: 'group'; readonly groupId: number }
  | { readonly type: 'enabled_projects' };

export interface VerifiedCredentialFields {
  readonly kind: Kind;
  /** `credentials.id`; null for what has no row (password, anonymous, local) */
  readonly id: number | null;
  readonly familyId: number | null;
  readonly name: string;
  readonly holder: Holder;
  readonly scopes: readonly Scope[];
  readonly reach: CredentialReach;
  readonly impersonation: boolean;
  /** 00:00 UTC of the date from which it is dead, or null */
  readonly expiresAt: number | null;
  readonly jobId: number | null;
  /** set when an administrator acts as the holder (`Sudo`): the administrator's user */
  readonly sudoBy: User | null;
  /** sessions only: whether the request proved that our own page sent it */
  readonly csrfProven: boolean;
}

class Verified implements VerifiedCredentialFields {
  readonly #proven = true;
  readonly kind: Kind;
  readonly id: number | null;
  readonly familyId: number | null;
  readonly name: string;
  readonly holder: Holder;
  readonly scopes: readonly Scope[];
  readonly reach: CredentialReach;
  readonly impersonation: boolean;
  readonly expiresAt: number | null;
  readonly jobId: number | null;
  readonly sudoBy: User | null;
  readonly csrfProven: boolean;

  constructor(fields: VerifiedCredentialFields) {
    this.kind = fields.kind;
    this.id = fields.id;
    this.familyId = fields.familyId;
    this.name = fields.name;
    this.holder = fields.holder;
    this.scopes = fields.scopes;
    this.reach = fields.reach;
    this.impersonation = fields.impersonation;
    this.expiresAt = fields.expiresAt;
    this.jobId = fields.jobId;
    this.sudoBy = fields.sudoBy;
    this.csrfProven = fields.csrfProven;
  }

  static is(value: unknown): boolean {
    return typeof value === 'object' && value !== null && #proven in value;
  }
}

/** A credential that was proven. Structurally unforgeable outside credentials/: it carries a private field. */
export type VerifiedCredential = Verified;

/** Makes a proven credential. For credentials/ alone. */
export function proven(fields: VerifiedCredentialFields): VerifiedCredential {
  return new Verified(fields);
}

/** Whether `value` came from `proven`. */
export function isProven(value: unknown): value is VerifiedCredential {
  return Verified.is(value);
}

const NOBODY: VerifiedCredential = proven({
  kind: 'anonymous',
  id: null,
  familyId: null,
  name: 'anonymous',
  holder: { type: 'nobody' },
  scopes: [],
  reach: { type: 'everything' },
  impersonation: false,
  expiresAt: null,
  jobId: null,
  sudoBy: null,
  csrfProven: false,
});

/** The credential of a request that presents none. It is a kind like any other, with its own narrow rows. */
export function anonymous(): VerifiedCredential {
  return NOBODY;
}

/** The user a credential acts as, or null for those that are no user. */
export function actingUser(credential: VerifiedCredential): User | null {
  return credential.holder.type === 'user' ? credential.holder.user : null;
}

/** The account that a key belongs to in the eyes of audit and lists: `alice`, a deploy token's user name, `local`. */
export function holderName(credential: VerifiedCredential): string {
  switch (credential.holder.type) {
    case 'user':
      return credential.holder.user.username;
    case 'deploy_token':
      return credential.holder.username;
    case 'deploy_key':
      return credential.name;
    case 'runner':
      return `runner ${credential.holder.runnerId}`;
    case 'operator':
      return 'local';
    case 'nobody':
      return 'anonymous';
  }
}

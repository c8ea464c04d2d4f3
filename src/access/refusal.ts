// A refusal: which lock said no, and what a door needs to say so in its own wire. `code` is public and stable; `detail` is for
// logs and audit and never leaves the process.
import type { DeadCode, DeadCredential } from '../credentials/dead.ts';
import type { Scope } from '../credentials/scopes.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';

export const LOCKS = ['alive', 'scope', 'reach', 'role'] as const;
export type Lock = (typeof LOCKS)[number];

export type RefusalCode =
  | DeadCode
  /** nobody asked for something that needs somebody; a session without its CSRF proof counts as nobody for writes */
  | 'credential_required'
  | 'kind_not_allowed'
  | 'scope_missing'
  | 'out_of_reach'
  /** missing and unreadable are the same */
  | 'hidden'
  | 'role_too_low'
  | 'feature_disabled'
  | 'archived'
  | 'protected';

export interface Refusal {
  readonly lock: Lock;
  readonly code: RefusalCode;
  /** whether the caller may know that the place exists */
  readonly visible: boolean;
  /** what would have opened lock 2, in the order of the rule; empty when any or none would */
  readonly acceptedScopes: readonly Scope[];
  /** GitLab's word for the place: `Project`, `Group`, `Namespace`; null at the instance */
  readonly thing: 'Project' | 'Group' | 'Namespace' | null;
  /** the action's rule, or the protection's name, that decided */
  readonly row: string;
  readonly detail: string;
  readonly credential: VerifiedCredential | null;
  readonly dead: DeadCredential | null;
  /** the sentence of a protection (reference git-and-deploy 11.4), when `code` is `protected` */
  readonly message: string | null;
}

export interface LockResult {
  readonly name: Lock;
  /** null: the lock was not reached */
  readonly passed: boolean | null;
  readonly reason: string;
  readonly row: string;
}

const DEAD_DETAIL: Readonly<Record<DeadCode, string>> = {
  malformed: 'the text cannot be a key of this instance',
  unknown: 'no key has this text',
  expired: 'the key is expired',
  revoked: 'the key was revoked',
  holder_blocked: 'the account behind the key is blocked',
  impersonation_disabled: 'impersonation tokens are switched off',
};

/** The refusal of lock 1 for a key that is not alive. */
export function deadRefusal(dead: DeadCredential): Refusal {
  return {
    lock: 'alive',
    code: dead.code,
    visible: false,
    acceptedScopes: [],
    thing: null,
    row: dead.code,
    detail: DEAD_DETAIL[dead.code],
    credential: null,
    dead,
    message: null,
  };
}

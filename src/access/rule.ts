// The shape of a rule: one row an action, with a column for each lock that is a table. A row reads like a sentence:
// these kinds, with one of these scopes, at a place of this type, for these roles or by visibility, while this feature is open.
import type { Scope } from '../credentials/scopes.ts';
import type { Feature } from '../identity/features.ts';

/** `namespace`: a group or a user's personal namespace. */
export type PlaceType = 'instance' | 'namespace' | 'group' | 'project';

/** A named set of kinds; see kind-sets.ts. */
export type KindSetName =
  | 'everyone'
  | 'signed_in'
  | 'people'
  | 'humans_and_bots'
  | 'session_only'
  | 'browsers'
  | 'sudoers'
  | 'token_itself'
  | 'ssh_people'
  | 'git_readers'
  | 'git_writers'
  | 'pushers'
  | 'readers';

/** Who may do it at the instance, beside the kind: `self` is anyone for himself. */
export type InstanceRole = 'anyone' | 'self' | 'human' | 'admin' | 'group_creator';

export interface Rule {
  readonly place: PlaceType;
  readonly effect: 'read' | 'write';
  /** lock 2, first half: which kinds may do this at all */
  readonly kinds: KindSetName;
  /** lock 2, second half: which scopes open it; `any` for what every live key may do */
  readonly scopes: readonly Scope[] | 'any';
  /** lock 4: the levels, each named, that open it at a group or project. Upward closed, so that the highest level held decides */
  readonly roles?: readonly number[];
  /** lock 4 at the instance */
  readonly instance?: InstanceRole;
  /** whether public and internal visibility open it to those without a role */
  readonly visibility?: boolean;
  /** lock 4: the feature that must be open to the caller */
  readonly feature?: Feature;
  /** a write that an archived project still takes */
  readonly archived?: boolean;
  /** a person who is an administrator passes the role lock (not the protections) */
  readonly admin: boolean;
}

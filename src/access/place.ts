// Places: what a question is asked about. A question names a place that is still unresolved (an id or a path from outside);
// `decide` resolves it, and only what it allowed is handed on, loaded.
import type { Namespace, Project } from '../identity/records.ts';

/** Where: an id, or a full path as it came from outside. */
export type PlaceRef = number | string;

export type UnresolvedPlace =
  | { readonly type: 'instance' }
  | { readonly type: 'project' | 'group' | 'namespace'; readonly ref: PlaceRef };

export interface InstancePlace {
  readonly type: 'instance';
}

export interface ProjectPlace {
  readonly type: 'project';
  readonly project: Project;
  /** the group or personal namespace it lies in */
  readonly namespace: Namespace;
  /** the role the holder holds here, 0 for none; 50 for the owner of the personal namespace. Not raised for administrators */
  readonly level: number;
  /** the question named a path that the project once had */
  readonly moved: boolean;
}

export interface GroupPlace {
  readonly type: 'group';
  readonly group: Namespace;
  readonly level: number;
  readonly moved: boolean;
}

export interface NamespacePlace {
  readonly type: 'namespace';
  readonly namespace: Namespace;
  readonly level: number;
  readonly moved: boolean;
}

export type Place = InstancePlace | ProjectPlace | GroupPlace | NamespacePlace;

/** The instance itself as a place. */
export const INSTANCE: InstancePlace = { type: 'instance' };

/** Question to place for `project` by id or path. */
export const atProject = (ref: PlaceRef) => ({ type: 'project', ref }) as const;
/** Question to place for a group by id or path. */
export const atGroup = (ref: PlaceRef) => ({ type: 'group', ref }) as const;
/** Question to place for a group or personal namespace by id or path. */
export const atNamespace = (ref: PlaceRef) => ({ type: 'namespace', ref }) as const;

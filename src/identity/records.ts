// The records of people and places as the rest of the house speaks of them: rows as they are stored. No rules here.
import type { Selectable } from 'kysely';
import type { MemberTable, NamespaceTable, ProjectTable, ShareTable, UserTable } from '../storage/schema.ts';

export type User = Selectable<UserTable>;
/** A user's personal namespace or a group. */
export type Namespace = Selectable<NamespaceTable>;
/** A namespace of kind `group`. */
export type Group = Namespace;
export type Project = Selectable<ProjectTable>;
export type Member = Selectable<MemberTable>;
export type Share = Selectable<ShareTable>;

/** Whether this user is one that a project or group token made for itself. */
export function isTokenBot(user: Pick<User, 'type'>): boolean {
  return user.type === 'project_bot';
}

/** Whether a person sits behind this user; seats are counted by it. */
export function isHuman(user: Pick<User, 'type'>): boolean {
  return user.type === 'human';
}

/** Ids of a namespace's ancestors and itself, outermost first, read from its lineage `/1/5/9/`. */
export function lineageIds(lineage: string): number[] {
  return lineage.split('/').filter(Boolean).map(Number);
}

// What becomes of a deleted user's traces: one row for every column that names a user. What he made moves to the Ghost User,
// what was only his goes, what history needs stays and is shown as the Ghost User. A room that adds such a column adds
// its row here; a test holds the list against the schema.
import type { Schema } from '../storage/schema.ts';

type TableName = keyof Schema;

export interface Trace<T extends TableName = TableName> {
  /** in words, for readers */
  readonly what: string;
  readonly table: T;
  readonly column: string & keyof Schema[T];
  /**
   * `move`: to the Ghost User. `delete`: the row goes. `clear`: the column becomes null. `end`: the room that keeps it ends it
   * in the same transaction. `stay`: the id stays as history.
   */
  readonly fate: 'move' | 'delete' | 'clear' | 'end' | 'stay';
  /** only the rows of this kind, where the column means different things by kind */
  readonly kind?: string;
}

function trace<T extends TableName>(
  what: string,
  table: T,
  column: string & keyof Schema[T],
  fate: Trace['fate'],
  kind?: string,
): Trace {
  return { what, table, column, fate, kind } as unknown as Trace;
}

export const TRACES: readonly Trace[] = [
  trace('projects that he created', 'projects', 'creator_id', 'move'),
  trace('pushes that he made', 'pushes', 'user_id', 'move'),
  trace('files that he locked', 'lfs_locks', 'user_id', 'move'),
  trace('his memberships', 'members', 'user_id', 'delete'),
  trace('his addresses', 'user_emails', 'user_id', 'delete'),
  trace('his pictures', 'avatars', 'user_id', 'delete'),
  trace('his failed passwords', 'password_locks', 'user_id', 'delete'),
  trace('his entries in protected refs', 'protected_ref_levels', 'user_id', 'delete'),
  trace('his personal namespace with all in it', 'namespaces', 'owner_user_id', 'end'),
  // They are the projects' (reference git-and-deploy 6.5): pulls go on, and the Ghost User may push nowhere.
  trace('deploy keys that he made', 'credentials', 'user_id', 'move', 'deploy_key'),
  trace('his other keys', 'credentials', 'user_id', 'end'),
  trace('keys that he made for others', 'credentials', 'created_by_user_id', 'stay'),
  trace('memberships that he gave', 'members', 'created_by_user_id', 'stay'),
  trace('users that he made', 'users', 'created_by_user_id', 'stay'),
  trace('audit rows', 'audit_events', 'author_id', 'stay'),
];

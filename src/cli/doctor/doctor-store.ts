// What the doctor asks of the tables: repositories that there should be, pushes that did not end, rows from the future, and what
// the first start left behind. It only reads.
import type { Queryable } from '../../storage/database.ts';

export interface RepositoryFact {
  readonly id: number;
  readonly fullPath: string;
  readonly trashed: boolean;
  /** it has had a branch, so it must be there; one that nobody used yet may be made at its first use */
  readonly used: boolean;
  /** nobody pushed to it, and what it holds was to be copied from another project */
  readonly fork: boolean;
}

/** Repositories with ids above `after`, `limit` at most. */
export async function repositoryFacts(q: Queryable, after: number, limit: number): Promise<RepositoryFact[]> {
  const rows = await q
    .selectFrom('repositories as r')
    .innerJoin('projects as p', 'p.id', 'r.project_id')
    .select(({ exists, selectFrom }) => [
      'r.id',
      'p.full_path',
      'r.trashed_at',
      'p.deleted_at',
      'p.default_branch',
      'p.forked_from_project_id',
      exists(
        selectFrom('pushes as u').select('u.id').whereRef('u.repository_id', '=', 'r.id').where('u.state', '=', 'done'),
      ).as('used'),
    ])
    .where('r.id', '>', after)
    .orderBy('r.id')
    .limit(limit)
    .execute();
  return rows.map((row) => ({
    id: row.id,
    fullPath: row.full_path,
    trashed: row.trashed_at !== null || row.deleted_at !== null,
    used: Boolean(row.used) || row.default_branch !== null,
    fork: !row.used && row.forked_from_project_id !== null,
  }));
}

/** Whether there is a row of this repository. */
export async function hasRepository(q: Queryable, id: number): Promise<boolean> {
  return (await q.selectFrom('repositories').select('id').where('id', '=', id).executeTakeFirst()) !== undefined;
}

/** Where living blobs lie, how long they are and what is in them; rows after id `after`, `limit` at most. */
export async function blobFacts(
  q: Queryable,
  after: number,
  limit: number,
): Promise<{ readonly id: number; readonly storage_key: string; readonly size: number; readonly sha256: string }[]> {
  return q
    .selectFrom('blobs')
    .select(['id', 'storage_key', 'size', 'sha256'])
    .where('doomed_at', 'is', null)
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .execute();
}

/** Tables with rows that were made after `now`. */
export async function tablesFromTheFuture(q: Queryable, now: number): Promise<string[]> {
  const tables = ['audit_events', 'credentials', 'pushes', 'projects', 'users'] as const;
  const found: string[] = [];
  for (const table of tables) {
    const row = await q.selectFrom(table).select('created_at').orderBy('id', 'desc').limit(1).executeTakeFirst();
    if (row && row.created_at > now) found.push(table);
  }
  return found;
}

/** Ids of living tokens with this name and description. */
export async function tokensNamed(q: Queryable, name: string, description: string, now: number): Promise<number[]> {
  const rows = await q
    .selectFrom('credentials')
    .select('id')
    .where('name', '=', name)
    .where('description', '=', description)
    .where(({ or, eb }) => or([eb('ended_at', 'is', null), eb('ended_at', '>', now)]))
    .where(({ or, eb }) => or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
    .execute();
  return rows.map((row) => row.id);
}

/** Whether the first administrator still has the password that he was made with. */
export async function hasFirstPassword(q: Queryable, username: string): Promise<boolean> {
  const row = await q
    .selectFrom('users')
    .select('id')
    .where('username_lower', '=', username)
    .where('state', '=', 'active')
    .where('password_digest', 'is not', null)
    .whereRef('password_changed_at', '<=', 'created_at')
    .executeTakeFirst();
  return row !== undefined;
}

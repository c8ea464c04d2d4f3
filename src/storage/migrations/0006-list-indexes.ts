// Indexes in the orders of the long lists, so that a page of a million keys is read and not sorted. They follow a time or a
// name and end in the id, which settles ties.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

export const listIndexes: Migration = {
  id: 6,
  name: 'list-indexes',
  async up(q) {
    const statements = [
      'create index credentials_created on credentials (created_at, id)',
      'create index credentials_expires on credentials (expires_at, id)',
      'create index credentials_name on credentials (lower(name), id)',
      'create index credentials_creator on credentials (created_by_user_id)',
      'create index projects_created on projects (created_at, id)',
      'create index projects_activity on projects (last_activity_at, id)',
    ];
    for (const statement of statements) await sql.raw(statement).execute(q);
  },
};

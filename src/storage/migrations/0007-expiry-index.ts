// One index in the order of expiry for the list, the notices and the upkeep, without the keys that are forgotten: these stay
// for ever, and what runs every hour must not walk past all of them.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

export const expiryIndex: Migration = {
  id: 7,
  name: 'expiry-index',
  async up(q) {
    const statements = [
      'drop index credentials_expiring',
      'drop index credentials_expires',
      'create index credentials_expires on credentials (expires_at, id) where expires_at is not null and forgotten_at is null',
    ];
    for (const statement of statements) await sql.raw(statement).execute(q);
  },
};

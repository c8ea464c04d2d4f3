// Pictures of users: small (at most 200 KiB), as base64, because both engines hold a text alike.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

export const avatars: Migration = {
  id: 2,
  name: 'avatars',
  async up(q, engine) {
    const [integer, strict] = engine === 'sqlite' ? ['integer', 'strict'] : ['bigint', ''];
    await sql
      .raw(
        `create table avatars (key text primary key, user_id ${integer} not null references users (id),
         media_type text not null, data text not null, created_at ${integer} not null) ${strict}`,
      )
      .execute(q);
    await sql.raw('create index avatars_user on avatars (user_id)').execute(q);
  },
};

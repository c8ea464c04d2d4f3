// The counts of `GET /application/statistics` (reference git-and-deploy 12.10): people, without bots and the Ghost User.
import { sql } from 'kysely';
import type { Queryable } from '../storage/database.ts';

export interface Statistics {
  readonly forks: number;
  readonly ssh_keys: number;
  readonly users: number;
  readonly active_users: number;
  readonly groups: number;
  readonly projects: number;
}

/** Counts what there is now. */
export async function readStatistics(q: Queryable): Promise<Statistics> {
  const people = sql`select count(*) from users where type = 'human' and deleted_at is null`;
  const projects = sql`select count(*) from projects where deleted_at is null`;
  const { rows } = await sql<Statistics>`select
    (${projects} and forked_from_project_id is not null) as forks,
    (select count(*) from credentials where kind = 'user_ssh_key' and ended_at is null) as ssh_keys,
    (${people}) as users,
    (${people} and state = 'active') as active_users,
    (select count(*) from namespaces where kind = 'group' and deleted_at is null) as groups,
    (${projects}) as projects`.execute(q);
  return rows[0]!;
}

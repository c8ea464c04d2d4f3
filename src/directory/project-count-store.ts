// How many projects a person has in his own namespace, for `projects_limit`.
import type { Queryable } from '../storage/database.ts';

/** Live projects directly in a namespace. */
export async function countOwnProjects(q: Queryable, namespaceId: number): Promise<number> {
  const row = await q
    .selectFrom('projects')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('namespace_id', '=', namespaceId)
    .where('deleted_at', 'is', null)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

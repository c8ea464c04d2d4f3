// The rows behind `reach`: ids and paths of the places that a credential opens. Reads only.
import { sql } from 'kysely';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Queryable } from '../storage/database.ts';
import { visibleGroups, visibleProjects } from './visible-store.ts';

interface Slice {
  readonly offset: number;
  readonly perPage: number;
}
interface Found {
  readonly rows: { id: number; full_path: string }[];
  readonly total: number;
}

/** Projects that the credential may see by REST or clone by git, those left out that `seenBy` may not see. */
export async function reachableProjects(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  seenBy: VerifiedCredential,
  slice: Slice,
): Promise<Found> {
  const seen = visibleProjects(clock, credential, 'project:read');
  const pulled = visibleProjects(clock, credential, 'repository:pull');
  let query = q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .where(sql<boolean>`(${seen} or ${pulled})`);
  if (seenBy !== credential) query = query.where(visibleProjects(clock, seenBy, 'project:read'));
  const { total } = await query.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  if (slice.perPage <= 0) return { rows: [], total: Number(total) };
  const rows = await query
    .select(['p.id', 'p.full_path'])
    .orderBy('p.id')
    .limit(slice.perPage)
    .offset(slice.offset)
    .execute();
  return { rows, total: Number(total) };
}

/** Groups that the credential may see, those left out that `seenBy` may not see. */
export async function reachableGroups(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  seenBy: VerifiedCredential,
  slice: Slice,
): Promise<Found> {
  let query = q.selectFrom('namespaces as n').where(visibleGroups(clock, credential, 'group:read'));
  if (seenBy !== credential) query = query.where(visibleGroups(clock, seenBy, 'group:read'));
  const { total } = await query.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query
    .select(['n.id', 'n.full_path'])
    .orderBy('n.id')
    .limit(slice.perPage)
    .offset(slice.offset)
    .execute();
  return { rows, total: Number(total) };
}

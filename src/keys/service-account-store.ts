// Reads of service accounts: users of that type, of the instance or of one place.
import type { User } from '../identity/records.ts';
import type { Queryable } from '../storage/database.ts';
import type { KeyPlace } from './holder-store.ts';

interface Listing {
  readonly orderBy: 'id' | 'username';
  readonly direction: 'asc' | 'desc';
  readonly offset: number;
  readonly perPage: number;
}

const accounts = (q: Queryable, place: KeyPlace | null) => {
  const query = q.selectFrom('users').where('type', '=', 'service_account').where('deleted_at', 'is', null);
  if (place === null) return query;
  return query.where(place.type === 'project' ? 'bot_project_id' : 'bot_namespace_id', '=', place.id);
};

/** A page of the service accounts of a place; of all places and the instance for null. */
export async function listAccounts(
  q: Queryable,
  place: KeyPlace | null,
  listing: Listing,
): Promise<{ rows: User[]; total: number }> {
  const rows = await accounts(q, place)
    .selectAll()
    .orderBy(listing.orderBy === 'username' ? 'username_lower' : 'id', listing.direction)
    .limit(listing.perPage)
    .offset(listing.offset)
    .execute();
  const counted = await accounts(q, place)
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return { rows, total: Number(counted.total) };
}

/** One service account of a place; of anywhere for null. */
export async function findAccount(q: Queryable, place: KeyPlace | null, id: number): Promise<User | null> {
  const row = await accounts(q, place).selectAll().where('id', '=', id).executeTakeFirst();
  return row ?? null;
}

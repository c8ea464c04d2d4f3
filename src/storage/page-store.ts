// One page of a list and how long the list is, where counting to the end would cost more than the page. It knows no table.
import { type SelectQueryBuilder, sql } from 'kysely';
import type { Queryable } from './database.ts';
import type { Schema } from './schema.ts';

/** Above this many rows no total is told (reference access-tokens 3.3), so nothing counts further. */
export const MOST_COUNTED = 10_000;

export interface PageSlice {
  readonly offset: number;
  readonly perPage: number;
}

// biome-ignore lint/suspicious/noExplicitAny: a query over whatever tables and aliases; only rows are counted.
type AnyQuery = SelectQueryBuilder<any, any, any>;

/** How many rows a query finds, `most + 1` standing for all that is more. What it selects and its order do not matter. */
export async function countUpTo(q: Queryable, query: AnyQuery, most: number = MOST_COUNTED): Promise<number> {
  const some = query.clearSelect().clearOrderBy().select(sql`1`.as('one'));
  return countRows(q, some.limit(most + 1));
}

async function countRows(q: Queryable, query: AnyQuery): Promise<number> {
  const { total } = await (q as unknown as Queryable)
    .selectFrom(query.as('found') as never)
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  return Number(total);
}

/**
 * The rows of one page, and `total`: exact up to MOST_COUNTED and at the end of the list, else greater than MOST_COUNTED and
 * than the last row of this page, which is all that the headers need. `select` adds the order and what is selected.
 */
export async function pageOf<O>(
  q: Queryable,
  matching: AnyQuery,
  ordered: SelectQueryBuilder<Schema, never, O>,
  slice: PageSlice,
): Promise<{ rows: O[]; total: number }> {
  return completePage(q, matching, slice, (limit) => ordered.limit(limit).offset(slice.offset).execute());
}

/** The same for rows that are read in another way: `read` answers up to `limit` rows from the offset on. */
export async function completePage<O>(
  q: Queryable,
  matching: AnyQuery,
  { offset, perPage }: PageSlice,
  read: (limit: number) => Promise<O[]>,
): Promise<{ rows: O[]; total: number }> {
  const found = await read(perPage + 1);
  const rows = found.slice(0, perPage);
  // The end of the list is in sight: its length needs no counting.
  if (found.length <= perPage && (found.length > 0 || offset === 0)) return { rows, total: offset + found.length };
  const counted = await countUpTo(q, matching);
  if (counted <= MOST_COUNTED) return { rows, total: counted };
  if (found.length === 0) return { rows, total: await countUpTo(q, matching, Number.MAX_SAFE_INTEGER - 1) };
  return { rows, total: Math.max(counted, offset + found.length) };
}

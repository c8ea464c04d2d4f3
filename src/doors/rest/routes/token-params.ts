// The parameters that the routes of all access tokens share: filters of lists, a new key, a rotation (reference access-tokens 3.4,
// 4, 7.2), and how they become what the deeds take.
import type { Static } from 'typebox';
import type { CredentialFilter } from '../../../credentials/credential-list-store.ts';
import { isIdempotencyKey } from '../../../credentials/idempotency.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import type { KeyWish } from '../../../keys/key-wish.ts';
import { LONGEST_OVERLAP, type RotateWish } from '../../../keys/rotate-key.ts';
import { boolean, date, datetime, integer, object, oneOf, optional, stringList, text, withDefault } from '../schema.ts';

/** The filters of every list of access tokens. */
export const filterParams = {
  state: optional(oneOf(['active', 'inactive'], 'Alive, or revoked or expired')),
  revoked: optional(boolean('Revoked or not')),
  created_before: optional(datetime('Created at this time or before')),
  created_after: optional(datetime('Created at this time or later')),
  last_used_before: optional(datetime('Last used at this time or before')),
  last_used_after: optional(datetime('Last used at this time or later')),
  expires_before: optional(date('Expires before this date')),
  expires_after: optional(date('Expires on this date or later')),
  search: optional(text('Part of the name')),
  sort: optional(text('Such as `created_asc`, `expires_desc`, `last_used_desc`, `name_asc`')),
};

type Filters = Static<ReturnType<typeof object<typeof filterParams>>>;

/** The filters as the store takes them. */
export function filterOf(input: Filters): CredentialFilter {
  return {
    state: input.state,
    revoked: input.revoked,
    createdBefore: input.created_before,
    createdAfter: input.created_after,
    lastUsedBefore: input.last_used_before,
    lastUsedAfter: input.last_used_after,
    expiresBefore: input.expires_before,
    expiresAfter: input.expires_after,
    search: input.search,
    sort: input.sort,
  };
}

/** What a new access token is described by. */
export const wishParams = {
  name: text('Name of the token'),
  scopes: stringList('What it may do'),
  description: optional(text('What it is for, at most 255 characters')),
  expires_at: optional(date('Date from which it is dead, 00:00 UTC of it on')),
};

type Wish = Static<ReturnType<typeof object<typeof wishParams>>>;

/** The same as the deeds take it. */
export function wishOf(input: Wish): KeyWish {
  return {
    name: input.name,
    scopes: input.scopes,
    description: input.description ?? null,
    expiresAt: input.expires_at ?? null,
  };
}

/** The parameters of every rotate route. */
export const rotateParams = object({
  expires_at: optional(date('Date from which the new token is dead')),
  overlap: withDefault(
    integer('Seconds for which the old token keeps working', { minimum: 0, maximum: LONGEST_OVERLAP }),
    0,
  ),
});

interface RotateCall {
  readonly input: { readonly expires_at?: number; readonly overlap: number };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A rotation as the deeds take it; `name` is the route's own name, so that a repeated call is known by it. */
export function rotationOf({ input, headers }: RotateCall, name: string): RotateWish {
  const key = headers['idempotency-key'];
  if (key !== undefined && (typeof key !== 'string' || !isIdempotencyKey(key)))
    fail({ code: 'invalid_parameters', texts: ['Idempotency-Key is invalid'] });
  return {
    expiresAt: input.expires_at ?? null,
    overlap: input.overlap,
    repeat: key === undefined ? null : { key, route: name },
  };
}

/** A path parameter that should be an id; 0, which no row has, for anything else. */
export function idOf(path: Readonly<Record<string, string>>, name: string): number {
  return parseId(path[name] ?? '') ?? 0;
}

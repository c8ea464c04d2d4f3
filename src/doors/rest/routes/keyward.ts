// Our own routes about keys: the inventory, what a key opens, why it was refused, and the catalogue (reference access-tokens 3.7,
// web-ui X2 and X4).
import { type Action, isAction, ruleOf } from '../../../access/actions.ts';
import type { Allowed } from '../../../access/allowed.ts';
import { decide } from '../../../access/decide.ts';
import { explain } from '../../../access/explain.ts';
import { atGroup, atNamespace, atProject, type UnresolvedPlace } from '../../../access/place.ts';
import { reachOf } from '../../../access/reach.ts';
import { findCredential } from '../../../credentials/credential-store.ts';
import type { DeadCredential } from '../../../credentials/dead.ts';
import { failureLimitOf } from '../../../credentials/failure-limit.ts';
import { ISSUED_KINDS } from '../../../credentials/kinds.ts';
import { SCOPES } from '../../../credentials/scopes.ts';
import type { VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { findUserByIdOrName } from '../../../identity/user-store.ts';
import { DAY } from '../../../kernel/clock.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import type { Result } from '../../../kernel/result.ts';
import { Secret } from '../../../kernel/secret.ts';
import { catalogue } from '../../../keys/catalogue.ts';
import { surroundings } from '../../../keys/holder-store.ts';
import { getInventoryKey, listInventory, mayKnow } from '../../../keys/inventory.ts';
import type { Services } from '../../services.ts';
import { presentCredential } from '../present/credential-inventory.ts';
import { json, paged, type RestContext, type Route, route } from '../route.ts';
import { integer, none, object, oneOf, optional, text } from '../schema.ts';
import { idOf } from './token-params.ts';

const listParams = object({
  kind: optional(oneOf(ISSUED_KINDS, 'One of the eight kinds')),
  state: optional(oneOf(['active', 'inactive', 'rotating', 'expired', 'revoked'], 'How it stands')),
  holder: optional(text('Whose keys: user id or user name')),
  creator: optional(text('Who made them: user id or user name')),
  scope: optional(oneOf(SCOPES, 'Keys with this scope')),
  unused_for: optional(integer('Not used for so many days', { minimum: 1, maximum: 36_500 })),
  expires_within: optional(integer('Expires within so many days', { minimum: 0, maximum: 36_500 })),
  search: optional(text('Part of the name')),
  sort: optional(text('Such as `created_desc`, `expires_asc`, `last_used_asc`, `name_asc`')),
});

/** The id of a user named in a filter; 0, which nobody has, when there is none. */
async function userIdOf(services: Services, given: string | undefined): Promise<number | undefined> {
  if (given === undefined || given === '') return undefined;
  return (await findUserByIdOrName(services.db.read, given))?.id ?? 0;
}

const explainParams = object({
  credential_id: optional(integer('The key, by id')),
  token: optional(text('Or its text, which is not kept and not repeated')),
  action: text('One of the actions of the catalogue'),
  project: optional(text('The project, by id or full path')),
  group: optional(text('The group, by id or full path')),
  namespace: optional(text('The group or personal namespace, by id or full path')),
  ref: optional(text('The branch or tag, where the action moves one')),
});

type Explaining = RestContext<'credential:explain', typeof explainParams>;

/** The place that the question names, when the caller may see it; `not_found` for what is hidden from him or missing. */
async function placeOf({ services, credential, input }: Explaining, action: Action): Promise<UnresolvedPlace> {
  const { place: type } = ruleOf(action);
  if (type === 'instance') return { type };
  const given = type === 'namespace' ? (input.namespace ?? input.group) : input[type];
  if (given === undefined || given === '') return fail({ code: 'invalid_parameters', texts: [`${type} is missing`] });
  const ref = parseId(given) ?? given;
  const { db, clock } = services;
  const seen =
    type === 'project'
      ? await decide(db.read, clock, credential, { action: 'project:read', place: atProject(ref) })
      : type === 'group'
        ? await decide(db.read, clock, credential, { action: 'group:read', place: atGroup(ref) })
        : await decide(db.read, clock, credential, { action: 'namespace:read', place: atNamespace(ref) });
  if (!seen.ok) return fail({ code: 'not_found', thing: type.charAt(0).toUpperCase() + type.slice(1) });
  return { type, ref };
}

/** The key that the question is about: by id, or by its text; only one that the caller may know of. */
async function keyOf(context: Explaining): Promise<Result<VerifiedCredential, DeadCredential>> {
  const { services, allowed, actor, input } = context;
  const { credential_id: id, token } = input;
  if ((id === undefined) === (token === undefined))
    return fail({
      code: 'invalid_parameters',
      texts: ['credential_id, token are mutually exclusive, give exactly one'],
    });
  if (id !== undefined) {
    await getInventoryKey(services, allowed, id);
    return services.verifier.byId(id);
  }
  const verified = await services.verifier.token(new Secret(token!));
  if (!verified.ok) {
    // Whoever guesses texts here guesses as he would at any other door.
    if (actor.ip !== null) failureLimitOf(services).failed(actor.ip);
    return verified;
  }
  if (!(await isKnown(services, allowed, verified.value))) return fail({ code: 'not_found', thing: null });
  return verified;
}

async function isKnown(services: Services, allowed: Allowed<'credential:explain'>, key: VerifiedCredential) {
  const row = key.id === null ? null : await findCredential(services.db.read, key.id);
  return row !== null && mayKnow(services, allowed, row);
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/keyward/credentials',
    action: 'credential:list',
    params: listParams,
    summary: 'Lists keys of every kind: all as administrator, else those you hold, made or manage',
    paged: true,
    async handler({ services, allowed, input, page }) {
      const now = services.clock.now();
      const { rows, total } = await listInventory(
        services,
        allowed,
        {
          kinds: input.kind === undefined ? undefined : [input.kind],
          state: input.state,
          userId: await userIdOf(services, input.holder),
          createdByUserId: await userIdOf(services, input.creator),
          scope: input.scope,
          unusedSince: input.unused_for === undefined ? undefined : now - input.unused_for * DAY,
          // Only what is still to come: a key that has expired does not expire within any days.
          expiresAfter: input.expires_within === undefined ? undefined : now,
          expiresBefore: input.expires_within === undefined ? undefined : now + input.expires_within * DAY,
          search: input.search,
          sort: input.sort,
        },
        page,
      );
      const around = await surroundings(services.db.list, rows);
      return paged(
        rows.map((row) => presentCredential(row, around, now)),
        total,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/keyward/credentials/:credential_id',
    action: 'credential:read',
    params: none,
    summary: 'Shows a key of any kind',
    async handler({ services, allowed, path }) {
      const row = await getInventoryKey(services, allowed, idOf(path, 'credential_id'));
      return json(presentCredential(row, await surroundings(services.db.read, [row]), services.clock.now()));
    },
  }),
  route({
    method: 'GET',
    path: '/keyward/credentials/:credential_id/reach',
    action: 'credential:read',
    params: none,
    summary: 'Lists what a key opens now: places, and the actions at each',
    paged: true,
    async handler({ services, credential, allowed, path, page }) {
      const row = await getInventoryKey(services, allowed, idOf(path, 'credential_id'));
      const key = await services.verifier.byId(row.id);
      if (!key.ok) return paged([], 0);
      const { items, total } = await reachOf(
        services,
        key.value,
        page,
        credential.id === row.id ? key.value : credential,
      );
      return paged(items, total);
    },
  }),
  route({
    method: 'POST',
    path: '/keyward/explain',
    action: 'credential:explain',
    params: explainParams,
    summary: 'Says whether a key may do something somewhere, lock by lock',
    async handler(context) {
      const { action, ref } = context.input;
      if (!isAction(action)) return fail({ code: 'invalid_parameters', texts: ['action does not have a valid value'] });
      const key = await keyOf(context);
      const place = await placeOf(context, action);
      const answer = await explain(context.services, key, { action, place, ref });
      const about = key.ok ? { id: key.value.id, kind: key.value.kind, name: key.value.name } : null;
      return json({
        allowed: answer.allowed,
        refused_by: answer.refusedBy,
        locks: answer.locks,
        action,
        credential: about,
      });
    },
  }),
  route({
    method: 'GET',
    path: '/keyward/catalogue',
    action: 'catalogue:read',
    params: none,
    summary: 'Kinds, scopes, actions and roles, from the tables that decide',
    async handler({ services }) {
      return json(await catalogue(services));
    },
  }),
];

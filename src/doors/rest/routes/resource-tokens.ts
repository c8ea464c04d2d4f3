// Project and group access tokens: the same routes at both places (reference access-tokens 4.4). The odd statuses of its error
// table stand here as rows.

import { TOKEN_LEVELS } from '../../../identity/roles.ts';
import type { Fault } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import type { KeyPlace } from '../../../keys/holder-store.ts';
import {
  createResourceToken,
  getResourceToken,
  listResourceTokens,
  mayNotCreate,
  mayNotRevoke,
  revokeResourceToken,
  rotateOwnResourceToken,
  rotateResourceToken,
} from '../../../keys/resource-tokens.ts';
import { presentResourceToken, withToken } from '../present/credential.ts';
import { created, json, noContent, paged, type Route, type RouteRefusals, route } from '../route.ts';
import { integer, none, nullable, object, optional } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { filterOf, filterParams, idOf, rotateParams, rotationOf, wishOf, wishParams } from './token-params.ts';

const UNAUTHORIZED: Fault = { code: 'unauthorized' };
const NOT_ALLOWED: Fault = { code: 'method_not_allowed', reason: null };

/** Who may not look is told 401, not 403. */
const LOOKING: RouteRefusals = { role_too_low: UNAUTHORIZED, out_of_reach: UNAUTHORIZED };
const ROTATING: RouteRefusals = { ...LOOKING, kind_not_allowed: UNAUTHORIZED };

function creating(type: KeyPlace['type']): RouteRefusals {
  const no = mayNotCreate(type);
  return { role_too_low: no, kind_not_allowed: no, out_of_reach: no };
}

function revoking(type: KeyPlace['type']): RouteRefusals {
  const naming: RouteRefusals[keyof RouteRefusals] = (credential, { services, path }) =>
    mayNotRevoke(services, credential, type, placeRef(path), parseId(path['token_id'] ?? ''));
  return { role_too_low: naming, out_of_reach: naming };
}

const placeRef = (path: Readonly<Record<string, string>>) => parseId(path['id']!) ?? path['id']!;

const createParams = object({
  ...wishParams,
  access_level: optional(nullable(integer('The role of the token', { oneOf: TOKEN_LEVELS }))),
});

function routesOf(type: KeyPlace['type']): Route[] {
  const base = type === 'project' ? '/projects/:id/access_tokens' : '/groups/:id/access_tokens';
  const one = `${base}/:token_id`;
  return [
    route({
      method: 'GET',
      path: base,
      action: `${type}_access_token:list`,
      params: object(filterParams),
      summary: `Lists the access tokens of a ${type}`,
      refusals: LOOKING,
      paged: true,
      async handler({ services, allowed, input, page }) {
        const { tokens, total } = await listResourceTokens(services, allowed, filterOf(input), page);
        const now = services.clock.now();
        return paged(
          tokens.map(({ row, level }) => presentResourceToken(row, level, now)),
          total,
        );
      },
    }),
    route({
      method: 'GET',
      path: one,
      action: `${type}_access_token:list`,
      params: none,
      summary: `Shows an access token of a ${type}`,
      refusals: LOOKING,
      async handler({ services, allowed, path }) {
        const { row, level } = await getResourceToken(services, allowed, idOf(path, 'token_id'));
        return json(presentResourceToken(row, level, services.clock.now()));
      },
    }),
    route({
      method: 'POST',
      path: base,
      action: `${type}_access_token:create`,
      params: createParams,
      summary: `Makes an access token of a ${type}, with a bot user of its own`,
      refusals: creating(type),
      async handler({ services, actor, allowed, input }) {
        const wish = { ...wishOf(input), level: input.access_level ?? null };
        const made = await createResourceToken(services, actor, allowed, wish);
        return created(withToken(presentResourceToken(made.credential, made.level, services.clock.now()), made));
      },
    }),
    route({
      method: 'POST',
      path: `${base}/self/rotate`,
      action: 'own_token:rotate',
      params: rotateParams,
      summary: `Rotates the access token of a ${type} that this request was made with`,
      refusals: { kind_not_allowed: NOT_ALLOWED },
      async handler(context) {
        const { services, actor, allowed, path } = context;
        const wish = rotationOf(context, `POST ${base}/self/rotate`);
        const made = await rotateOwnResourceToken(services, actor, allowed, type, placeRef(path), wish);
        return json(withToken(presentResourceToken(made.credential, made.level, services.clock.now()), made));
      },
    }),
    route({
      method: 'POST',
      path: `${one}/rotate`,
      action: `${type}_access_token:rotate`,
      params: rotateParams,
      summary: `Rotates an access token of a ${type}`,
      refusals: ROTATING,
      async handler(context) {
        const { services, actor, allowed, path } = context;
        const wish = rotationOf(context, `POST ${one}/rotate`);
        const made = await rotateResourceToken(services, actor, allowed, idOf(path, 'token_id'), wish);
        return json(withToken(presentResourceToken(made.credential, made.level, services.clock.now()), made));
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      action: `${type}_access_token:revoke`,
      params: none,
      summary: `Revokes an access token of a ${type} and deletes its bot`,
      refusals: revoking(type),
      async handler({ services, actor, allowed, path, headers }) {
        await revokeResourceToken(services, actor, allowed, idOf(path, 'token_id'), unchangedSince(headers));
        return noContent();
      },
    }),
  ];
}

export const routes: Route[] = [...routesOf('project'), ...routesOf('group')];

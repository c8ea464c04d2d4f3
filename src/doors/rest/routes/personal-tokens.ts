// Personal access tokens, and every access token about itself (reference access-tokens 4.1).
import { actingUser } from '../../../credentials/verified-credential.ts';
import { type Fault, fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { associations } from '../../../keys/inventory-store.ts';
import {
  getOwnToken,
  getPersonalToken,
  listPersonalTokens,
  revokeOwnToken,
  revokePersonalToken,
  rotateOwnToken,
  rotatePersonalToken,
} from '../../../keys/personal-tokens.ts';
import { presentPersonalToken, withToken } from '../present/credential.ts';
import { presentAssociations } from '../present/credential-associations.ts';
import { json, noContent, paged, pagedInside, type Route, route } from '../route.ts';
import { integer, none, object, optional, text, withDefault } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { filterOf, filterParams, idOf, rotateParams, rotationOf } from './token-params.ts';

const NOT_A_TOKEN: Fault = {
  code: 'bad_request',
  reason: 'This endpoint requires token type to be a personal access token',
};
const NOT_ALLOWED: Fault = { code: 'method_not_allowed', reason: null };

/** `user_id` of the list: an id, or undefined when it was not sent. Empty counts as unknown. */
function userIdOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (given !== '' && !/^-?\d+$/.test(given)) fail({ code: 'invalid_parameters', texts: ['user_id is invalid'] });
  return parseId(given) ?? 0;
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/personal_access_tokens',
    action: 'personal_access_token:list',
    params: object({ ...filterParams, user_id: optional(text('Whose tokens, by id')) }),
    summary: 'Lists access tokens: your own, or all as administrator',
    paged: true,
    async handler({ services, allowed, input, page }) {
      const filter = { ...filterOf(input), userId: userIdOf(input.user_id) };
      const { rows, total } = await listPersonalTokens(services, allowed, filter, page);
      const now = services.clock.now();
      return paged(
        rows.map((row) => presentPersonalToken(row, now)),
        total,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/personal_access_tokens/self',
    action: 'own_token:read',
    params: none,
    summary: 'Shows the token that this request was made with',
    refusals: { kind_not_allowed: NOT_A_TOKEN },
    async handler({ services, allowed }) {
      return json(presentPersonalToken(await getOwnToken(services, allowed), services.clock.now()));
    },
  }),
  route({
    method: 'DELETE',
    path: '/personal_access_tokens/self',
    action: 'own_token:revoke',
    params: none,
    summary: 'Revokes the token that this request was made with',
    refusals: { kind_not_allowed: NOT_A_TOKEN },
    async handler({ services, actor, allowed }) {
      await revokeOwnToken(services, actor, allowed);
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/personal_access_tokens/self/associations',
    action: 'own_token:read',
    params: object({ min_access_level: withDefault(integer('The lowest role that counts'), 10) }),
    summary: 'Lists the groups and projects that the token`s user is a member of',
    refusals: { kind_not_allowed: NOT_A_TOKEN },
    paged: true,
    async handler({ services, credential, input, page }) {
      const user = actingUser(credential) ?? fail({ code: 'unauthorized' });
      const level = Math.max(input.min_access_level, 10);
      const found = await associations(services.db.list, services.clock, credential, user.id, level, page);
      return pagedInside(presentAssociations(services, found), found.projectTotal);
    },
  }),
  route({
    method: 'POST',
    path: '/personal_access_tokens/self/rotate',
    action: 'own_token:rotate',
    params: rotateParams,
    summary: 'Rotates the token that this request was made with',
    refusals: { kind_not_allowed: NOT_ALLOWED },
    async handler(context) {
      const { services, actor, allowed } = context;
      const wish = rotationOf(context, 'POST /personal_access_tokens/self/rotate');
      const made = await rotateOwnToken(services, actor, allowed, wish);
      return json(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
    },
  }),
  route({
    method: 'GET',
    path: '/personal_access_tokens/:token_id',
    action: 'personal_access_token:read',
    params: none,
    summary: 'Shows an access token',
    async handler({ services, allowed, path }) {
      const row = await getPersonalToken(services, allowed, idOf(path, 'token_id'));
      return json(presentPersonalToken(row, services.clock.now()));
    },
  }),
  route({
    method: 'POST',
    path: '/personal_access_tokens/:token_id/rotate',
    action: 'personal_access_token:rotate',
    params: rotateParams,
    summary: 'Rotates an access token',
    async handler(context) {
      const { services, actor, allowed, path } = context;
      const wish = rotationOf(context, 'POST /personal_access_tokens/:id/rotate');
      const made = await rotatePersonalToken(services, actor, allowed, idOf(path, 'token_id'), wish);
      return json(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
    },
  }),
  route({
    method: 'DELETE',
    path: '/personal_access_tokens/:token_id',
    action: 'personal_access_token:revoke',
    params: none,
    summary: 'Revokes an access token',
    async handler({ services, actor, allowed, path, headers }) {
      await revokePersonalToken(services, actor, allowed, idOf(path, 'token_id'), unchangedSince(headers));
      return noContent();
    },
  }),
];

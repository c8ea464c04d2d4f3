// Impersonation tokens (reference access-tokens 4.3).
import {
  createImpersonationToken,
  getImpersonationToken,
  listImpersonationTokens,
  revokeImpersonationToken,
} from '../../../keys/impersonation-tokens.ts';
import { presentImpersonationToken, withToken } from '../present/credential.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { none, object, oneOf, withDefault } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { idOf, wishOf, wishParams } from './token-params.ts';

const LIST = '/users/:user_id/impersonation_tokens';
const ONE = `${LIST}/:impersonation_token_id`;

export const routes: Route[] = [
  route({
    method: 'GET',
    path: LIST,
    action: 'impersonation_token:read',
    params: object({ state: withDefault(oneOf(['all', 'active', 'inactive'], 'Which tokens'), 'all') }),
    summary: 'Lists the impersonation tokens of a user',
    paged: true,
    async handler({ services, allowed, path, input, page }) {
      const state = input.state === 'all' ? undefined : input.state;
      const { rows, total } = await listImpersonationTokens(services, allowed, idOf(path, 'user_id'), state, page);
      const now = services.clock.now();
      return paged(
        rows.map((row) => presentImpersonationToken(row, now)),
        total,
      );
    },
  }),
  route({
    method: 'GET',
    path: ONE,
    action: 'impersonation_token:read',
    params: none,
    summary: 'Shows an impersonation token',
    async handler({ services, allowed, path }) {
      const id = idOf(path, 'impersonation_token_id');
      const row = await getImpersonationToken(services, allowed, idOf(path, 'user_id'), id);
      return json(presentImpersonationToken(row, services.clock.now()));
    },
  }),
  route({
    method: 'POST',
    path: LIST,
    action: 'impersonation_token:manage',
    params: object(wishParams),
    summary: 'Makes an impersonation token',
    async handler({ services, actor, allowed, path, input }) {
      const made = await createImpersonationToken(services, actor, allowed, idOf(path, 'user_id'), wishOf(input));
      return created(withToken(presentImpersonationToken(made.credential, services.clock.now()), made));
    },
  }),
  route({
    method: 'DELETE',
    path: ONE,
    action: 'impersonation_token:manage',
    params: none,
    summary: 'Revokes an impersonation token',
    async handler({ services, actor, allowed, path, headers }) {
      const id = idOf(path, 'impersonation_token_id');
      await revokeImpersonationToken(services, actor, allowed, idOf(path, 'user_id'), id, unchangedSince(headers));
      return noContent();
    },
  }),
];

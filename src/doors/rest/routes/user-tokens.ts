// Making personal access tokens: for oneself, and for others as administrator (reference access-tokens 4.2).
import { createOwnPersonalToken, createPersonalTokenFor } from '../../../keys/make-personal-token.ts';
import { presentPersonalToken, withToken } from '../present/credential.ts';
import { created, type Route, route } from '../route.ts';
import { object } from '../schema.ts';
import { idOf, wishOf, wishParams } from './token-params.ts';

export const routes: Route[] = [
  route({
    method: 'POST',
    path: '/user/personal_access_tokens',
    action: 'personal_access_token:create',
    params: object(wishParams),
    summary: 'Makes a personal access token for yourself',
    async handler({ services, actor, allowed, input }) {
      const made = await createOwnPersonalToken(services, actor, allowed, wishOf(input));
      return created(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
    },
  }),
  route({
    method: 'POST',
    path: '/users/:user_id/personal_access_tokens',
    action: 'user_token:create',
    params: object(wishParams),
    summary: 'Makes a personal access token for a user',
    async handler({ services, actor, allowed, path, input }) {
      const made = await createPersonalTokenFor(services, actor, allowed, idOf(path, 'user_id'), wishOf(input));
      return created(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
    },
  }),
];

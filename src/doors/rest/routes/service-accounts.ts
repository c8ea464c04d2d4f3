// Service accounts of the instance, of groups and of projects, and their tokens (reference access-tokens 4.5).
import {
  createAccountToken,
  createServiceAccount,
  deleteServiceAccount,
  listAccountTokens,
  listServiceAccounts,
  revokeAccountToken,
  rotateAccountToken,
  updateServiceAccount,
} from '../../../keys/service-accounts.ts';
import { presentPersonalToken, presentServiceAccount, withToken } from '../present/credential.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { boolean, none, object, oneOf, optional, text, withDefault } from '../schema.ts';
import { filterOf, filterParams, idOf, rotateParams, rotationOf, wishOf, wishParams } from './token-params.ts';

const listParams = object({
  order_by: withDefault(oneOf(['id', 'username'], 'Sorted by'), 'id'),
  sort: withDefault(oneOf(['asc', 'desc'], 'Direction'), 'desc'),
});
const accountParams = object({
  name: optional(text('Display name')),
  username: optional(text('User name')),
  email: optional(text('Address for mail')),
});

const PLACES = {
  instance: { base: '/service_accounts', read: 'service_account:read', manage: 'service_account:manage' },
  group: {
    base: '/groups/:id/service_accounts',
    read: 'group_service_account:read',
    manage: 'group_service_account:manage',
  },
  project: {
    base: '/projects/:id/service_accounts',
    read: 'project_service_account:read',
    manage: 'project_service_account:manage',
  },
} as const;

function accountRoutes(place: keyof typeof PLACES): Route[] {
  const { base, read, manage } = PLACES[place];
  return [
    route({
      method: 'GET',
      path: base,
      action: read,
      params: listParams,
      summary: `Lists the service accounts of the ${place}`,
      paged: true,
      async handler({ services, allowed, input, page }) {
        const order = { orderBy: input.order_by, direction: input.sort };
        const { rows, total } = await listServiceAccounts(services, allowed, order, page);
        return paged(rows.map(presentServiceAccount), total);
      },
    }),
    route({
      method: 'POST',
      path: base,
      action: manage,
      params: accountParams,
      summary: `Makes a service account of the ${place}`,
      async handler({ services, actor, allowed, input }) {
        return created(presentServiceAccount(await createServiceAccount(services, actor, allowed, input)));
      },
    }),
    route({
      method: 'PATCH',
      path: `${base}/:user_id`,
      action: manage,
      params: accountParams,
      summary: `Changes a service account of the ${place}`,
      async handler({ services, actor, allowed, path, input }) {
        const account = await updateServiceAccount(services, actor, allowed, idOf(path, 'user_id'), input);
        return json(presentServiceAccount(account));
      },
    }),
  ];
}

function tokenRoutes(place: 'group' | 'project'): Route[] {
  const { base, read, manage } = PLACES[place];
  const list = `${base}/:user_id/personal_access_tokens`;
  const one = `${list}/:token_id`;
  return [
    route({
      method: 'DELETE',
      path: `${base}/:user_id`,
      action: manage,
      params: object({ hard_delete: optional(boolean('Accepted; what it made moves to the Ghost User either way')) }),
      summary: `Deletes a service account of the ${place}`,
      async handler({ services, actor, allowed, path }) {
        await deleteServiceAccount(services, actor, allowed, idOf(path, 'user_id'));
        return noContent();
      },
    }),
    route({
      method: 'GET',
      path: list,
      action: read,
      params: object(filterParams),
      summary: `Lists the tokens of a service account of the ${place}`,
      paged: true,
      async handler({ services, allowed, path, input, page }) {
        const user = idOf(path, 'user_id');
        const { rows, total } = await listAccountTokens(services, allowed, user, filterOf(input), page);
        const now = services.clock.now();
        return paged(
          rows.map((row) => presentPersonalToken(row, now)),
          total,
        );
      },
    }),
    // The first is GitLab's; the second is what @gitbeaker/rest sends instead.
    ...[list, `${base}/:user_id`].map((path) =>
      route({
        method: 'POST',
        path,
        action: manage,
        params: object(wishParams),
        summary: `Makes a token for a service account of the ${place}`,
        async handler({ services, actor, allowed, path, input }) {
          const made = await createAccountToken(services, actor, allowed, idOf(path, 'user_id'), wishOf(input));
          return created(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
        },
      }),
    ),
    route({
      method: 'POST',
      path: `${one}/rotate`,
      action: manage,
      params: rotateParams,
      summary: `Rotates a token of a service account of the ${place}`,
      async handler(context) {
        const { services, actor, allowed, path } = context;
        const [user, token] = [idOf(path, 'user_id'), idOf(path, 'token_id')];
        const wish = rotationOf(context, `POST ${one}/rotate`);
        const made = await rotateAccountToken(services, actor, allowed, user, token, wish);
        return json(withToken(presentPersonalToken(made.credential, services.clock.now()), made));
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      action: manage,
      params: none,
      summary: `Revokes a token of a service account of the ${place}`,
      async handler({ services, actor, allowed, path }) {
        await revokeAccountToken(services, actor, allowed, idOf(path, 'user_id'), idOf(path, 'token_id'));
        return noContent();
      },
    }),
  ];
}

export const routes: Route[] = [
  ...accountRoutes('instance'),
  ...accountRoutes('group'),
  ...tokenRoutes('group'),
  ...accountRoutes('project'),
  ...tokenRoutes('project'),
];

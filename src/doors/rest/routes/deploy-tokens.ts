// Deploy tokens of projects and groups (reference git-and-deploy 5.5).
import { decide } from '../../../access/decide.ts';
import { atGroup, atProject } from '../../../access/place.ts';
import type { Fault } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import {
  createDeployToken,
  deleteDeployToken,
  getDeployToken,
  listAllDeployTokens,
  listDeployTokens,
  rotateDeployToken,
} from '../../../keys/deploy-tokens.ts';
import type { KeyPlace } from '../../../keys/holder-store.ts';
import { presentDeployToken, withToken } from '../present/credential.ts';
import { created, json, noContent, paged, type RefusedAt, type Route, type RouteRefusals, route } from '../route.ts';
import { boolean, date, none, object, optional, stringList, text, withDefault } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { idOf, rotateParams, rotationOf } from './token-params.ts';

const listParams = object({ active: withDefault(boolean('Only those that may authenticate'), false) });

const createParams = object({
  name: text('Name of the token'),
  scopes: stringList('What it may do'),
  expires_at: optional(date('Date from which it is dead, 00:00 UTC of it on; never when left out')),
  username: optional(text('User name for git and docker; made from the id when left out')),
});

/**
 * These routes look the place up before they ask who is there: strangers are told 403 where they may see the place, else 404
 * (reference git-and-deploy 5.5).
 */
function strangers(type: KeyPlace['type']): RouteRefusals {
  return {
    async credential_required(credential, { services, path }: RefusedAt): Promise<Fault> {
      if (credential.kind !== 'anonymous') return { code: 'unauthorized' };
      const ref = parseId(path['id']!) ?? path['id']!;
      const { db, clock } = services;
      const seen =
        type === 'project'
          ? await decide(db.read, clock, credential, { action: 'project:read', place: atProject(ref) })
          : await decide(db.read, clock, credential, { action: 'group:read', place: atGroup(ref) });
      if (seen.ok) return { code: 'forbidden', reason: null };
      return { code: 'not_found', thing: type === 'project' ? 'Project' : 'Group' };
    },
  };
}

function routesOf(type: KeyPlace['type']): Route[] {
  const base = type === 'project' ? '/projects/:id/deploy_tokens' : '/groups/:id/deploy_tokens';
  const one = `${base}/:token_id`;
  const refusals = strangers(type);
  return [
    route({
      method: 'GET',
      path: base,
      action: `${type}_deploy_token:list`,
      params: listParams,
      summary: `Lists the deploy tokens of a ${type}`,
      refusals,
      paged: true,
      async handler({ services, allowed, input, page }) {
        const { rows, total } = await listDeployTokens(services, allowed, input.active, page);
        const now = services.clock.now();
        return paged(
          rows.map((row) => presentDeployToken(row, now)),
          total,
        );
      },
    }),
    route({
      method: 'GET',
      path: one,
      action: `${type}_deploy_token:list`,
      params: none,
      summary: `Shows a deploy token of a ${type}`,
      refusals,
      async handler({ services, allowed, path }) {
        const row = await getDeployToken(services, allowed, idOf(path, 'token_id'));
        return json(presentDeployToken(row, services.clock.now()));
      },
    }),
    route({
      method: 'POST',
      path: base,
      action: `${type}_deploy_token:manage`,
      params: createParams,
      summary: `Makes a deploy token of a ${type}`,
      refusals,
      async handler({ services, actor, allowed, input }) {
        const { name, scopes, username } = input;
        const wish = { name, scopes, username, expiresAt: input.expires_at ?? null };
        const made = await createDeployToken(services, actor, allowed, wish);
        // A bare sentence, which no fault says: GitLab sends it without its usual frame.
        if (!made.ok) return json({ message: made.error }, 400);
        return created(withToken(presentDeployToken(made.value.credential, services.clock.now()), made.value));
      },
    }),
    route({
      method: 'POST',
      path: `${one}/rotate`,
      action: `${type}_deploy_token:manage`,
      params: rotateParams,
      summary: `Rotates a deploy token of a ${type}`,
      refusals,
      async handler(context) {
        const { services, actor, allowed, path } = context;
        const wish = rotationOf(context, `POST ${one}/rotate`);
        const made = await rotateDeployToken(services, actor, allowed, idOf(path, 'token_id'), wish);
        return json(withToken(presentDeployToken(made.credential, services.clock.now()), made));
      },
    }),
    route({
      method: 'DELETE',
      path: one,
      action: `${type}_deploy_token:manage`,
      params: none,
      summary: `Deletes a deploy token of a ${type}`,
      refusals,
      async handler({ services, actor, allowed, path, headers }) {
        await deleteDeployToken(services, actor, allowed, idOf(path, 'token_id'), unchangedSince(headers));
        return noContent();
      },
    }),
  ];
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/deploy_tokens',
    action: 'deploy_token:list_all',
    params: listParams,
    summary: 'Lists the deploy tokens of the instance',
    paged: true,
    async handler({ services, allowed, input, page }) {
      const { rows, total } = await listAllDeployTokens(services, allowed, input.active, page);
      const now = services.clock.now();
      return paged(
        rows.map((row) => presentDeployToken(row, now)),
        total,
      );
    },
  }),
  ...routesOf('project'),
  ...routesOf('group'),
];

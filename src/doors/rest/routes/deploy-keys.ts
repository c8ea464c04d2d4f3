// Deploy keys of projects and of the instance (reference git-and-deploy 6.3).
import {
  addProjectDeployKey,
  disableProjectDeployKey,
  enableDeployKey,
  getProjectDeployKey,
  listProjectDeployKeys,
  takeDeployKey,
  updateProjectDeployKey,
} from '../../../keys/deploy-keys.ts';
import {
  createPublicDeployKey,
  listAllDeployKeys,
  listCommonDeployKeys,
  removeDeployKey,
} from '../../../keys/instance-deploy-keys.ts';
import { presentDeployKey, presentDeployKeyWithProjects, presentEnabledDeployKey } from '../present/ssh-key.ts';
import { created, json, noContent, paged, type RestContext, type Route, route } from '../route.ts';
import { boolean, datetime, none, nullable, object, optional, text, withDefault } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';
import { idOf } from './token-params.ts';

const keyParams = {
  key: text('One line of an SSH public key'),
  title: text('What the key is called'),
  expires_at: optional(nullable(datetime('From when on it is dead; never when left out'))),
};

const keyId = (path: RestContext['path']): number => idOf(path, 'key_id');

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/deploy_keys',
    action: 'deploy_key:list_all',
    params: object({ public: withDefault(boolean('Only public keys'), false) }),
    summary: 'Lists the deploy keys of the instance',
    paged: true,
    async handler({ services, allowed, input, page }) {
      const { rows, total } = await listAllDeployKeys(services, allowed, input.public, page);
      return paged(
        rows.map(({ key, grants }) => presentDeployKeyWithProjects(key, grants)),
        total,
      );
    },
  }),
  route({
    method: 'POST',
    path: '/deploy_keys',
    action: 'deploy_key:manage_all',
    params: object(keyParams),
    summary: 'Adds a public deploy key, which any project may enable',
    async handler({ services, actor, allowed, input }) {
      const { title, key, expires_at: expiresAt } = input;
      return created(
        presentDeployKey(await createPublicDeployKey(services, actor, allowed, { title, key, expiresAt })),
      );
    },
  }),
  route({
    method: 'DELETE',
    path: '/deploy_keys/:key_id',
    action: 'deploy_key:manage_all',
    params: none,
    summary: 'Ends a deploy key in every project at once',
    async handler({ services, actor, allowed, path }) {
      await removeDeployKey(services, actor, allowed, keyId(path));
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/users/:user_id/project_deploy_keys',
    action: 'deploy_key:list_common',
    params: none,
    summary: 'Lists the deploy keys of projects that you and a user both maintain',
    paged: true,
    async handler({ services, allowed, path, page }) {
      const { rows, total } = await listCommonDeployKeys(services, allowed, path['user_id']!, page);
      return paged(rows.map(presentDeployKey), total);
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:id/deploy_keys',
    action: 'project_deploy_key:list',
    params: none,
    summary: 'Lists the deploy keys that are enabled in a project',
    paged: true,
    async handler({ services, allowed, page }) {
      const { rows, total } = await listProjectDeployKeys(services, allowed, page);
      return paged(rows.map(presentEnabledDeployKey), total);
    },
  }),
  route({
    method: 'GET',
    path: '/projects/:id/deploy_keys/:key_id',
    action: 'project_deploy_key:list',
    params: none,
    summary: 'Shows a deploy key that is enabled in a project',
    async handler({ services, allowed, path }) {
      return json(presentEnabledDeployKey(await getProjectDeployKey(services, allowed, keyId(path))));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/:id/deploy_keys',
    action: 'project_deploy_key:manage',
    params: object({ ...keyParams, can_push: withDefault(boolean('Whether it may push here'), false) }),
    summary: 'Adds a deploy key to a project, or enables one that you may enable',
    async handler({ services, actor, allowed, input }) {
      const { title, key, expires_at: expiresAt, can_push: canPush } = input;
      const wish = { title, key, expiresAt, canPush };
      return created(presentEnabledDeployKey(await addProjectDeployKey(services, actor, allowed, wish)));
    },
  }),
  route({
    method: 'PUT',
    path: '/projects/:id/deploy_keys/:key_id',
    action: 'project_deploy_key:manage',
    params: object({
      title: optional(text('What the key is called; left as it is where others share the key')),
      can_push: optional(boolean('Whether it may push here')),
    }),
    summary: 'Changes whether a deploy key may push in a project, or its title',
    async handler({ services, actor, allowed, path, input }) {
      const patch = { title: input.title, canPush: input.can_push };
      return json(presentEnabledDeployKey(await updateProjectDeployKey(services, actor, allowed, keyId(path), patch)));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/:id/deploy_keys/:key_id/enable',
    action: 'project_deploy_key:manage',
    params: none,
    summary: 'Enables a public deploy key, or one of another project of yours, for reading',
    async handler({ services, actor, allowed, path }) {
      return created(presentDeployKey(await enableDeployKey(services, actor, allowed, keyId(path))));
    },
  }),
  route({
    method: 'POST',
    path: '/projects/:id/deploy_keys/:key_id/take_ownership',
    action: 'project_deploy_key:manage',
    params: none,
    summary: 'Makes you the owner of a deploy key, whose right its pushes need',
    async handler({ services, actor, allowed, path }) {
      return json(presentEnabledDeployKey(await takeDeployKey(services, actor, allowed, keyId(path))));
    },
  }),
  route({
    method: 'DELETE',
    path: '/projects/:id/deploy_keys/:key_id',
    action: 'project_deploy_key:manage',
    params: none,
    summary: 'Disables a deploy key in a project; a private one that no project holds any more is gone',
    async handler({ services, actor, allowed, path, headers }) {
      await disableProjectDeployKey(services, actor, allowed, keyId(path), unchangedSince(headers));
      return noContent();
    },
  }),
];

// SSH keys of people, one's own and anybody's, and the look-up of any key by administrators (reference git-and-deploy 6.3, 7).
import type { Static } from 'typebox';
import { grantsOf } from '../../../access/deploy-key-store.ts';
import { type SshKeyRow, USAGE_TYPES } from '../../../credentials/ssh-key-store.ts';
import { usersToShow } from '../../../identity/user-store.ts';
import {
  addOwnSshKey,
  addSshKeyFor,
  getOwnSshKey,
  getSshKeyOf,
  identifySshKey,
  listOwnSshKeys,
  listSshKeysOf,
  removeOwnSshKey,
  removeSshKeyOf,
  type UserSshKeyWish,
} from '../../../keys/user-ssh-keys.ts';
import type { Services } from '../../services.ts';
import { presentIdentifiedKey, presentSshKey } from '../present/ssh-key.ts';
import { created, json, noContent, paged, type RestContext, type Route, route } from '../route.ts';
import { datetime, none, nullable, object, oneOf, optional, text, withDefault } from '../schema.ts';
import { idOf } from './token-params.ts';

const keyParams = object({
  title: text('What the key is called'),
  key: text('One line of an SSH public key'),
  expires_at: optional(nullable(datetime('From when on it is dead; never when left out'))),
  usage_type: withDefault(oneOf(USAGE_TYPES, 'What it is for; a signing key opens no door'), 'auth_and_signing'),
});

const wishOf = (input: Static<typeof keyParams>): UserSshKeyWish => ({
  title: input.title,
  key: input.key,
  expiresAt: input.expires_at ?? null,
  usageType: input.usage_type,
});

const keyId = (path: RestContext['path']): number => idOf(path, 'key_id');

async function identified(services: Services, row: SshKeyRow) {
  const owners = await usersToShow(services.db.read, [row.user_id]);
  const owner = row.user_id === null ? null : (owners.get(row.user_id) ?? null);
  const grants = row.kind === 'deploy_key' ? await grantsOf(services.db.read, [row.id]) : [];
  return json(presentIdentifiedKey(services, row, owner, grants));
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/user/keys',
    action: 'own_ssh_key:read',
    params: none,
    summary: 'Lists your SSH keys',
    paged: true,
    async handler({ services, allowed, page }) {
      const { rows, total } = await listOwnSshKeys(services, allowed, page);
      return paged(rows.map(presentSshKey), total);
    },
  }),
  route({
    method: 'GET',
    path: '/user/keys/:key_id',
    action: 'own_ssh_key:read',
    params: none,
    summary: 'Shows one of your SSH keys',
    async handler({ services, allowed, path }) {
      return json(presentSshKey(await getOwnSshKey(services, allowed, keyId(path))));
    },
  }),
  route({
    method: 'POST',
    path: '/user/keys',
    action: 'own_ssh_key:manage',
    params: keyParams,
    summary: 'Adds an SSH key to your account',
    async handler({ services, actor, allowed, input }) {
      return created(presentSshKey(await addOwnSshKey(services, actor, allowed, wishOf(input))));
    },
  }),
  route({
    method: 'DELETE',
    path: '/user/keys/:key_id',
    action: 'own_ssh_key:manage',
    params: none,
    summary: 'Removes one of your SSH keys',
    async handler({ services, actor, allowed, path }) {
      await removeOwnSshKey(services, actor, allowed, keyId(path));
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/users/:user_id/keys',
    action: 'user_ssh_key:read',
    params: none,
    summary: 'Lists the SSH keys of a user',
    paged: true,
    async handler({ services, allowed, path, page }) {
      const { rows, total } = await listSshKeysOf(services, allowed, path['user_id']!, page);
      return paged(rows.map(presentSshKey), total);
    },
  }),
  route({
    method: 'GET',
    path: '/users/:user_id/keys/:key_id',
    action: 'user_ssh_key:read',
    params: none,
    summary: 'Shows an SSH key of a user',
    async handler({ services, allowed, path }) {
      return json(presentSshKey(await getSshKeyOf(services, allowed, path['user_id']!, keyId(path))));
    },
  }),
  route({
    method: 'POST',
    path: '/users/:user_id/keys',
    action: 'user_ssh_key:manage',
    params: keyParams,
    summary: 'Adds an SSH key to the account of a user',
    async handler({ services, actor, allowed, path, input }) {
      const key = await addSshKeyFor(services, actor, allowed, path['user_id']!, wishOf(input));
      return created(presentSshKey(key));
    },
  }),
  route({
    method: 'DELETE',
    path: '/users/:user_id/keys/:key_id',
    action: 'user_ssh_key:manage',
    params: none,
    summary: 'Removes an SSH key of a user',
    async handler({ services, actor, allowed, path }) {
      await removeSshKeyOf(services, actor, allowed, path['user_id']!, keyId(path));
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/keys',
    action: 'ssh_key:identify',
    params: object({ fingerprint: text('MD5, or `SHA256:` and base64', { notEmpty: true }) }),
    summary: 'Finds an SSH key or deploy key, and its owner, by fingerprint',
    async handler({ services, allowed, input }) {
      return identified(services, await identifySshKey(services, allowed, { fingerprint: input.fingerprint }));
    },
  }),
  route({
    method: 'GET',
    path: '/keys/:key_id',
    action: 'ssh_key:identify',
    params: none,
    summary: 'Finds an SSH key or deploy key, and its owner, by id',
    async handler({ services, allowed, path }) {
      return identified(services, await identifySshKey(services, allowed, { id: keyId(path) }));
    },
  }),
];

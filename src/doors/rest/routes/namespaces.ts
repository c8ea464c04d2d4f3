// Namespaces over REST (reference git-and-deploy 12.3): the caller's own, one, and whether a path is taken.
import { isAdministrator } from '../../../access/judge.ts';
import { heldGroups, visibleGroups } from '../../../access/visible-store.ts';
import { actingUser } from '../../../credentials/verified-credential.ts';
import { listNamespaces } from '../../../directory/group-list-store.ts';
import { findNamespace, findNamespaceByPath } from '../../../identity/namespace-store.ts';
import { GUEST, OWNER } from '../../../identity/roles.ts';
import { parseFullPath } from '../../../kernel/names.ts';
import type { Services } from '../../services.ts';
import { presentNamespace } from '../present/namespace.ts';
import { json, paged, type Route, route } from '../route.ts';
import { boolean, integer, none, nullable, object, optional, text } from '../schema.ts';

async function isTaken(services: Services, path: string): Promise<boolean> {
  const sound = parseFullPath(path);
  return sound !== null && (await findNamespaceByPath(services.db.read, sound)) !== null;
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/namespaces',
    action: 'namespace:list',
    params: object({
      search: optional(text('Part of name or path')),
      owned_only: optional(boolean('Only what one owns')),
    }),
    summary: 'Lists the own namespace and the groups one belongs to',
    paged: true,
    async handler({ services, credential, input, page }) {
      const all = isAdministrator(credential) && !input.owned_only;
      const held = all
        ? visibleGroups(services.clock, credential)
        : heldGroups(services.clock, credential, input.owned_only ? OWNER : GUEST);
      const owner = actingUser(credential)?.id ?? null;
      const filter = { search: input.search, everyOwner: all };
      const { items, total } = await listNamespaces(services.db.list, owner, held, filter, page);
      return paged(
        items.map((namespace) => presentNamespace(services, namespace)),
        total,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/namespaces/:id',
    action: 'namespace:read',
    params: none,
    summary: 'Shows a namespace',
    handler({ services, allowed }) {
      return json(presentNamespace(services, allowed.place.namespace));
    },
  }),
  route({
    method: 'GET',
    path: '/namespaces/:id/exists',
    action: 'namespace:exists',
    params: object({ parent_id: optional(nullable(integer('The group it would lie in'))) }),
    summary: 'Whether a path is taken, and one that is not',
    async handler({ services, path, input }) {
      const parent = input.parent_id == null ? null : await findNamespace(services.db.read, input.parent_id);
      const prefix = parent ? `${parent.full_path}/` : '';
      const wish = path['id']!;
      if (!(await isTaken(services, prefix + wish))) return json({ exists: false, suggests: [] });
      let number = 1;
      while (number < 100 && (await isTaken(services, `${prefix}${wish}${number}`))) number += 1;
      return json({ exists: true, suggests: [`${wish}${number}`] });
    },
  }),
];

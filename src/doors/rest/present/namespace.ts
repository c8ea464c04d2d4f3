// Namespaces as JSON (reference git-and-deploy 12.3); also the `namespace` inside a project.
import type { Namespace } from '../../../identity/records.ts';
import type { House } from '../../../storage/house.ts';

/** The page of a group or user on the web. */
export function namespaceUrl(house: Pick<House, 'url'>, namespace: Namespace): string {
  return `${house.url}/${namespace.kind === 'group' ? 'groups/' : ''}${namespace.full_path}`;
}

/** `id` `name` `path` `kind` `full_path` `parent_id` `avatar_url` `web_url`. */
export function presentNamespace(house: Pick<House, 'url'>, namespace: Namespace) {
  return {
    id: namespace.id,
    name: namespace.name,
    path: namespace.path,
    kind: namespace.kind,
    full_path: namespace.full_path,
    parent_id: namespace.parent_id,
    avatar_url: null,
    web_url: namespaceUrl(house, namespace),
  };
}

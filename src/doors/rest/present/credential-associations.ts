// The places that a token's user is a member of, as `self/associations` shows them (reference access-tokens 4.1).
import { isoTime } from '../../../kernel/clock.ts';
import type { associations } from '../../../keys/inventory-store.ts';
import type { House } from '../../../storage/house.ts';
import { namespaceUrl, presentNamespace } from './namespace.ts';

type Found = Awaited<ReturnType<typeof associations>>;

/** Both lists in one object. */
export function presentAssociations(house: Pick<House, 'url'>, found: Found) {
  return {
    groups: found.groups.map(({ record, direct, inherited }) => ({
      id: record.id,
      web_url: namespaceUrl(house, record),
      name: record.name,
      parent_id: record.parent_id,
      organization_id: 1,
      access_levels: Math.max(direct, inherited),
      visibility: record.visibility,
    })),
    projects: found.projects.map(({ record, namespace, namespaceName, direct, inherited }) => ({
      id: record.id,
      description: record.description,
      name: record.name,
      name_with_namespace: `${namespaceName} / ${record.name}`,
      path: record.path,
      path_with_namespace: record.full_path,
      created_at: isoTime(record.created_at),
      access_levels: {
        project_access_level: direct === 0 ? null : direct,
        group_access_level: inherited === 0 ? null : inherited,
      },
      visibility: record.visibility,
      web_url: `${house.url}/${record.full_path}`,
      namespace: presentNamespace(house, namespace),
    })),
  };
}

// What a project's JSON says beyond its own row: its namespace, owner, source, shares and forks, gathered for a whole page at
// once and only as far as the caller may see them.

import { isAdministrator } from '../access/judge.ts';
import { heldProjects, visibleGroups, visibleProjects } from '../access/visible-store.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import { namespacesById } from '../identity/namespace-store.ts';
import { forkCounts } from '../identity/project-store.ts';
import { lineageIds, type Namespace, type Project, type User } from '../identity/records.ts';
import { MAINTAINER } from '../identity/roles.ts';
import { type ShownShare, sharesOfProjects } from '../identity/share-store.ts';
import { usersToShow } from '../identity/user-store.ts';
import type { House } from '../storage/house.ts';
import { groupsAmong } from './group-list-store.ts';
import { projectsAmong, visibleProjectsById } from './project-list-store.ts';

export interface ProjectDetails {
  readonly namespace: Namespace;
  /** `Group / Subgroup` */
  readonly namespaceName: string;
  /** of the personal namespace; null in groups */
  readonly owner: User | null;
  /** the project this is a fork of, when the caller may see it */
  readonly source: { readonly project: Project; readonly namespace: Namespace; readonly namespaceName: string } | null;
  readonly forks: number;
  readonly shares: readonly ShownShare[];
  /** the caller is at least Maintainer */
  readonly maintains: boolean;
}

/** The details of these projects, by project id. */
export async function projectDetails(
  house: Pick<House, 'db' | 'clock'>,
  credential: VerifiedCredential,
  projects: readonly Project[],
): Promise<Map<number, ProjectDetails>> {
  const q = house.db.list;
  const ids = projects.map((project) => project.id);
  const sourceIds = projects.map((project) => project.forked_from_project_id).filter((id) => id !== null);
  const sources = await visibleProjectsById(q, visibleProjects(house.clock, credential), sourceIds);
  const namespaces = await namespacesById(q, [
    ...projects.map((project) => project.namespace_id),
    ...[...sources.values()].map((project) => project.namespace_id),
  ]);
  const above = await namespacesById(
    q,
    [...namespaces.values()].flatMap((namespace) => lineageIds(namespace.lineage)),
  );
  const fullName = (namespace: Namespace) =>
    lineageIds(namespace.lineage)
      .map((id) => above.get(id)?.name ?? '')
      .join(' / ');
  const owners = await usersToShow(
    q,
    [...namespaces.values()].map((namespace) => namespace.owner_user_id),
  );
  const forks = await forkCounts(q, ids);
  const allShares = await sharesOfProjects(q, ids);
  const shownGroups = await groupsAmong(
    q,
    visibleGroups(house.clock, credential),
    allShares.map((share) => share.group_id),
  );
  const maintained = isAdministrator(credential)
    ? await projectsAmong(q, visibleProjects(house.clock, credential), ids)
    : await projectsAmong(q, heldProjects(house.clock, credential, MAINTAINER), ids);
  const details = new Map<number, ProjectDetails>();
  for (const project of projects) {
    const namespace = namespaces.get(project.namespace_id);
    if (!namespace) continue;
    const source = sources.get(project.forked_from_project_id ?? 0);
    const sourceNamespace = source && namespaces.get(source.namespace_id);
    details.set(project.id, {
      namespace,
      namespaceName: fullName(namespace),
      owner: namespace.owner_user_id === null ? null : (owners.get(namespace.owner_user_id) ?? null),
      source:
        source && sourceNamespace
          ? { project: source, namespace: sourceNamespace, namespaceName: fullName(sourceNamespace) }
          : null,
      forks: forks.get(project.id) ?? 0,
      shares: allShares.filter((share) => share.project_id === project.id && shownGroups.has(share.group_id)),
      maintains: maintained.has(project.id),
    });
  }
  return details;
}

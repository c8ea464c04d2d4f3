// Parameters that several project routes share, and how a page of projects becomes JSON (reference git-and-deploy 12.1).
import type { Condition } from '../../../access/visible-store.ts';
import type { VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { projectDetails } from '../../../directory/project-details.ts';
import { PROJECT_ORDERS, type ProjectFilter } from '../../../directory/project-list-store.ts';
import type { ProjectWish } from '../../../directory/projects.ts';
import { FEATURE_LEVELS, type Feature, type FeatureLevel } from '../../../identity/features.ts';
import type { Project } from '../../../identity/records.ts';
import { GUEST, MEMBER_LEVELS, OWNER } from '../../../identity/roles.ts';
import type { Services } from '../../services.ts';
import { presentProject, presentSimpleProject } from '../present/project.ts';
import { boolean, integer, nullable, oneOf, optional, stringList, text, visibility } from '../schema.ts';

export const projectFilterParams = {
  search: optional(text('Part of name, path or description')),
  membership: optional(boolean('Only projects that one belongs to')),
  owned: optional(boolean('Only projects that one owns')),
  starred: optional(boolean('Only starred ones')),
  visibility: optional(visibility()),
  min_access_level: optional(integer('Only projects where one holds at least this role', { oneOf: MEMBER_LEVELS })),
  archived: optional(boolean('Only archived ones, or only others')),
  simple: optional(boolean('The short form')),
  topic: optional(stringList('Only projects with all of these topics')),
  order_by: optional(oneOf(PROJECT_ORDERS, 'Order')),
  sort: optional(oneOf(['asc', 'desc'], 'Direction')),
  id_after: optional(integer('Only ids above')),
  id_before: optional(integer('Only ids below')),
};

interface FilterInput {
  readonly search?: string;
  readonly membership?: boolean;
  readonly owned?: boolean;
  readonly starred?: boolean;
  readonly visibility?: ProjectFilter['visibility'];
  readonly min_access_level?: number;
  readonly archived?: boolean;
  readonly topic?: string[];
  readonly order_by?: ProjectFilter['order_by'];
  readonly sort?: 'asc' | 'desc';
  readonly id_after?: number;
  readonly id_before?: number;
}

/** The filter that the parameters ask for; `heldAt` makes the condition of holding at least a level. */
export function projectFilter(input: FilterInput, heldAt: (level: number) => Condition): ProjectFilter {
  const levels = [
    ...(input.membership ? [GUEST] : []),
    ...(input.owned ? [OWNER] : []),
    ...(input.min_access_level === undefined ? [] : [input.min_access_level]),
  ];
  return {
    search: input.search,
    visibility: input.visibility,
    archived: input.archived,
    held: levels.length > 0 ? heldAt(Math.max(...levels)) : undefined,
    topics: input.topic,
    idAfter: input.id_after,
    idBefore: input.id_before,
    starred: input.starred,
    order_by: input.order_by,
    sort: input.sort,
  };
}

/** A page of projects as JSON: short for strangers and when asked for. */
export async function projectPage(
  services: Services,
  credential: VerifiedCredential,
  projects: readonly Project[],
  simple: boolean,
): Promise<unknown[]> {
  const details = await projectDetails(services, credential, projects);
  const short = simple || credential.kind === 'anonymous';
  return projects.flatMap((project) => {
    const known = details.get(project.id);
    if (!known) return [];
    return [short ? presentSimpleProject(services, project, known) : presentProject(services, project, known)];
  });
}

const level = (what: string) => optional(oneOf(FEATURE_LEVELS, `Who may use ${what}`));

/** What may be said of a project, new or old. */
export const projectWishParams = {
  description: optional(nullable(text('Description'))),
  visibility: optional(visibility()),
  topics: optional(stringList('Topics')),
  tag_list: optional(stringList('Topics, by their old name')),
  repository_access_level: level('the repository'),
  builds_access_level: level('pipelines'),
  container_registry_access_level: level('the container registry'),
  package_registry_access_level: level('the package registry'),
  releases_access_level: level('releases'),
  environments_access_level: level('environments'),
  forking_access_level: level('forking'),
  infrastructure_access_level: level('infrastructure'),
  jobs_enabled: optional(boolean('Pipelines')),
  container_registry_enabled: optional(boolean('Container registry')),
  packages_enabled: optional(boolean('Packages')),
  lfs_enabled: optional(boolean('Git LFS')),
  shared_runners_enabled: optional(boolean('Runners of the instance')),
  public_jobs: optional(boolean('Job logs for whoever sees the project')),
  ci_config_path: optional(nullable(text('Path of the pipeline file'))),
  ci_default_git_depth: optional(nullable(integer('Depth of clones in jobs', { minimum: 0, maximum: 1000 }))),
  build_timeout: optional(integer('Seconds', { minimum: 600, maximum: 2_592_000 })),
  build_git_strategy: optional(oneOf(['fetch', 'clone'], 'How jobs get the code')),
  ci_push_repository_for_job_token_allowed: optional(boolean('Job tokens may push')),
};

type WishInput = { [K in Feature as `${K}_access_level`]?: FeatureLevel } & {
  readonly description?: string | null;
  readonly visibility?: ProjectWish['visibility'];
  readonly topics?: string[];
  readonly tag_list?: string[];
  readonly package_registry_access_level?: FeatureLevel;
  readonly jobs_enabled?: boolean;
  readonly container_registry_enabled?: boolean;
  readonly packages_enabled?: boolean;
  readonly lfs_enabled?: boolean;
  readonly shared_runners_enabled?: boolean;
  readonly public_jobs?: boolean;
  readonly ci_config_path?: string | null;
  readonly ci_default_git_depth?: number | null;
  readonly build_timeout?: number;
  readonly build_git_strategy?: 'fetch' | 'clone';
  readonly ci_push_repository_for_job_token_allowed?: boolean;
};

const onOff = (on: boolean | undefined): FeatureLevel | undefined =>
  on === undefined ? undefined : on ? 'enabled' : 'disabled';

/** The parameters as the deeds take them; a named level outranks the old switch of the same feature. */
export function projectWish(input: WishInput): ProjectWish {
  return {
    description: input.description,
    visibility: input.visibility,
    topics: input.topics ?? input.tag_list,
    features: {
      repository: input.repository_access_level,
      builds: input.builds_access_level ?? onOff(input.jobs_enabled),
      container_registry: input.container_registry_access_level ?? onOff(input.container_registry_enabled),
      packages: input.package_registry_access_level ?? onOff(input.packages_enabled),
      releases: input.releases_access_level,
      environments: input.environments_access_level,
      forking: input.forking_access_level,
      infrastructure: input.infrastructure_access_level,
    },
    settings: {
      lfs_enabled: input.lfs_enabled,
      shared_runners_enabled: input.shared_runners_enabled,
      public_jobs: input.public_jobs,
      ci_config_path: input.ci_config_path,
      ci_default_git_depth: input.ci_default_git_depth,
      build_timeout: input.build_timeout,
      build_git_strategy: input.build_git_strategy,
      ci_push_repository_for_job_token_allowed: input.ci_push_repository_for_job_token_allowed,
    },
  };
}

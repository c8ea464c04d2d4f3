// Projects as JSON (reference git-and-deploy 12.1): the short form for `simple`, and the full one with what only Maintainers
// see. Features that Keyward does not have are said to be off.
import type { ProjectDetails } from '../../../directory/project-details.ts';
import { projectSettings } from '../../../directory/project-settings.ts';
import { featureLevels } from '../../../identity/features.ts';
import type { Namespace, Project } from '../../../identity/records.ts';
import { isoTime } from '../../../kernel/clock.ts';
import { type House, sshCloneUrl } from '../../../storage/house.ts';
import { presentShare } from './group.ts';
import { presentNamespace } from './namespace.ts';
import { presentBasicUser } from './user.ts';

type Address = Pick<House, 'url' | 'sshUrl'>;

/** Clone addresses (reference git-and-deploy 8.7). */
export function cloneUrls(house: Address, project: Pick<Project, 'full_path'>) {
  return {
    ssh_url_to_repo: sshCloneUrl(house, project.full_path),
    http_url_to_repo: `${house.url}/${project.full_path}.git`,
    web_url: `${house.url}/${project.full_path}`,
  };
}

/** The short form: `simple=true`, and what callers without an account see in lists. */
export function presentSimpleProject(
  house: Address,
  project: Project,
  details: { readonly namespace: Namespace; readonly namespaceName: string; readonly forks?: number },
) {
  const topics: string[] = JSON.parse(project.topics);
  const { namespace } = details;
  return {
    id: project.id,
    description: project.description,
    name: project.name,
    name_with_namespace: `${details.namespaceName} / ${project.name}`,
    path: project.path,
    path_with_namespace: project.full_path,
    created_at: isoTime(project.created_at),
    default_branch: project.default_branch,
    tag_list: topics,
    topics,
    ...cloneUrls(house, project),
    readme_url: null,
    forks_count: details.forks ?? 0,
    avatar_url: null,
    star_count: 0,
    last_activity_at: isoTime(project.last_activity_at),
    visibility: project.visibility,
    namespace: presentNamespace(house, namespace),
  };
}

/** The full form; `permissions` only on the route of one project, for signed-in callers. */
export function presentProject(
  house: Address,
  project: Project,
  details: ProjectDetails,
  permissions?: { readonly projectAccess: number | null; readonly groupAccess: number | null },
) {
  const self = `${house.url}/api/v4/projects/${project.id}`;
  const levels = featureLevels(project);
  const settings = projectSettings(project);
  const on = (level: string) => level !== 'disabled';
  const access = (level: number | null) => (level === null ? null : { access_level: level, notification_level: 3 });
  return {
    ...presentSimpleProject(house, project, details),
    container_registry_image_prefix: `${new URL(house.url).host}/${project.full_path.toLowerCase()}`,
    _links: {
      self,
      issues: `${self}/issues`,
      merge_requests: `${self}/merge_requests`,
      repo_branches: `${self}/repository/branches`,
      labels: `${self}/labels`,
      events: `${self}/events`,
      members: `${self}/members`,
      cluster_agents: `${self}/cluster_agents`,
    },
    packages_enabled: on(levels.packages),
    empty_repo: project.default_branch === null,
    archived: project.archived === 1,
    ...(details.owner ? { owner: presentBasicUser(house, details.owner) } : {}),
    resolve_outdated_diff_discussions: false,
    repository_object_format: 'sha1',
    issues_enabled: false,
    merge_requests_enabled: false,
    wiki_enabled: false,
    jobs_enabled: on(levels.builds),
    snippets_enabled: false,
    container_registry_enabled: on(levels.container_registry),
    service_desk_enabled: false,
    can_create_merge_request_in: false,
    issues_access_level: 'disabled',
    repository_access_level: levels.repository,
    merge_requests_access_level: 'disabled',
    forking_access_level: levels.forking,
    wiki_access_level: 'disabled',
    builds_access_level: levels.builds,
    snippets_access_level: 'disabled',
    pages_access_level: 'disabled',
    analytics_access_level: 'disabled',
    container_registry_access_level: levels.container_registry,
    security_and_compliance_access_level: 'disabled',
    releases_access_level: levels.releases,
    environments_access_level: levels.environments,
    feature_flags_access_level: 'disabled',
    infrastructure_access_level: levels.infrastructure,
    monitor_access_level: 'disabled',
    model_experiments_access_level: 'disabled',
    model_registry_access_level: 'disabled',
    package_registry_access_level: levels.packages,
    shared_runners_enabled: settings.shared_runners_enabled,
    lfs_enabled: settings.lfs_enabled,
    creator_id: project.creator_id,
    // Routes about one project put the state of a fork's copy here; lists look at no disk.
    import_status: 'none',
    open_issues_count: 0,
    description_html: null,
    updated_at: isoTime(project.updated_at),
    ci_config_path: settings.ci_config_path,
    public_jobs: settings.public_jobs,
    shared_with_groups: details.shares.map(presentShare),
    only_allow_merge_if_pipeline_succeeds: false,
    allow_merge_on_skipped_pipeline: null,
    only_allow_merge_if_all_discussions_are_resolved: false,
    request_access_enabled: false,
    remove_source_branch_after_merge: null,
    printing_merge_request_link_enabled: false,
    merge_method: 'merge',
    squash_option: 'default_off',
    marked_for_deletion_on: null,
    ...(details.source
      ? { forked_from_project: presentSimpleProject(house, details.source.project, details.source) }
      : {}),
    ...(details.maintains
      ? {
          runners_token: null,
          ci_default_git_depth: settings.ci_default_git_depth,
          ci_job_token_scope_enabled: true,
          build_timeout: settings.build_timeout,
          build_git_strategy: settings.build_git_strategy,
          auto_devops_enabled: false,
          ci_push_repository_for_job_token_allowed: settings.ci_push_repository_for_job_token_allowed,
        }
      : {}),
    ...(permissions
      ? {
          permissions: {
            project_access: access(permissions.projectAccess),
            group_access: access(permissions.groupAccess),
          },
        }
      : {}),
  };
}

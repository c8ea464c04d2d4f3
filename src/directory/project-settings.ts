// The per-project settings that are kept as JSON beside the features, with their defaults. What each does is for the rooms that
// read it; here they are only names and values.
import type { Project } from '../identity/records.ts';

export interface ProjectSettings {
  readonly lfs_enabled: boolean;
  readonly shared_runners_enabled: boolean;
  readonly public_jobs: boolean;
  readonly ci_config_path: string | null;
  readonly ci_default_git_depth: number | null;
  /** seconds */
  readonly build_timeout: number;
  readonly build_git_strategy: 'fetch' | 'clone';
  readonly ci_push_repository_for_job_token_allowed: boolean;
  /** the branch that HEAD of an empty repository points at */
  readonly initial_branch: string;
}

const DEFAULTS: ProjectSettings = {
  lfs_enabled: true,
  shared_runners_enabled: true,
  public_jobs: true,
  ci_config_path: null,
  ci_default_git_depth: 20,
  build_timeout: 3600,
  build_git_strategy: 'fetch',
  ci_push_repository_for_job_token_allowed: false,
  initial_branch: 'main',
};

/** All settings of a project; what is not stored has its default. */
export function projectSettings(project: Pick<Project, 'settings'>): ProjectSettings {
  return { ...DEFAULTS, ...(JSON.parse(project.settings) as Partial<ProjectSettings>) };
}

/** The stored form of the present settings with `patch` over them; undefined values change nothing. */
export function withProjectSettings(project: Pick<Project, 'settings'>, patch: Partial<ProjectSettings>): string {
  const given = Object.fromEntries(Object.entries(patch).filter(([, value]) => value !== undefined));
  return JSON.stringify({ ...JSON.parse(project.settings), ...given });
}

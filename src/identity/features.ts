// A project's features and their levels. `enabled`: whoever may see the project; `private`: members only; `disabled`: nobody.
import type { Project } from './records.ts';

export const FEATURES = [
  'repository',
  'builds',
  'container_registry',
  'packages',
  'releases',
  'environments',
  'forking',
  'infrastructure',
] as const;
export type Feature = (typeof FEATURES)[number];
export const FEATURE_LEVELS = ['enabled', 'private', 'disabled'] as const;
export type FeatureLevel = (typeof FEATURE_LEVELS)[number];

/** The levels of all features of a project; what is not stored is `enabled`. */
export function featureLevels(project: Pick<Project, 'features'>): Record<Feature, FeatureLevel> {
  const stored: Partial<Record<Feature, FeatureLevel>> = JSON.parse(project.features);
  const levels = {} as Record<Feature, FeatureLevel>;
  for (const feature of FEATURES) levels[feature] = stored[feature] ?? 'enabled';
  return levels;
}

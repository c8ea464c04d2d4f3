// The rule of visibility: nothing may be more visible than what it lies in (reference git-and-deploy 2), and administrators
// may forbid levels to everyone else (`restricted_visibility_levels`).
import type { InstanceSettings } from '../settings/settings.ts';
import type { Visibility } from '../storage/schema.ts';

const ORDER: readonly Visibility[] = ['private', 'internal', 'public'];

/** The levels that something inside a place of this visibility may have. */
export function levelsWithin(parent: Visibility): readonly Visibility[] {
  return ORDER.slice(0, ORDER.indexOf(parent) + 1);
}

/** The less visible of the two. */
export function lessVisible(one: Visibility, other: Visibility): Visibility {
  return levelsWithin(one).includes(other) ? other : one;
}

/** Why somebody may not choose `wish`; null when he may. */
export function restrictedText(wish: Visibility, settings: InstanceSettings, asAdmin: boolean): string | null {
  if (asAdmin || !settings.restricted_visibility_levels.includes(wish)) return null;
  return `${wish} has been restricted by your GitLab administrator`;
}

/** What is chosen when nobody chose: the instance's default, held within the parent and out of the restricted levels. */
export function defaultVisibility(
  wanted: Visibility,
  parent: Visibility,
  settings: InstanceSettings,
  asAdmin: boolean,
): Visibility {
  const free = levelsWithin(lessVisible(wanted, parent)).filter((level) => !restrictedText(level, settings, asAdmin));
  return free.at(-1) ?? 'private';
}

// The role numbers (reference access-tokens 6.3, git-and-deploy 1) and their names. What a role may do stands in access/.

export const NO_ACCESS = 0;
export const MINIMAL = 5;
export const GUEST = 10;
export const PLANNER = 15;
export const REPORTER = 20;
export const SECURITY_MANAGER = 25;
export const DEVELOPER = 30;
export const MAINTAINER = 40;
export const OWNER = 50;
/** Stands for administrators inside protected-ref rules only. */
export const ADMIN = 60;

const NAMES: Readonly<Record<number, string>> = {
  0: 'No access',
  5: 'Minimal Access',
  10: 'Guest',
  15: 'Planner',
  20: 'Reporter',
  25: 'Security Manager',
  30: 'Developer',
  40: 'Maintainer',
  50: 'Owner',
};

/** The levels a membership may have. Minimal access only on a top-level group. */
export const MEMBER_LEVELS: readonly number[] = [5, 10, 15, 20, 25, 30, 40, 50];
/** The levels a project or group access token may have (reference access-tokens 6.3). */
export const TOKEN_LEVELS: readonly number[] = [10, 15, 20, 25, 30, 40, 50];

/** `Maintainer` for 40. */
export function roleName(level: number): string {
  return NAMES[level] ?? `Level ${level}`;
}

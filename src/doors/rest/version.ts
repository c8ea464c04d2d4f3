// The version that clients see: a plain GitLab number, because their version checks drop anything behind it (reference
// git-and-deploy 12.10).

/** The GitLab version whose behaviour this is. */
export const API_VERSION = '19.0.0';
/** Our own build. */
export const REVISION = 'keyward-0.1.0';

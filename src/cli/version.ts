// The version of Keyward itself, as package.json says it. What the API calls `version` is another thing: GitLab's number.
import manifest from '../../package.json' with { type: 'json' };

/** Our own version, such as `0.1.0`. */
export const VERSION: string = manifest.version;

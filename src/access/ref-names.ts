// Which names a branch or tag may be given from outside (git's own check-ref-format, and what GitLab forbids on top:
// reference git-and-deploy 11.4). Pure text rules.

const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)|^[./-]|[./]$/;

/** Whether `name` (without `refs/heads/` or `refs/tags/`) may be created. Never true of what a program could read as an option. */
export function isSafeRefName(name: string): boolean {
  if (name === '' || name.length > 1024 || name === '@' || name === 'HEAD') return false;
  return !FORBIDDEN.test(name) && !/^refs\/(?:heads|tags|remotes)\//.test(name);
}

/** Whether `name` begins with a full SHA-1 or SHA-256 in hex and so could be taken for a commit. */
export function startsWithObjectId(name: string): boolean {
  return /^[0-9a-f]{40}/i.test(name);
}

// Which texts may be a path segment, a user name or a full path (reference git-and-deploy 3.1 to 3.3). Pure text rules:
// whether something of that name exists is for others to say.

/** A syntactically sound `group/sub/project` or `user`; no empty, `.` or `..` segment, no control byte, at most 21 segments. */
export type FullPath = string & { readonly __fullPath: true };

const SEGMENT = /^[a-zA-Z0-9_.][a-zA-Z0-9_.-]{0,254}$/;
const USERNAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9]|[._-](?=[a-zA-Z0-9])){1,254}$/;
const DISPLAY_NAME =
  /^[\p{L}\p{N}\p{Extended_Pictographic}_](?:[\p{L}\p{M}\p{N}\p{Extended_Pictographic} _.,'&:+()/@!#\p{Pd}-]|\u200d|\ufe0f){0,254}$/u;

const RESERVED_TOP = new Set(
  `- .well-known 404.html 422.html 500.html 502.html 503.html admin api apple-touch-icon.png assets dashboard deploy.html explore favicon.ico favicon.png files
  groups health_check help import jwt keyward login oauth profile projects public robots.txt s search sitemap sitemap.xml sitemap.xml.gz slash-command-logo.png
  snippets unsubscribes uploads users v2`.split(/\s+/),
);
const RESERVED_PROJECT = new Set(
  '- badges blame blob builds commits create create_dir edit files find_file new preview raw refs tree update wikis'.split(
    ' ',
  ),
);

export const GROUP_PATH_RULE =
  "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-' or end in '.', '.git' or '.atom'.";
export const PROJECT_PATH_RULE =
  "can contain only letters, digits, '_', '-' and '.'. Cannot start with '-', end in '.git' or end in '.atom'";
export const SPECIAL_RULE =
  'must not start or end with a special character and must not contain consecutive special characters.';
export const RESERVED_RULE = 'is a reserved name';
export const NAME_RULE =
  "can contain only letters, digits, emoji, '_', '.', '+', dashes, or spaces. It must start with a letter, digit, emoji, or '_'.";

/** The most groups that may lie inside one another (reference git-and-deploy 3.1). */
export const MAX_GROUP_DEPTH = 20;

function endsInGitOrAtom(text: string): boolean {
  const lower = text.toLowerCase();
  return lower.endsWith('.git') || lower.endsWith('.atom');
}

function hasRun(text: string): boolean {
  return /^[._-]|[._-]$|[._-]{2}/.test(text);
}

/** What is wrong with `path` as a group's segment; an empty list when nothing is. `top` when it has no parent. */
export function groupPathErrors(path: string, top: boolean): string[] {
  if (path === '') return ["can't be blank"];
  if (path.length > 255) return ['is too long (maximum is 255 characters)'];
  if (!SEGMENT.test(path) || path.endsWith('.') || endsInGitOrAtom(path)) return [GROUP_PATH_RULE];
  if (top ? RESERVED_TOP.has(path.toLowerCase()) : RESERVED_PROJECT.has(path.toLowerCase())) return [RESERVED_RULE];
  return hasRun(path) ? [SPECIAL_RULE] : [];
}

/** What is wrong with `path` as a project's segment; an empty list when nothing is. */
export function projectPathErrors(path: string): string[] {
  if (path === '') return ["can't be blank"];
  if (path.length > 255) return ['is too long (maximum is 255 characters)'];
  if (!SEGMENT.test(path) || endsInGitOrAtom(path)) return [PROJECT_PATH_RULE];
  if (RESERVED_PROJECT.has(path.toLowerCase())) return [RESERVED_RULE];
  return hasRun(path) ? [SPECIAL_RULE] : [];
}

/** What is wrong with `username`: 2 to 255 characters, alphanumeric ends, `. _ -` inside and never two in a row. */
export function usernameErrors(username: string): string[] {
  if (username === '') return ["can't be blank"];
  if (username.length > 255) return ['is too long (maximum is 255 characters)'];
  if (!USERNAME.test(username) || endsInGitOrAtom(username)) return [GROUP_PATH_RULE];
  return RESERVED_TOP.has(username.toLowerCase()) ? [RESERVED_RULE] : [];
}

/** What is wrong with a group's or project's display name. */
export function displayNameErrors(name: string): string[] {
  if (name.trim() === '') return ["can't be blank"];
  if ([...name].length > 255) return ['is too long (maximum is 255 characters)'];
  return DISPLAY_NAME.test(name) && !endsInGitOrAtom(name) ? [] : [NAME_RULE];
}

/** A path segment made from a display name, as GitLab does when only `name` is given: `My App` -> `my-app`. */
export function pathFromName(name: string): string {
  return name
    .normalize('NFKD')
    .replace(/[^a-zA-Z0-9_.-]+/g, '-')
    .replace(/([._-])[._-]+/g, '$1')
    .replace(/^[._-]+|[._-]+$/g, '')
    .toLowerCase();
}

/** Reads a full path from the outside. Null when no namespace or project could ever have it, so nothing needs a look-up. */
export function parseFullPath(text: string): FullPath | null {
  if (text.length > 6000) return null;
  const segments = text.split('/');
  if (segments.length > MAX_GROUP_DEPTH + 1) return null;
  for (const segment of segments) if (!SEGMENT.test(segment) || segment === '.' || segment === '..') return null;
  return text as FullPath;
}

const EMAIL = /^[^\s@<>()[\]\\,;:"\u0000-\u001f\u007f]+@[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,250}[a-zA-Z0-9])?$/;

/** Whether `text` could be an e-mail address; nothing is sent to find out. */
export function isEmail(text: string): boolean {
  return text.length <= 254 && EMAIL.test(text);
}

const MAX_ID = 9_007_199_254_740_991;

/** Reads a positive integer id; null for anything else, numbers that overflow included. */
export function parseId(text: string): number | null {
  if (!/^[0-9]{1,16}$/.test(text)) return null;
  const id = Number(text);
  return id >= 1 && id <= MAX_ID ? id : null;
}

// Which texts may name a branch, a tag, a ref or an object. Pure text rules, git's own (git-check-ref-format) and a little
// stricter; a text that passes can stand in an argument list or on a line of git's input without being anything else.

/** A full ref such as `refs/heads/main`. */
export type RefName = string & { readonly __ref: 'ref' };
/** A branch's short name. */
export type BranchName = string & { readonly __ref: 'branch' };
/** A tag's short name. */
export type TagName = string & { readonly __ref: 'tag' };
/** A full object id: 40 or 64 lower-case hex digits. */
export type ObjectId = string & { readonly __object: true };
/** A path inside a tree: relative, `/` between its parts, no part that a work tree could abuse. */
export type TreePath = string & { readonly __treePath: true };

const FORBIDDEN = /[\u0000-\u0020\u007f~^:?*[\\]|\.\.|@\{|\/\/|\ufffd/;
const MAX_NAME = 1024;

function isRefPath(text: string): boolean {
  if (text === '' || text === '@' || Buffer.byteLength(text) > MAX_NAME) return false;
  if (FORBIDDEN.test(text) || !text.isWellFormed()) return false;
  if (text.startsWith('-') || text.startsWith('/') || text.endsWith('/') || text.endsWith('.')) return false;
  // A part longer than a file name may be could never be stored.
  return text
    .split('/')
    .every((part) => !part.startsWith('.') && !part.endsWith('.lock') && Buffer.byteLength(part) <= 250);
}

/** Reads a branch's short name; null when git or we would not have it (`HEAD` and a leading `-` included). */
export function parseBranchName(text: string): BranchName | null {
  return isRefPath(text) && text !== 'HEAD' && !text.startsWith('refs/') ? (text as BranchName) : null;
}

/** Reads a tag's short name; null when git or we would not have it. */
export function parseTagName(text: string): TagName | null {
  return isRefPath(text) && text !== 'HEAD' && !text.startsWith('refs/') ? (text as TagName) : null;
}

/** Reads a full ref name, which begins with `refs/` and has at least one more part. */
export function parseRefName(text: string): RefName | null {
  return isRefPath(text) && /^refs\/[^/]+\/./.test(text) ? (text as RefName) : null;
}

/** Reads a full object id. */
export function parseObjectId(text: string): ObjectId | null {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text) ? (text as ObjectId) : null;
}

/** Whether a branch or tag name begins with a whole SHA-1 or SHA-256 (refused on creation, reference git-and-deploy 11.4). */
export function startsWithObjectId(name: string): boolean {
  return /^[0-9a-f]{40}/i.test(name);
}

/** `refs/heads/<name>`. */
export function branchRef(name: BranchName): RefName {
  return `refs/heads/${name}` as RefName;
}

/** `refs/tags/<name>`. */
export function tagRef(name: TagName): RefName {
  return `refs/tags/${name}` as RefName;
}

/** Whether an id is all zeros: git's word for "no object" in a push. */
export function isZeroId(id: string): boolean {
  return /^0+$/.test(id);
}

/**
 * Reads a path inside a tree. Null for what must never be written: absolute, empty or dot parts, NUL and other control bytes,
 * a backslash, `.git` in any spelling that some file system takes for `.git`, a part over 255 or a path over 4096 bytes.
 */
export function parseTreePath(text: string): TreePath | null {
  return /[\u0000-\u001f\u007f\\]/.test(text) ? null : parseReadPath(text);
}

/**
 * Reads a path that is only looked up in a tree: also with a backslash (systemd's units have one) or a control byte other than NUL,
 * for git keeps such names and they come by pushes. It never becomes a path of the server.
 */
export function parseReadPath(text: string): TreePath | null {
  if (text === '' || text.includes('\0') || !text.isWellFormed() || Buffer.byteLength(text) > 4096) return null;
  return text.split('/').every(isTreePart) ? (text as TreePath) : null;
}

function isTreePart(part: string): boolean {
  if (part === '' || part === '.' || part === '..' || Buffer.byteLength(part) > 255) return false;
  // HFS+ ignores these code points, NTFS drops trailing dots and blanks, reads `git~1` as `.git` and cuts at a colon.
  const bare = part
    .replace(/[\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g, '')
    .toLowerCase()
    .replace(/:.*$/, '')
    .replace(/[. ]+$/, '');
  return bare !== '.git' && bare !== 'git~1';
}

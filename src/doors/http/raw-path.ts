// The one decoder of request paths: it splits the raw URL at slashes first and decodes each segment once, so that `%2F` stays
// inside its segment and no second decoder can disagree (security-lessons R1). It knows no routes.

export interface RawUrl {
  /** decoded segments, none empty; null when the path is not one we serve: `//`, `..`, control bytes but in file names, broken escapes */
  readonly segments: readonly string[] | null;
  /** what stands behind `?`, undecoded */
  readonly query: string;
}

const MAX_PATH = 8192;

/** Splits a raw request target such as `/api/v4/projects/a%2Fb?x=1`. A trailing slash makes an empty segment, so it is refused. */
export function splitUrl(target: string): RawUrl {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  return { segments: decodeSegments(path), query: mark === -1 ? '' : target.slice(mark + 1) };
}

/** Nothing to decode and nothing to refuse. */
const PLAIN = /^(?:\/[A-Za-z0-9_-]+)+$/;

function decodeSegments(path: string): string[] | null {
  if (!path.startsWith('/') || path.length > MAX_PATH) return null;
  if (PLAIN.test(path)) return path.slice(1).split('/');
  const segments: string[] = [];
  for (const raw of path.slice(1).split('/')) {
    const segment = decodeOnce(raw);
    if (segment === null || segment === '' || segment.includes('\0')) return null;
    if (/[\u0001-\u001f\u007f]/.test(segment) && !isFileName(segments)) return null;
    if (segment.split(/[/\\]/).some((part) => part === '..' || part === '.')) return null;
    segments.push(segment);
  }
  return segments;
}

/** Whether what follows is the name of a file in a repository, in which git keeps every byte but NUL. */
function isFileName(before: readonly string[]): boolean {
  return before.at(-1) === 'files' && before.at(-2) === 'repository';
}

/** Decodes percent escapes as UTF-8, once; null for broken ones. */
export function decodeOnce(text: string): string | null {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

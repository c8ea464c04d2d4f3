// What a raw request target asks of git LFS (reference git-and-deploy 9.1). Split on the undecoded text like git's own addresses:
// a repository's path, an object's name and a lock's id need no escapes. It asks no store.
import { type Oid, parseOid } from '../../repositories/lfs-objects.ts';

export type LfsRequest = { readonly path: string } & (
  | { readonly type: 'batch' | 'legacy' | 'lock' | 'verify_locks' }
  | { readonly type: 'list_locks'; readonly query: URLSearchParams }
  | { readonly type: 'unlock'; readonly id: number }
  | { readonly type: 'download'; readonly oid: Oid }
  | { readonly type: 'upload'; readonly oid: Oid; readonly size: number }
  /** below an LFS address, and nothing that could be there */
  | { readonly type: 'nothing' }
);

const LFS = /^\/([A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*)\.git\/(info\/lfs|gitlab-lfs)\/([^?]*)(?:\?(.*))?$/s;

/** Reads `/group/project.git/info/lfs/…` or `/group/project.git/gitlab-lfs/…`; null when the target is neither. */
export function parseLfsUrl(method: string, target: string): LfsRequest | null {
  if (target.length > 16_384) return null;
  const match = LFS.exec(target);
  if (!match) return null;
  const [, path = '', part, rest = '', query = ''] = match;
  if (path.split('/').some((segment) => segment === '.' || segment === '..')) return null;
  const found = part === 'gitlab-lfs' ? transfer(method, rest) : api(method, rest, query);
  return { path, ...(found ?? { type: 'nothing' }) };
}

type Found = LfsRequest extends infer R ? (R extends { path: string } ? Omit<R, 'path'> : never) : never;

function api(method: string, rest: string, query: string): Found | null {
  const legacy = /^objects(?:\/[0-9a-f]{64})?$/.test(rest);
  if (method === 'GET') {
    if (rest === 'locks') return { type: 'list_locks', query: new URLSearchParams(query) };
    return legacy && rest !== 'objects' ? { type: 'legacy' } : null;
  }
  if (method !== 'POST') return null;
  if (rest === 'objects/batch') return { type: 'batch' };
  if (rest === 'objects') return { type: 'legacy' };
  if (rest === 'locks') return { type: 'lock' };
  if (rest === 'locks/verify') return { type: 'verify_locks' };
  const unlock = /^locks\/([1-9][0-9]{0,14})\/unlock$/.exec(rest);
  return unlock ? { type: 'unlock', id: Number(unlock[1]) } : null;
}

function transfer(method: string, rest: string): Found | null {
  const match = /^objects\/([^/]+)(?:\/(0|[1-9][0-9]{0,14}))?$/.exec(rest);
  const oid = parseOid(match?.[1]);
  if (oid === null) return null;
  const size = match?.[2];
  if (method === 'GET' || method === 'HEAD') return size === undefined ? { type: 'download', oid } : null;
  return method === 'PUT' && size !== undefined ? { type: 'upload', oid, size: Number(size) } : null;
}

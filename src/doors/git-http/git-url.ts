// What a raw request target asks of git. One function splits it, on the undecoded text: a repository's path needs no escapes,
// so whatever carries one, or `//`, `..`, `;`, `\` or a control byte, is no address of ours (security-lessons R1). It asks no
// store: an address says nothing about whether something is there.

export type GitService = 'upload-pack' | 'receive-pack';

export type GitRequest =
  | { readonly type: 'info_refs'; readonly path: string; readonly service: GitService | null }
  | { readonly type: 'rpc'; readonly path: string; readonly service: GitService }
  /** without `.git`: where to go instead, path only */
  | { readonly type: 'redirect'; readonly location: string }
  /** shaped like ours, but no repository could be there */
  | { readonly type: 'impossible' };

const SAFE = /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*$/;
const LIKE_OURS = /\/(?:info\/refs|git-upload-pack|git-receive-pack)$/;
/** First segments that other doors own: nothing below them is a repository. */
const TAKEN = /^(?:api|v2|-|assets)(?:\/|$)/;

/** Reads `/group/project.git/info/refs?service=…`; null when the target is nobody's git. */
export function parseGitUrl(target: string): GitRequest | null {
  const mark = target.indexOf('?');
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = mark === -1 ? '' : target.slice(mark + 1);
  if (!LIKE_OURS.test(path) || path.length > 8192) return null;
  const bare = path.slice(1);
  if (TAKEN.test(bare)) return null;
  if (!SAFE.test(bare) || bare.split('/').some((part) => part === '.' || part === '..'))
    return path.includes('.git/') ? { type: 'impossible' } : null;

  const match = /^(.+)\.git\/(info\/refs|git-upload-pack|git-receive-pack)$/.exec(bare);
  if (match) {
    const repository = match[1]!;
    // `/...git/` is no segment that climbs, but what is left without `.git` would be one.
    if (/(?:^|\/)\.{1,2}$/.test(repository)) return { type: 'impossible' };
    if (match[2] !== 'info/refs')
      return {
        type: 'rpc',
        path: repository,
        service: match[2] === 'git-upload-pack' ? 'upload-pack' : 'receive-pack',
      };
    return { type: 'info_refs', path: repository, service: readService(query) };
  }
  const plain = /^(.+)\/info\/refs$/.exec(bare);
  if (!plain || !plain[1]!.includes('/')) return null;
  if (query !== '' && query !== 'service=git-upload-pack' && query !== 'service=git-receive-pack') return null;
  return { type: 'redirect', location: `/${plain[1]}.git/info/refs${query === '' ? '' : `?${query}`}` };
}

function readService(query: string): GitService | null {
  const service = new URLSearchParams(query).getAll('service');
  if (service.length !== 1) return null;
  if (service[0] === 'git-upload-pack') return 'upload-pack';
  return service[0] === 'git-receive-pack' ? 'receive-pack' : null;
}

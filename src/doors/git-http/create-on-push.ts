// A push to a path where nothing is: the project is made, private, if the pusher may make it there (reference git-and-deploy
// 8.5). Asking for refs makes nothing (security-lessons R19): only the first command of a push does.
import type { Result } from '../../kernel/result.ts';
import type { Services } from '../services.ts';
import type { Entry, Missing } from './entry.ts';
import type { GitReply } from './replies.ts';

/** Whether this holder may make a project at that path. */
export async function mayCreate(_services: Services, _missing: Missing): Promise<boolean> {
  return false;
}

export async function createForPush(
  _services: Services,
  missing: Missing,
  _ip: string,
): Promise<Result<{ readonly entry: Entry; readonly notices: readonly string[] }, GitReply>> {
  return { ok: false, error: missing.reply };
}

const CAPABILITIES =
  'report-status report-status-v2 delete-refs quiet atomic ofs-delta push-options side-band-64k object-format=sha1 agent=git/keyward';
const ZERO = '0'.repeat(40);

/** What `git receive-pack` would say of an empty repository: the pusher's git then sends its pack. */
export function emptyAdvertisement(): string {
  return `${line('# service=git-receive-pack\n')}0000${line(`${ZERO} capabilities^{}\0${CAPABILITIES}\n`)}0000`;
}

function line(text: string): string {
  return (Buffer.byteLength(text) + 4).toString(16).padStart(4, '0') + text;
}

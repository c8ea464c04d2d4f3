// The second principal of a deploy key: a push with it needs the right of its creator at that moment (reference git-and-deploy
// 6.5), so the judge is asked about him as about anybody who comes with an SSH key of his own.
import { describeKind } from './kinds.ts';
import { isScope } from './scopes.ts';
import { proven, type VerifiedCredential } from './verified-credential.ts';

/** The creator of a deploy key as a credential to be judged, never to be let in; null when there is none who is active. */
export function creatorOf(credential: VerifiedCredential): VerifiedCredential | null {
  const { holder } = credential;
  if (holder.type !== 'deploy_key' || holder.creator?.state !== 'active') return null;
  return proven({
    ...credential,
    kind: 'user_ssh_key',
    holder: { type: 'user', user: holder.creator },
    scopes: describeKind('user_ssh_key').impliedScopes.filter(isScope),
    reach: { type: 'everything' },
  });
}

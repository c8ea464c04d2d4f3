// Acting as somebody else: an administrator's token with scope `sudo` keeps its own scopes and id, and takes another holder.
// Whether it may was asked before.
import type { User } from '../identity/records.ts';
import { actingUser, proven, type VerifiedCredential } from './verified-credential.ts';

/** The same key, acting as `target`; it remembers on whose behalf. The reach stays what it was. */
export function asSudo(credential: VerifiedCredential, target: User): VerifiedCredential {
  return proven({ ...credential, holder: { type: 'user', user: target }, sudoBy: actingUser(credential) });
}

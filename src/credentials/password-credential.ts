// The credential that a proven password makes: its user, with what a password opens (git). Whether the password was right is not
// asked here.
import type { User } from '../identity/records.ts';
import { describeKind } from './kinds.ts';
import { isScope } from './scopes.ts';
import { proven, type VerifiedCredential } from './verified-credential.ts';

/** The credential of a user whose password was checked. */
export function passwordCredential(user: User): VerifiedCredential {
  return proven({
    kind: 'password',
    id: null,
    familyId: null,
    name: 'password',
    holder: { type: 'user', user },
    scopes: describeKind('password').impliedScopes.filter(isScope),
    reach: { type: 'everything' },
    impersonation: false,
    expiresAt: null,
    jobId: null,
    sudoBy: null,
    csrfProven: false,
  });
}

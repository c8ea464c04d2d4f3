// The operator at the machine itself: who can read the data folder holds every key anyway, so the local command line is a kind
// of credential of its own, named in the audit like any other. Only the local socket and the command line ask for it.
import { describeKind } from './kinds.ts';
import { isScope } from './scopes.ts';
import { proven, type VerifiedCredential } from './verified-credential.ts';

const OPERATOR: VerifiedCredential = proven({
  kind: 'local',
  id: null,
  familyId: null,
  name: 'local',
  holder: { type: 'operator' },
  scopes: describeKind('local').impliedScopes.filter(isScope),
  reach: { type: 'everything' },
  impersonation: false,
  expiresAt: null,
  jobId: null,
  sudoBy: null,
  csrfProven: false,
});

/** The credential of the local command line. It was proven by access to the data folder, not by a text. */
export function localOperator(): VerifiedCredential {
  return OPERATOR;
}

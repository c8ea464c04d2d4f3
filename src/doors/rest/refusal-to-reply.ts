// What a refusal says on this wire: every code, exhaustively (reference access-tokens 2.3, git-and-deploy 4). The reason inside a
// refusal is for logs and audit and is never sent.
import type { Refusal } from '../../access/refusal.ts';
import { insufficientScope, invalidToken, message, type WireReply } from './wire-reply.ts';

export const BLOCKED = '403 Forbidden - Your account has been blocked.';

/** The answer to a refusal that its route does not word otherwise. */
export function refusalToReply(refusal: Refusal): WireReply {
  switch (refusal.code) {
    case 'malformed':
    case 'unknown':
    case 'credential_required':
      return message(401, '401 Unauthorized');
    case 'expired':
      return invalidToken('Token is expired. You can either do re-authorization or token refresh.');
    case 'revoked':
      return invalidToken('Token was revoked. You have to re-authorize from the user.');
    case 'impersonation_disabled':
      return invalidToken('Token is an impersonation token but impersonation was disabled.');
    case 'holder_blocked':
      return message(403, BLOCKED);
    case 'scope_missing':
      return insufficientScope(refusal.acceptedScopes);
    case 'hidden':
      return message(404, refusal.thing === null ? '404 Not Found' : `404 ${refusal.thing} Not Found`);
    case 'kind_not_allowed':
    case 'out_of_reach':
    case 'role_too_low':
    case 'feature_disabled':
    case 'archived':
      return message(403, '403 Forbidden');
    case 'protected':
      return message(403, refusal.message === null ? '403 Forbidden' : `403 Forbidden - ${refusal.message}`);
    default:
      return refusal.code satisfies never;
  }
}

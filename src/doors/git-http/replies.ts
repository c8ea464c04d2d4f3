// How the git door says no: the one place where a refusal becomes a status and a line of text (reference git-and-deploy 8.4).
// Always plain text: git shows nothing else.
import type { Refusal } from '../../access/refusal.ts';
import { BUSY, NO_REPOSITORY, NOT_FOUND, refusalText } from '../../repositories/refusal-texts.ts';
import type { GitService } from './git-url.ts';

export interface GitReply {
  readonly status: number;
  readonly body: string;
  /** ask for a name and a password */
  readonly challenge?: boolean;
  /** seconds */
  readonly retryAfter?: number;
}

/** 401: nobody, or wrong credentials; with the challenge, or git would not ask (reference git-and-deploy 8.3 step 0). */
export function accessDenied(url: string, challenge = true): GitReply {
  const body =
    'HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect or ' +
    "you're required to use a token instead of a password. If a token was provided, it was either incorrect, expired, " +
    `or improperly scoped. See ${url}/help/topics/git/troubleshooting_git.md#error-on-git-fetch-http-basic-access-denied`;
  return { status: 401, body, challenge };
}

export const notFound: GitReply = { status: 404, body: NOT_FOUND };
export const namespaceNotFound: GitReply = {
  status: 404,
  body: 'The namespace you were looking for could not be found.',
};
export const noRepository: GitReply = { status: 404, body: NO_REPOSITORY };
export const commandNotAllowed: GitReply = {
  status: 403,
  body: "The command you're trying to execute is not allowed.",
};
export const protocolOff: GitReply = { status: 403, body: 'Git access over HTTP is not allowed' };

/** 403 with the time until the address may try again. */
export function addressBlocked(retryAfter: number): GitReply {
  return { status: 403, body: 'Too many failed authentication attempts from this IP', retryAfter };
}

/** 503: come back after `retryAfter` seconds. */
export function busy(retryAfter: number): GitReply {
  return { status: 503, body: BUSY, retryAfter };
}

/** Whether a refusal sounds like wrong credentials, on git's wire as on that of LFS: dead keys, nobody, a deploy token away from home. */
export function soundsWrong({ code, credential }: Refusal): boolean {
  switch (code) {
    case 'malformed':
    case 'unknown':
    case 'expired':
    case 'revoked':
    case 'holder_blocked':
    case 'impersonation_disabled':
    case 'credential_required':
      return true;
    case 'out_of_reach':
      return credential?.holder.type === 'deploy_token';
    default:
      return false;
  }
}

/** The reply to a refusal of somebody whose credential is genuine. */
export function refusalReply(refusal: Refusal, service: GitService, url: string): GitReply {
  if (soundsWrong(refusal)) return accessDenied(url);
  return refusal.code === 'hidden' ? notFound : { status: 403, body: refusalText(refusal, service) };
}

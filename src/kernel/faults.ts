// The expected failures of a deed: what a caller asked for cannot be done, although he may ask. A closed union with a
// stable `code`; each door says them in its own wire. Refusals (may not) are not here: they come from access/.

export type Fault =
  /** A declared parameter is missing or malformed; `texts` are whole sentences such as `name is missing`. */
  | { readonly code: 'invalid_parameters'; readonly texts: readonly string[] }
  /** A record would break its rules: field -> texts. */
  | { readonly code: 'invalid_record'; readonly fields: Readonly<Record<string, readonly string[]>> }
  /** The request makes no sense now; `reason` is a sentence for the caller. */
  | { readonly code: 'bad_request'; readonly reason: string }
  /** A sentence that GitLab sends without any frame. */
  | { readonly code: 'unprocessable'; readonly reason: string }
  /** What the request names beside its place is not there; `thing` such as `User`; null: GitLab's bare `404 Not found`; empty: `404 Not Found`. */
  | { readonly code: 'not_found'; readonly thing: string | null }
  | { readonly code: 'conflict'; readonly reason: string }
  | { readonly code: 'forbidden'; readonly reason: string | null }
  | { readonly code: 'unauthorized' }
  /** The caller's key lacks what this very request would hand out (reference access-tokens 4.2): one of `scopes` is needed. */
  | { readonly code: 'insufficient_scope'; readonly scopes: readonly string[] }
  | { readonly code: 'method_not_allowed'; readonly reason: string | null }
  | { readonly code: 'precondition_failed' }
  /** Busy or shutting down; come back after `retryAfter` seconds. */
  | { readonly code: 'unavailable'; readonly reason: string; readonly retryAfter: number }
  | { readonly code: 'too_many_requests'; readonly retryAfter: number };

/** Carries a Fault out of a transaction or a deep call; doors translate it, nobody else catches it. */
export class FaultError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.code);
    this.name = 'FaultError';
    this.fault = fault;
  }
}

/** Ends the deed with `fault`. Inside a transaction everything is rolled back. */
export function fail(fault: Fault): never {
  throw new FaultError(fault);
}

/**
 * Ends the deed when what it is about to remove was changed at `changedAt`, after `unchangedSince` (milliseconds both; null: not
 * asked). The caller means an older one: `If-Unmodified-Since`, which has whole seconds (reference git-and-deploy 4).
 */
export function demandUnchanged(changedAt: number, unchangedSince: number | null): void {
  if (unchangedSince !== null && Math.floor(changedAt / 1000) * 1000 > unchangedSince)
    fail({ code: 'precondition_failed' });
}

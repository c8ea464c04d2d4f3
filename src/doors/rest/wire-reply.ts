// The answers of this door that are not a handler's: status, headers and a JSON body with `error` or `message`, as GitLab words
// them (reference access-tokens 3.1).
export interface WireReply {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `{"message": …}`. */
export const message = (status: number, text: unknown, headers?: Record<string, string>): WireReply => ({
  status,
  body: { message: text },
  headers,
});

/** `{"error": …}`: what is wrong with the request itself. */
export const error = (status: number, text: string, headers?: Record<string, string>): WireReply => ({
  status,
  body: { error: text },
  headers,
});

/** 401 of a key that was one once, in OAuth's shape, with the challenge (reference access-tokens 2.3). */
export function invalidToken(description: string): WireReply {
  return {
    status: 401,
    body: { error: 'invalid_token', error_description: description },
    headers: {
      'www-authenticate': `Bearer realm="Protected by OAuth 2.0", error="invalid_token", error_description="${description}"`,
    },
  };
}

/** 403 of a key whose scopes do not open this (reference access-tokens 2.3). */
export function insufficientScope(scopes: readonly string[]): WireReply {
  return {
    status: 403,
    body: {
      error: 'insufficient_scope',
      error_description: 'The request requires higher privileges than provided by the access token.',
      scope: scopes.join(' '),
    },
  };
}

// Which credential a REST request presents, and where it stood (reference access-tokens 2.1, 2.2). It reads; whether the text
// is a living key is for the verifier.
import type { IncomingHttpHeaders } from 'node:http';
import { SESSION_COOKIE } from '../../credentials/sessions.ts';
import { Secret } from '../../kernel/secret.ts';
import { Repeated, type Tree } from '../http/nested-params.ts';

export type Presentation =
  | { readonly type: 'nothing' }
  | { readonly type: 'token'; readonly text: Secret }
  | { readonly type: 'session'; readonly cookie: Secret; readonly csrf: Secret | null }
  /** a Bearer header and an `access_token` parameter at once */
  | { readonly type: 'two_bearers' };

/** Job tokens keep this start behind any prefix of the instance. */
const JOB_TOKEN = /^(?:[a-zA-Z0-9][a-zA-Z0-9_-]{0,20})?glcbt-/;

/** What cannot be any key: stands for a parameter that is a list or an object. */
const GARBLED = ' ';

/**
 * Reads the presented credential in the order of reference access-tokens 2.2. The first that is there is final. `origin` is the
 * address of the instance, for the proof that our own page sent a session's request.
 */
export function readPresentation(headers: IncomingHttpHeaders, tree: Tree, origin: string): Presentation {
  const bearer = /^bearer[ \t]+(.+)$/i.exec(headers.authorization ?? '')?.[1]?.trim() ?? '';
  const accessToken = parameter(tree, 'access_token') || parameter(tree, 'bearer_token');
  if (bearer !== '' && accessToken !== '') return { type: 'two_bearers' };

  const byParameter = parameter(tree, 'private_token');
  if (byParameter !== '') return token(byParameter);
  const byHeader = String(headers['private-token'] ?? '').trim();
  // Runners send their job's token there; it is not meant for this step.
  if (byHeader !== '' && !JOB_TOKEN.test(byHeader)) return token(byHeader);
  const carried = bearer || accessToken;
  // No route of this table takes a job token, so one counts as nothing.
  if (carried !== '' && !JOB_TOKEN.test(carried)) return token(carried);

  const cookie = sessionCookie(headers);
  if (cookie === null) return { type: 'nothing' };
  const csrf = String(headers['x-csrf-token'] ?? '');
  const proof = csrf !== '' && isOwnPage(headers, origin) ? new Secret(csrf) : null;
  return { type: 'session', cookie, csrf: proof };
}

function token(text: string): Presentation {
  return { type: 'token', text: new Secret(text) };
}

function parameter(tree: Tree, name: string): string {
  const value = tree[name] instanceof Repeated ? tree[name].values.at(-1) : tree[name];
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value.trim() : GARBLED;
}

/**
 * Whether a browser says that our own page sent this: `Sec-Fetch-Site: same-origin`, or where it is absent (plain HTTP) an
 * `Origin` equal to ours. Programs send neither, and have no ambient cookie that another page could ride on.
 */
export function isOwnPage(headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site === 'same-origin';
  return headers.origin === undefined || headers.origin === new URL(origin).origin;
}

/** The session cookie's text, or null; the first when a browser sends several. */
export function sessionCookie(headers: { readonly cookie?: string | string[] | undefined }): Secret | null {
  for (const part of String(headers.cookie ?? '').split(';')) {
    const equals = part.indexOf('=');
    if (equals === -1 || part.slice(0, equals).trim() !== SESSION_COOKIE) continue;
    const value = part.slice(equals + 1).trim();
    return value === '' ? null : new Secret(value);
  }
  return null;
}

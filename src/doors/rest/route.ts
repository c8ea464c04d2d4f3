// A REST route is data: method, path, action, place, parameters, the odd status that GitLab gives there, and a handler that
// runs only with the proof. It does not compile without its action.
import type { Readable } from 'node:stream';
import type { Static, TObject } from 'typebox';
import type { Action } from '../../access/actions.ts';
import type { Allowed } from '../../access/allowed.ts';
import type { UnresolvedPlace } from '../../access/place.ts';
import type { RefusalCode } from '../../access/refusal.ts';
import type { Actor } from '../../credentials/actor.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { Fault } from '../../kernel/faults.ts';
import type { Services } from '../services.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** What a handler answers. Build it with `json`, `paged`, `noContent`, `stream`. */
export type RestReply =
  | {
      readonly type: 'json';
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Record<string, string>;
    }
  /** `body` when the page is not a bare list but lies inside an object */
  | { readonly type: 'page'; readonly items: readonly unknown[]; readonly total: number; readonly body?: object }
  /** the next page begins after `cursor` (keyset) */
  | { readonly type: 'keyset'; readonly items: readonly unknown[]; readonly next: Record<string, string> | null }
  | { readonly type: 'empty'; readonly status: number; readonly headers?: Record<string, string> }
  | {
      readonly type: 'stream';
      readonly status: number;
      readonly headers: Record<string, string>;
      readonly body: Readable | Buffer | string;
    };

export const json = (body: unknown, status = 200, headers?: Record<string, string>): RestReply => ({
  type: 'json',
  status,
  body,
  headers,
});
export const created = (body: unknown): RestReply => json(body, 201);
export const noContent = (): RestReply => ({ type: 'empty', status: 204 });
/** One page of a list; `total` counts all rows. The framework writes the headers of reference access-tokens 3.3. */
export const paged = (items: readonly unknown[], total: number): RestReply => ({ type: 'page', items, total });
/** One page of a list that lies inside an object. */
export const pagedInside = (body: object, total: number): RestReply => ({ type: 'page', items: [], total, body });

export interface Page {
  /** from 1 */
  readonly page: number;
  /** 1 to 100 */
  readonly perPage: number;
  readonly offset: number;
}

export interface RestContext<A extends Action = Action, P extends TObject = TObject> {
  readonly services: Services;
  readonly allowed: Allowed<A>;
  readonly credential: VerifiedCredential;
  readonly actor: Actor;
  /** declared parameters, validated and converted; from query, form, multipart or JSON alike */
  readonly input: Static<P>;
  /** decoded path parameters, as text */
  readonly path: Readonly<Record<string, string>>;
  readonly page: Page;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** aborted when the client leaves or the key ends */
  readonly signal: AbortSignal;
  /** uploaded files of a multipart body, by field name */
  readonly files: Readonly<Record<string, { readonly filename: string; readonly data: Buffer }>>;
}

/** What a route may look at to word its own refusal. */
export interface RefusedAt {
  readonly services: Services;
  readonly path: Readonly<Record<string, string>>;
}

/** What a refusal becomes on one route: a Fault (`unauthorized`, `bad_request` …) instead of the door's usual answer. */
export type RouteRefusals = Partial<
  Record<RefusalCode, Fault | ((credential: VerifiedCredential, at: RefusedAt) => Fault | Promise<Fault>)>
>;

export interface Route<A extends Action = Action, P extends TObject = TObject> {
  readonly method: Method;
  /** below `/api/v4`, with `:name` parameters and at most one final `*` */
  readonly path: string;
  readonly action: A;
  /** where; default: `:id` as the place type of the action's rule. A function of the path parameters otherwise */
  readonly place?: (path: Readonly<Record<string, string>>) => UnresolvedPlace;
  readonly params: P;
  readonly summary: string;
  readonly refusals?: RouteRefusals;
  /** what HEAD answers in place of 200, without headers of the body */
  readonly headStatus?: number;
  /** the list is paged; `page` and `per_page` need not be declared */
  readonly paged?: boolean;
  readonly handler: (context: RestContext<A, P>) => Promise<RestReply> | RestReply;
}

/** Declares a route; the compiler checks that proof, parameters and handler fit. */
export function route<A extends Action, P extends TObject>(definition: Route<A, P>): Route {
  // The table holds routes of all actions side by side; each was checked against its own types just here.
  return definition as unknown as Route;
}

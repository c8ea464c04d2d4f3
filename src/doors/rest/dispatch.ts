// The path of every REST request: which route, which key, may it, with what parameters, then the deed. Each step may end the
// request with an answer; no handler runs without the proof of `decide` (reference access-tokens 2, git-and-deploy 3.3).
import type { FastifyRequest } from 'fastify';
import { type Action, ruleOf } from '../../access/actions.ts';
import type { Allowed } from '../../access/allowed.ts';
import { decide, type Question } from '../../access/decide.ts';
import type { Place, UnresolvedPlace } from '../../access/place.ts';
import { deadRefusal, type Refusal } from '../../access/refusal.ts';
import type { Actor } from '../../credentials/actor.ts';
import type { DeadCredential } from '../../credentials/dead.ts';
import type { FailureLimit } from '../../credentials/failure-limit.ts';
import { ACCESS_TOKEN_KINDS } from '../../credentials/kinds.ts';
import type { LiveUse } from '../../credentials/live-uses.ts';
import { anonymous, type VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { Fault } from '../../kernel/faults.ts';
import { parseId } from '../../kernel/names.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { endFamilyForReuse } from '../../keys/reuse.ts';
import type { RefusalAudit } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { BODY_LIMIT, type Input, isLarge, readBody, readQuery, STRANGER_BODY_LIMIT } from './body.ts';
import { faultToReply, tooManyRequests } from './fault-to-reply.ts';
import { FIRST_PAGE, pageUrl, readPage } from './pagination.ts';
import { readParams } from './params.ts';
import { type Presentation, readPresentation } from './presentation.ts';
import { refusalToReply } from './refusal-to-reply.ts';
import type { RequestEnd } from './request-end.ts';
import type { RestContext, RestReply, Route } from './route.ts';
import type { Match } from './router.ts';
import { applySudo, sudoTarget } from './sudo.ts';
import { error, message, type WireReply } from './wire-reply.ts';

export interface Door {
  readonly services: Services;
  readonly limit: FailureLimit;
  readonly audit: RefusalAudit;
  /** milliseconds in which a body must have come */
  readonly bodyTime: number;
}

export interface Exchange {
  readonly request: FastifyRequest;
  readonly match: Match;
  /** the path as it came, and the same rebuilt from its decoded segments below the instance's address */
  readonly rawPath: string;
  readonly url: () => string;
  readonly query: string;
  readonly ip: string;
  readonly end: RequestEnd;
}

/** What is to be sent. */
export type Dispatched =
  | { readonly type: 'wire'; readonly reply: WireReply }
  | { readonly type: 'moved'; readonly to: string }
  | { readonly type: 'handler'; readonly reply: RestReply; readonly context: RestContext };

const wire = (reply: WireReply): Dispatched => ({ type: 'wire', reply });
/** The kinds that this door reads; others have doors of their own. */
const READ_HERE: ReadonlySet<string> = new Set<string>(ACCESS_TOKEN_KINDS);

/** Takes one request from its route to its answer. */
export async function dispatch(door: Door, exchange: Exchange): Promise<Dispatched> {
  const { request, query } = exchange;
  const early = readQuery(query);
  const outside = readPresentation(request.headers, early.tree, door.services.url);
  const named = outside.type !== 'nothing';
  if (named && (request.headers.expect !== undefined || isLarge(request))) {
    // The client asks before it sends, or sends much: what can be said without the body is said now.
    const decided = await admit(door, exchange, early, outside);
    if (!decided.ok) return decided.error;
  }
  const input = await readBody(request, early, named ? BODY_LIMIT : STRANGER_BODY_LIMIT, door.bodyTime);
  const presented = input === early ? outside : readPresentation(request.headers, input.tree, door.services.url);
  const admitted = await admit(door, exchange, input, presented);
  if (!admitted.ok) return admitted.error;
  return perform(door, exchange, input, admitted.value);
}

interface Admitted {
  readonly credential: VerifiedCredential;
  readonly allowed: Allowed<Action>;
  readonly place: UnresolvedPlace | null;
}

async function admit(
  door: Door,
  exchange: Exchange,
  input: Input,
  presented: Presentation,
): Promise<Result<Admitted, Dispatched>> {
  const { services } = door;
  const { route, path } = exchange.match;
  const place = placeOf(route, path);
  const proved = await prove(door, exchange, presented, place);
  if (!proved.ok) return err(wire(proved.error));
  let credential = proved.value;

  const target = sudoTarget(exchange.request.headers, input.tree);
  if (target !== null) {
    const sudo = await applySudo(services, credential, target);
    if (!sudo.ok) {
      if (sudo.error.refusal) noteRefusal(door, exchange, sudo.error.refusal, 'sudo:use', null);
      return err(wire(sudo.error.reply));
    }
    credential = sudo.value;
  }

  const question = { action: route.action, place: place ?? undefined } as Question;
  const decided = await decide(services.db.read, services.clock, credential, question);
  if (!decided.ok) {
    noteRefusal(door, exchange, decided.error, route.action, place);
    return err(wire(await refusedReply(services, exchange.match, decided.error, credential)));
  }
  return ok({ credential, allowed: decided.value, place });
}

/** From what was presented to a credential: nobody is one too, and a dead session is nobody. */
async function prove(
  door: Door,
  exchange: Exchange,
  presented: Presentation,
  place: UnresolvedPlace | null,
): Promise<Result<VerifiedCredential, WireReply>> {
  const { services, limit } = door;
  if (presented.type === 'nothing') return ok(anonymous());
  if (presented.type === 'two_bearers')
    return err({
      status: 400,
      body: {
        error: 'invalid_request',
        error_description: 'Both Authorization header and payload includes access token.',
      },
    });
  if (presented.type === 'session') {
    const session = await services.verifier.session(presented.cookie, presented.csrf);
    return ok(session.ok ? session.value : anonymous());
  }
  const wait = await limit.blockedFor(exchange.ip);
  if (wait !== null) return err(tooManyRequests(wait));
  const verified = await services.verifier.token(presented.text);
  const readHere = verified.ok && READ_HERE.has(verified.value.kind);
  const late = readHere || !verified.ok ? await limit.judged(exchange.ip, readHere) : null;
  if (late !== null) return err(tooManyRequests(late));
  if (readHere) return verified;
  // A living key of another kind is not read here, which looks like a wrong one but is no guess (security-lessons R17).
  const dead: DeadCredential = verified.ok ? { code: 'unknown', identified: null } : verified.error;
  const refusal = deadRefusal(dead);
  noteRefusal(door, exchange, refusal, exchange.match.route.action, place);
  if (dead.code === 'revoked') await noticeReuse(services, exchange, dead);
  return err(refusalToReply(refusal));
}

/** For support and audit: why, which key, and what it asked for (reference access-tokens 2.3). Strangers are only counted. */
function noteRefusal(
  door: Door,
  exchange: Exchange,
  refusal: Refusal,
  action: Action,
  place: UnresolvedPlace | null,
): void {
  const identified = refusal.credential?.id ?? refusal.dead?.identified?.id ?? null;
  if (identified !== null)
    door.services.log.info(
      {
        request_id: exchange.request.id,
        reason: refusal.code,
        lock: refusal.lock,
        credential_id: identified,
        credential_kind: refusal.credential?.kind ?? refusal.dead?.identified?.kind,
        action,
        accepted_scopes: refusal.acceptedScopes,
      },
      'refused',
    );
  door.audit.note('rest', refusal, action, place, exchange.ip);
}

/** A revoked token that asks to be rotated was stolen or cloned: its family dies (reference access-tokens 7.3). */
async function noticeReuse(services: Services, exchange: Exchange, dead: DeadCredential): Promise<void> {
  if (!dead.identified || !READ_HERE.has(dead.identified.kind)) return;
  if (!/access_tokens\/(?:\d+|self)\/rotate$/.test(exchange.rawPath)) return;
  const actor: Actor = { credential: anonymous(), door: 'rest', ip: exchange.ip };
  await endFamilyForReuse(services, actor, dead.identified);
}

async function refusedReply(
  services: Services,
  match: Match,
  refusal: Refusal,
  credential: VerifiedCredential,
): Promise<WireReply> {
  const worded = match.route.refusals?.[refusal.code];
  if (worded === undefined) return refusalToReply(refusal);
  const fault: Fault = typeof worded === 'function' ? await worded(credential, { services, path: match.path }) : worded;
  return faultToReply(fault);
}

/** Where the route's action is asked: all digits are an id; a project's path must have a slash (reference git-and-deploy 3.3). */
function placeOf(route: Route, path: Readonly<Record<string, string>>): UnresolvedPlace | null {
  const type = ruleOf(route.action).place;
  if (type === 'instance') return null;
  const place: UnresolvedPlace = route.place ? route.place(path) : { type, ref: path['id'] ?? '' };
  if (place.type === 'instance' || typeof place.ref === 'number') return place;
  if (/^\d+$/.test(place.ref)) return { type: place.type, ref: parseId(place.ref) ?? 0 };
  return place.type === 'project' && !place.ref.includes('/') ? { type: place.type, ref: 0 } : place;
}

async function perform(door: Door, exchange: Exchange, input: Input, admitted: Admitted): Promise<Dispatched> {
  const { services } = door;
  const { route, path } = exchange.match;
  const { credential, allowed } = admitted;
  services.verifier.used(credential, exchange.ip);

  const at: Place = allowed.place;
  if (at.type === 'project' && at.moved && path['id'] !== undefined) {
    if (route.method !== 'GET') return wire(message(405, 'Non GET methods are not allowed for moved projects'));
    return { type: 'moved', to: pageUrl(movedUrl(services, route, path, at.project.id), exchange.query, {}) };
  }

  if (input.problem) return wire(error(input.problem.status, input.problem.error));
  const texts: string[] = [];
  const params = readParams(route.params, input.tree);
  if (!params.ok) texts.push(...params.error);
  const page = route.paged ? readPage(input.tree, texts) : FIRST_PAGE;
  if (!params.ok || texts.length > 0) return wire(error(400, texts.join(', ')));

  const use = services.liveUses.open(credential);
  exchange.end.after(() => use.done());
  const context = new Context(exchange, use, {
    services,
    allowed,
    credential,
    actor: { credential, door: 'rest', ip: exchange.ip },
    input: params.value,
    path,
    page,
    headers: exchange.request.headers,
    files: input.files,
  });
  return { type: 'handler', reply: await route.handler(context), context };
}

/** A class, because a getter in an object literal is a new shape, and memory until a full collection, at every request. */
class Context implements RestContext {
  readonly services: Services;
  readonly allowed: Allowed<Action>;
  readonly credential: VerifiedCredential;
  readonly actor: Actor;
  readonly input: RestContext['input'];
  readonly path: RestContext['path'];
  readonly page: RestContext['page'];
  readonly headers: RestContext['headers'];
  readonly files: RestContext['files'];
  readonly #exchange: Exchange;
  readonly #use: LiveUse;

  constructor(exchange: Exchange, use: LiveUse, fields: Omit<RestContext, 'signal'>) {
    this.#exchange = exchange;
    this.#use = use;
    this.services = fields.services;
    this.allowed = fields.allowed;
    this.credential = fields.credential;
    this.actor = fields.actor;
    this.input = fields.input;
    this.path = fields.path;
    this.page = fields.page;
    this.headers = fields.headers;
    this.files = fields.files;
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.#exchange.end.left, this.#use.signal]);
  }
}

function movedUrl(services: Services, route: Route, path: Readonly<Record<string, string>>, id: number): string {
  const parts = route.path.split('/').map((part) => {
    if (part === ':id') return String(id);
    if (part.startsWith(':')) return encodeURIComponent(path[part.slice(1)]!);
    return part.startsWith('*') ? path[part.slice(1) || '*']!.split('/').map(encodeURIComponent).join('/') : part;
  });
  return `${services.url}/api/v4/${parts.filter(Boolean).join('/')}`;
}

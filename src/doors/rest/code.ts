// What the routes about code share: the repository behind the proof, the words for what git cannot do, and pushes over REST. The
// rooms throw RepositoryError; only here it becomes a status (reference git-and-deploy 12.6 to 12.8).
import type { TObject } from 'typebox';
import type { ActionAt } from '../../access/actions.ts';
import { decide } from '../../access/decide.ts';
import { atProject, type ProjectPlace } from '../../access/place.ts';
import { gatherRefFacts } from '../../access/ref-facts.ts';
import { judgeRefUpdate, type RefFacts, type RefRefusal } from '../../access/ref-rules.ts';
import type { Refusal } from '../../access/refusal.ts';
import { actingUser } from '../../credentials/verified-credential.ts';
import { fail } from '../../kernel/faults.ts';
import type { Signature } from '../../repositories/drafts.ts';
import { RepositoryError } from '../../repositories/errors.ts';
import { GitBusy } from '../../repositories/git.ts';
import { repositoryIsThere } from '../../repositories/on-disk.ts';
import type { PreparedCommit } from '../../repositories/prepared.ts';
import { type PushAction, type PushWish, withPush } from '../../repositories/push.ts';
import type { MovedRef } from '../../repositories/push-store.ts';
import { branchRef, type ObjectId, parseBranchName } from '../../repositories/ref-names.ts';
import { isEmpty, readRefs, resolve } from '../../repositories/refs.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import { json, type RestContext, type RestReply, type Route, route } from './route.ts';

/** What the helpers here need of a context. */
export type CodeContext = Pick<RestContext<ActionAt<'project'>, TObject>, 'services' | 'credential' | 'actor'>;

export interface Code {
  readonly place: ProjectPlace;
  /** the repository's id on disk */
  readonly id: number;
}

/** 400 with a sentence that GitLab sends without a frame. */
export const sentence = (text: string, status = 400): RestReply => json({ message: text }, status);

type CodeRoute<A extends ActionAt<'project'>, P extends TObject> = Omit<Route<A, P>, 'handler'> & {
  readonly handler: (context: RestContext<A, P>, code: Code) => Promise<RestReply>;
};

/** Declares a route about code: its handler is given the repository, and what git says no to becomes an answer. */
export function codeRoute<A extends ActionAt<'project'>, P extends TObject>(definition: CodeRoute<A, P>): Route {
  return route<A, P>({
    ...definition,
    handler: async (context) => {
      try {
        // Every action asked at a project carries that project; the compiler cannot see it through the generic action.
        const place = context.allowed.place as unknown as ProjectPlace;
        return await definition.handler(context, await openCode(context.services, place));
      } catch (thrown) {
        if (thrown instanceof GitBusy)
          return fail({ code: 'unavailable', reason: '503 Service Unavailable', retryAfter: thrown.retryAfter });
        if (thrown instanceof RepositoryError) return repositoryErrorReply(thrown);
        throw thrown;
      }
    },
  });
}

async function openCode(services: Services, place: ProjectPlace): Promise<Code> {
  const id = place.project.repository_id;
  if (id === null) return fail({ code: 'not_found', thing: 'Repository' });
  if (!(await repositoryIsThere(services, id, place.project.default_branch)))
    return fail({ code: 'not_found', thing: 'Repository' });
  return { place, id };
}

/** What a failure of the repository says on this wire. */
export function repositoryErrorReply(error: RepositoryError): RestReply {
  switch (error.code) {
    case 'repository_missing':
      return sentence('404 Repository Not Found', 404);
    case 'branch_missing':
      return sentence('404 Branch Not Found', 404);
    case 'tag_missing':
      return sentence('404 Tag Not Found', 404);
    case 'commit_missing':
    case 'reference_missing':
      return sentence('404 Commit Not Found', 404);
    case 'path_missing':
      return sentence('404 File Not Found', 404);
    case 'branch_exists':
      return sentence('Branch already exists');
    case 'tag_exists':
      return sentence(`Tag ${error.detail} already exists`);
    case 'invalid_branch_name':
      return sentence('The branch refname is invalid');
    case 'invalid_tag_name':
      return sentence('The tag refname is invalid');
    case 'invalid_path':
      return json({ error: 'file_path should be a valid file path' }, 400);
    case 'ref_conflict':
      return sentence('A branch or tag with a conflicting name already exists');
    case 'stale_ref':
      return sentence('Could not update the branch: it was changed meanwhile. Please refresh and try again.');
    case 'stale_commit':
      return sentence('You are attempting to update a file that has changed since you started editing it.');
    case 'file_exists':
      return sentence('A file with this name already exists');
    case 'file_missing':
      return sentence("A file with this name doesn't exist");
    case 'empty_commit':
      return sentence('The commit would change nothing');
    case 'merge_conflict':
      return sentence('The commit does not apply cleanly');
    case 'invalid_commit':
      return sentence('The commit cannot be stored');
    case 'too_large':
      return sentence('413 Request Entity Too Large', 413);
    case 'timed_out':
      return fail({ code: 'unavailable', reason: '503 Service Unavailable', retryAfter: 5 });
    case 'unsupported':
      return sentence(`Not supported on this server: ${error.detail}`);
  }
}

/** The commit a text names (`HEAD`, a branch, a tag, an id); 404 with `thing` when it names none. */
export async function commitOf(
  context: CodeContext,
  { id }: Code,
  revision: string,
  thing = 'Commit',
): Promise<ObjectId> {
  const found = await resolve(context.services.repositories, id, revision);
  return found ?? fail({ code: 'not_found', thing });
}

/** Who the caller is inside a commit; what the request says of the author wins. */
export function signatureOf(
  context: CodeContext,
  given: { readonly author_name?: string | undefined; readonly author_email?: string | undefined } = {},
): Signature {
  const user = actingUser(context.credential);
  return {
    name: given.author_name || user?.name || 'Keyward',
    email: given.author_email || user?.email || 'noreply@localhost',
    time: context.services.clock.now(),
  };
}

/** How a ref rule's refusal is said; null for the refusals of locks, which are 403. */
export type RuleWords = (rule: RefRefusal) => RestReply;

/** `403 Forbidden - <the rule's sentence>`; a bad name is 400. */
export const asForbidden: RuleWords = (rule) =>
  /^(?:branch|tag) name$/.test(rule.row)
    ? sentence(rule.message)
    : fail({ code: 'forbidden', reason: rule.message.split('\n', 1)[0]! });

/**
 * Prepares a commit for `branch`. When git cannot (it conflicts, a file is missing), who may not push there hears that alone, and
 * nothing of what lies in the branch.
 */
export async function prepareOrRefuse(
  context: CodeContext,
  code: Code,
  branch: string,
  words: RuleWords,
  prepare: () => Promise<PreparedCommit>,
): Promise<PreparedCommit | RestReply> {
  try {
    return await prepare();
  } catch (thrown) {
    if (!(thrown instanceof RepositoryError)) throw thrown;
    const refused = await refusedBefore(context, code, branch, words);
    if (refused) return refused;
    throw thrown;
  }
}

/** What the rules of `branch` say to a commit by this caller before there is one; null when they might take it. */
export async function refusedBefore(
  context: CodeContext,
  code: Code,
  branch: string,
  words: RuleWords,
): Promise<RestReply | null> {
  const name = parseBranchName(branch);
  if (name === null) return null;
  const ref = branchRef(name);
  const isThere = (await readRefs(context.services.repositories, code.id, [ref])).has(ref);
  // What only the commit itself could tell is taken for good here; it is asked once there is one.
  const update = { ref, kind: isThere ? 'update' : 'create', forced: false, inProtectedBranch: true } as const;
  const rule = judgeRefUpdate(await refFactsOf(context, code), update);
  if (rule === null) return null;
  const at = atProject(code.place.project.id);
  refusalAuditOf(context.services).note('rest', refusalOf(context, rule), 'repository:commit', at, context.actor.ip);
  return words(rule);
}

export const MAY_NOT_PUSH = 'You are not allowed to push into this branch';

/**
 * Moves refs over REST: the same locks, rules, intent and completion as a push (reference git-and-deploy 11.4, API writes count as
 * web). Null when it is done; else the reply.
 */
export async function pushOverRest(
  context: CodeContext,
  { place, id }: Code,
  action: PushAction,
  updates: readonly MovedRef[],
  move: () => Promise<unknown>,
  words: RuleWords,
  forced?: boolean,
): Promise<RestReply | null> {
  const wish: PushWish = {
    actor: context.actor,
    action,
    place,
    repositoryId: id,
    door: 'web',
    updates,
    options: [],
    ...(forced === undefined ? {} : { forced }),
  };
  const refused = await withPush(context.services, wish, async () => {
    await move();
  });
  if (refused === null) return null;
  // Judged inside a transaction that was given up, so nothing but this tells the audit of it.
  const refusal = 'rule' in refused ? refusalOf(context, refused.rule) : refused.lock;
  refusalAuditOf(context.services).note('rest', refusal, action, atProject(place.project.id), context.actor.ip);
  if ('rule' in refused) return words(refused.rule);
  return fail({ code: 'forbidden', reason: null });
}

/** A ref rule's no as a refusal of the fourth lock, for the audit. */
function refusalOf(context: CodeContext, rule: RefRefusal): Refusal {
  return {
    lock: 'role',
    code: rule.code,
    visible: true,
    acceptedScopes: [],
    thing: 'Project',
    row: rule.row,
    detail: `the rule "${rule.row}" of branches and tags`,
    credential: context.credential,
    dead: null,
    message: rule.message,
  };
}

/** What the rules know of the caller, for `can_push` and its like. */
export async function refFactsOf(context: CodeContext, { place, id }: Code): Promise<RefFacts> {
  const { services, credential } = context;
  const { db, clock } = services;
  const pushes = await decide(db.read, clock, credential, {
    action: 'repository:commit',
    place: atProject(place.project.id),
  });
  return gatherRefFacts(db.read, clock, {
    credential,
    place,
    mayPush: pushes.ok,
    empty: await isEmpty(services.repositories, id),
    door: 'web',
    url: services.url,
  });
}

// Commits: history, one commit, and writing them (reference git-and-deploy 12.7).

import { fail } from '../../../kernel/faults.ts';
import { type CommitAction, type CommitRequest, prepareCommit } from '../../../repositories/commit-actions.ts';
import {
  commitStats,
  countCommits,
  type LogOptions,
  listCommits,
  readCommit,
  readSignature,
} from '../../../repositories/commits.ts';
import { diffOfCommit } from '../../../repositories/diffs.ts';
import { RepositoryError } from '../../../repositories/errors.ts';
import { prepareCherryPick, prepareRevert } from '../../../repositories/picks.ts';
import { discard, type PreparedCommit, publish } from '../../../repositories/prepared.ts';
import { branchRef, parseReadPath } from '../../../repositories/ref-names.ts';
import { refsContaining, resolve } from '../../../repositories/refs.ts';
import {
  type Code,
  type CodeContext,
  codeRoute,
  commitOf,
  MAY_NOT_PUSH,
  prepareOrRefuse,
  pushOverRest,
  type RuleWords,
  refusedBefore,
  sentence,
  signatureOf,
} from '../code.ts';
import { presentCommit, presentDiff, presentSingleCommit } from '../present/commit.ts';
import { created, json, paged, type RestReply, type Route } from '../route.ts';
import { boolean, datetime, listOf, none, object, oneOf, optional, text, withDefault } from '../schema.ts';

const SHA = '/projects/:id/repository/commits/:sha';

async function single(context: CodeContext, { place, id }: Code, revision: string, stats = true): Promise<unknown> {
  const { services } = context;
  const commitId = await commitOf(context, { place, id }, revision);
  const commit = await readCommit(services.repositories, id, commitId);
  const numbers = stats ? (await commitStats(services.repositories, id, [commit])).get(commitId) : undefined;
  return presentSingleCommit(services, place.project, commit, numbers ?? null);
}

const forbidden: RuleWords = (rule) =>
  /^branch name$/.test(rule.row) ? sentence(rule.message) : fail({ code: 'forbidden', reason: MAY_NOT_PUSH });

/** Publishes a prepared commit when the branch may move; the reply otherwise. Either way nothing of a draft is left. */
export async function publishOverRest(
  context: CodeContext,
  opened: Code,
  prepared: PreparedCommit,
  words: RuleWords = forbidden,
): Promise<RestReply | null> {
  const { repositories } = context.services;
  const updates = [{ ref: branchRef(prepared.branch), oldId: prepared.oldId, newId: prepared.newId }];
  const move = () => publish(repositories, prepared);
  try {
    return await pushOverRest(context, opened, 'repository:commit', updates, move, words, prepared.forced);
  } finally {
    await discard(prepared);
  }
}

/** The bytes that `content` and `encoding` stand for; undefined without content. What is no base64 is a bad parameter. */
export function contentOf(given: { content?: string | undefined; encoding?: string | undefined }): Buffer | undefined {
  if (given.content === undefined) return undefined;
  if (given.encoding !== 'base64') return Buffer.from(given.content, 'utf8');
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(given.content))
    return fail({ code: 'invalid_parameters', texts: ['content is invalid'] });
  return Buffer.from(given.content, 'base64');
}

const actionParams = object({
  action: oneOf(['create', 'delete', 'move', 'update', 'chmod'], 'What is done to the file'),
  file_path: text('Where the file is, or goes', { notEmpty: true }),
  previous_path: optional(text('Where a moved file was')),
  content: optional(text('What it holds')),
  encoding: withDefault(oneOf(['text', 'base64'], 'How the content is written'), 'text'),
  last_commit_id: optional(text('The commit that changed it last, as far as you know')),
  execute_filemode: optional(boolean('Whether it may be executed')),
});

export const routes: Route[] = [
  codeRoute({
    method: 'GET',
    path: '/projects/:id/repository/commits',
    action: 'repository:read',
    params: object({
      ref_name: optional(text('Branch, tag or commit, or a range `a..b`')),
      since: optional(datetime('Not before')),
      until: optional(datetime('Not after')),
      path: optional(text('Only those that changed this path')),
      author: optional(text('Part of the name and address of the author')),
      all: optional(boolean('Of all branches and tags')),
      with_stats: optional(boolean('Add the numbers of lines')),
      first_parent: optional(boolean('Follow only first parents')),
      order: optional(oneOf(['default', 'topo'], 'Order')),
      trailers: optional(boolean('Trailers are always there')),
    }),
    summary: 'The history of a project',
    paged: true,
    handler: async (context, opened) => {
      const { services, input, page } = context;
      const { repositories } = services;
      const range = /^(.+?)\.\.(.+)$/.exec(input.ref_name ?? '');
      const start = range ? range[2]! : input.ref_name || 'HEAD';
      const from = input.all ? null : await commitOrNone(context, opened, start, input.ref_name !== undefined);
      const exclude = range ? await commitOf(context, opened, range[1]!) : null;
      const path = input.path ? parseReadPath(input.path.replace(/^\/+|\/+$/g, '')) : undefined;
      if (path === null) return paged([], 0);
      const options: LogOptions = {
        ...(from ? { from } : {}),
        ...(exclude ? { exclude } : {}),
        ...(input.all ? { all: true } : {}),
        ...(path ? { path } : {}),
        ...(input.since === undefined ? {} : { since: input.since }),
        ...(input.until === undefined ? {} : { until: input.until }),
        ...(input.author ? { author: input.author } : {}),
        ...(input.first_parent ? { firstParent: true } : {}),
      };
      const commits = await listCommits(repositories, opened.id, {
        ...options,
        skip: page.offset,
        limit: page.perPage,
      });
      const total = await countCommits(repositories, opened.id, options);
      const stats = input.with_stats ? await commitStats(repositories, opened.id, commits) : null;
      const { project } = opened.place;
      return paged(
        commits.map((commit) => ({
          ...presentCommit(services, project, commit),
          ...(stats ? { stats: stats.get(commit.id) ?? { additions: 0, deletions: 0, total: 0 } } : {}),
        })),
        total,
      );
    },
  }),
  codeRoute({
    method: 'POST',
    path: '/projects/:id/repository/commits',
    action: 'repository:commit',
    params: object({
      branch: text('Where it goes', { notEmpty: true }),
      commit_message: text('What it says', { notEmpty: true }),
      actions: listOf(actionParams, 'What it does, file by file'),
      start_branch: optional(text('The branch that a new one starts from')),
      start_sha: optional(text('The commit that a new branch starts from')),
      force: optional(boolean('Overwrite the branch')),
      author_name: optional(text('Author')),
      author_email: optional(text('Address of the author')),
      stats: withDefault(boolean('Add the numbers of lines'), true),
    }),
    summary: 'Write a commit of several files',
    handler: async (context, opened) => {
      const { services, input } = context;
      if (input.start_branch && input.start_sha)
        return fail({ code: 'invalid_parameters', texts: ['start_branch, start_sha are mutually exclusive'] });
      const request: CommitRequest = {
        branch: input.branch,
        message: input.commit_message,
        actions: input.actions.map((action): CommitAction => {
          const content = contentOf(action);
          return {
            action: action.action,
            filePath: action.file_path,
            ...(action.previous_path === undefined ? {} : { previousPath: action.previous_path }),
            ...(content === undefined ? {} : { content }),
            ...(action.last_commit_id ? { lastCommitId: action.last_commit_id } : {}),
            ...(action.execute_filemode === undefined ? {} : { executeFilemode: action.execute_filemode }),
          };
        }),
        author: signatureOf(context, input),
        committer: signatureOf(context),
        ...(input.start_branch ? { startBranch: input.start_branch } : {}),
        ...(input.start_sha ? { startSha: input.start_sha } : {}),
        ...(input.force ? { force: true } : {}),
      };
      const prepare = () => prepareCommit(services.repositories, opened.id, request);
      const prepared = await prepareOrRefuse(context, opened, input.branch, forbidden, prepare);
      if ('type' in prepared) return prepared;
      const refused = await publishOverRest(context, opened, prepared);
      return refused ?? created(await single(context, opened, prepared.newId, input.stats));
    },
  }),
  codeRoute({
    method: 'GET',
    path: SHA,
    action: 'repository:read',
    params: object({ stats: withDefault(boolean('Add the numbers of lines'), true) }),
    summary: 'One commit',
    handler: async (context, opened) => json(await single(context, opened, context.path['sha']!, context.input.stats)),
  }),
  codeRoute({
    method: 'GET',
    path: `${SHA}/diff`,
    action: 'repository:read',
    params: object({ unified: optional(boolean('With file headers')) }),
    summary: 'What a commit changed',
    paged: true,
    handler: async (context, opened) => {
      const commitId = await commitOf(context, opened, context.path['sha']!);
      const diffs = await diffOfCommit(context.services.repositories, opened.id, commitId);
      const { offset, perPage } = context.page;
      return paged(diffs.slice(offset, offset + perPage).map(presentDiff), diffs.length);
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${SHA}/refs`,
    action: 'repository:read',
    params: object({ type: withDefault(oneOf(['branch', 'tag', 'all'], 'Which'), 'all') }),
    summary: 'The branches and tags that contain a commit',
    paged: true,
    handler: async (context, opened) => {
      const commitId = await commitOf(context, opened, context.path['sha']!);
      const refs = await refsContaining(context.services.repositories, opened.id, commitId);
      const wanted = refs.filter((ref) => context.input.type === 'all' || ref.type === context.input.type);
      const { offset, perPage } = context.page;
      return paged(wanted.slice(offset, offset + perPage), wanted.length);
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${SHA}/merge_requests`,
    action: 'repository:read',
    params: none,
    summary: 'Always none: there are no merge requests here',
    paged: true,
    handler: async (context, opened) => {
      await commitOf(context, opened, context.path['sha']!);
      return paged([], 0);
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${SHA}/signature`,
    action: 'repository:read',
    params: none,
    summary: 'The signature of a commit; none is verified here',
    handler: async (context, opened) => {
      const commitId = await commitOf(context, opened, context.path['sha']!);
      const signature = await readSignature(context.services.repositories, opened.id, commitId);
      if (signature === null) return fail({ code: 'not_found', thing: 'Signature' });
      return json({ signature_type: signature.type, verification_status: 'unverified', commit_source: 'gitaly' });
    },
  }),
  ...(['cherry_pick', 'revert'] as const).map((deed) =>
    codeRoute({
      method: 'POST',
      path: `${SHA}/${deed}`,
      action: 'repository:commit',
      params: object({
        branch: text('The branch that gets it', { notEmpty: true }),
        message: optional(text('What it says')),
        dry_run: optional(boolean('Only try')),
      }),
      summary: deed === 'revert' ? 'Take a commit back' : 'Repeat a commit on another branch',
      handler: async (context, opened) => {
        const { services, input } = context;
        const request = {
          commitId: await commitOf(context, opened, context.path['sha']!),
          branch: input.branch,
          committer: signatureOf(context),
          ...(input.message ? { message: input.message } : {}),
        };
        const pick = deed === 'revert' ? prepareRevert : prepareCherryPick;
        const prepare = () => pick(services.repositories, opened.id, request);
        const preparing = prepareOrRefuse(context, opened, input.branch, forbidden, prepare);
        const prepared = await preparing.catch((thrown: unknown) => {
          const reply = pickReply(deed, thrown);
          if (reply === null) throw thrown;
          return reply;
        });
        if ('type' in prepared) return prepared;
        if (input.dry_run) {
          await discard(prepared);
          const refused = await refusedBefore(context, opened, input.branch, forbidden);
          return refused ?? json({ dry_run: 'success' });
        }
        const refused = await publishOverRest(context, opened, prepared);
        return refused ?? created(await single(context, opened, prepared.newId));
      },
    }),
  ),
];

function pickReply(deed: 'cherry_pick' | 'revert', thrown: unknown): RestReply | null {
  if (!(thrown instanceof RepositoryError)) return null;
  if (thrown.code !== 'merge_conflict' && thrown.code !== 'empty_commit') return null;
  const word = deed === 'revert' ? 'revert' : 'cherry-pick';
  const message =
    `Sorry, we cannot ${word} this commit automatically. This commit may already have been ` +
    `${deed === 'revert' ? 'reverted' : 'cherry-picked'}, or a more recent commit may have updated some of its content.`;
  return json({ message, error_code: thrown.code === 'empty_commit' ? 'empty' : 'conflict' }, 400);
}

/** The start of a list: nothing for the HEAD of an empty repository, 404 for a name that is not there. */
async function commitOrNone(context: CodeContext, opened: Code, revision: string, named: boolean) {
  if (named) return commitOf(context, opened, revision);
  return resolve(context.services.repositories, opened.id, revision);
}

// The repository as a whole: folders, archives, blobs, comparisons, contributors (reference git-and-deploy 12.8).
import { projectSettings } from '../../../directory/project-settings.ts';
import { fail } from '../../../kernel/faults.ts';
import { mergeBase } from '../../../repositories/ancestry.ts';
import { openArchive, parseArchiveFormat } from '../../../repositories/archive.ts';
import { listContributors, readCommit } from '../../../repositories/commits.ts';
import { compare } from '../../../repositories/diffs.ts';
import { RepositoryError } from '../../../repositories/errors.ts';
import { findArchivedObjects } from '../../../repositories/lfs-archive.ts';
import { type ObjectId, parseObjectId } from '../../../repositories/ref-names.ts';
import { resolve } from '../../../repositories/refs.ts';
import { listTree, openBlob, readBlob } from '../../../repositories/trees.ts';
import { slotKey } from '../../http/pace.ts';
import { codeRoute, commitOf, sentence } from '../code.ts';
import { presentCommit, presentDiff } from '../present/commit.ts';
import { json, paged, type Route } from '../route.ts';
import { boolean, none, object, oneOf, optional, stringList, text, withDefault } from '../schema.ts';

const BASE = '/projects/:id/repository';
const ARCHIVES = ['', '.tar.gz', '.tar.bz2', '.tbz', '.tbz2', '.tb2', '.bz2', '.tar', '.zip'];

const blobId = (given: string | undefined): ObjectId =>
  parseObjectId(given ?? '') ?? fail({ code: 'not_found', thing: 'Blob' });

const noBlob = (thrown: unknown): never => {
  if (thrown instanceof RepositoryError && thrown.code === 'path_missing')
    return fail({ code: 'not_found', thing: 'Blob' });
  throw thrown;
};

export const routes: Route[] = [
  codeRoute({
    method: 'GET',
    path: `${BASE}/tree`,
    action: 'file:read',
    params: object({
      path: withDefault(text('The folder'), ''),
      ref: withDefault(text('Branch, tag or commit'), 'HEAD'),
      recursive: withDefault(boolean('With everything below'), false),
      pagination: optional(oneOf(['keyset', 'none', 'legacy'], 'How to page')),
      page_token: optional(text('Where the last page ended')),
    }),
    summary: 'The files and folders of a folder',
    paged: true,
    handler: async (context, opened) => {
      const { services, input, page } = context;
      const commitId = await commitOf(context, opened, input.ref, 'Tree');
      const entries = await listTree(services.repositories, opened.id, {
        commitId,
        path: input.path,
        recursive: input.recursive,
      }).catch((thrown: unknown) => {
        if (thrown instanceof RepositoryError && thrown.code === 'path_missing')
          return fail({ code: 'not_found', thing: 'Tree' });
        throw thrown;
      });
      const shown = entries.map(({ id, name, type, path, mode }) => ({ id, name, type, path, mode }));
      if (input.pagination !== 'keyset')
        return paged(shown.slice(page.offset, page.offset + page.perPage), shown.length);
      const at = input.page_token === undefined ? 0 : shown.findIndex((entry) => entry.path === input.page_token) + 1;
      if (input.page_token !== undefined && at === 0) return sentence('400 Bad request - page_token is unknown');
      const items = shown.slice(at, at + page.perPage);
      const more = at + items.length < shown.length;
      return { type: 'keyset', items, next: more ? { page_token: items.at(-1)!.path } : null };
    },
  }),
  ...ARCHIVES.map((ending) =>
    codeRoute({
      method: 'GET',
      path: `${BASE}/archive${ending}`,
      action: 'file:read',
      params: object({
        sha: withDefault(text('Branch, tag or commit'), 'HEAD'),
        path: optional(text('Only this folder')),
        format: optional(text('Its format, where the address names none')),
        include_lfs_blobs: withDefault(boolean('LFS objects in place of their pointers'), true),
      }),
      summary: 'A revision as one file',
      handler: async (context, opened) => {
        const { services, input, signal } = context;
        const format = parseArchiveFormat(ending === '' ? (input.format ?? 'tar.gz') : ending.slice(1));
        if (format === null) return fail({ code: 'not_found', thing: 'File' });
        const commitId = await commitOf(context, opened, input.sha, 'File');
        const { project } = opened.place;
        const ref = input.sha === 'HEAD' ? (project.default_branch ?? 'HEAD') : input.sha;
        const within = (input.path ?? '').replace(/^\/+|\/+$/g, '');
        const folder = [project.path, ref, commitId, within].filter((part) => part !== '').join('-');
        const name = folder.replace(/[^A-Za-z0-9_.-]/g, '-');
        const which = { commitId, path: within, signal, key: slotKey(context.credential, context.actor.ip) };
        const objects =
          input.include_lfs_blobs && projectSettings(project).lfs_enabled
            ? await findArchivedObjects(services, context.allowed, opened.id, which)
            : null;
        const given = { ...which, format, folder: name, ...(objects && { objects }) };
        const stream = await openArchive(services.repositories, opened.id, given);
        return {
          type: 'stream',
          status: 200,
          body: stream,
          headers: {
            'content-type': format === 'zip' ? 'application/zip' : 'application/octet-stream',
            'content-disposition': `attachment; filename="${name}.${format}"`,
            // An object that comes later makes another archive of the same commit.
            etag: `W/"${commitId}-${format}${objects?.size ? `-lfs${objects.size}` : ''}"`,
          },
        };
      },
    }),
  ),
  codeRoute({
    method: 'GET',
    path: `${BASE}/blobs/:sha`,
    action: 'file:read',
    params: none,
    summary: 'A blob as JSON',
    handler: async ({ services, path }, { id }) => {
      const sha = blobId(path['sha']);
      const content = await readBlob(services.repositories, id, sha).catch(noBlob);
      return json({ size: content.length, encoding: 'base64', content: content.toString('base64'), sha });
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${BASE}/blobs/:sha/raw`,
    action: 'file:read',
    params: none,
    summary: "A blob's bytes",
    handler: async ({ services, path, signal, credential, actor }, { id }) => {
      const options = { signal, key: slotKey(credential, actor.ip) };
      const { size, stream } = await openBlob(services.repositories, id, blobId(path['sha']), options).catch(noBlob);
      const headers = { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(size) };
      return { type: 'stream', status: 200, body: stream, headers };
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${BASE}/compare`,
    action: 'file:read',
    params: object({
      from: text('Where to start', { notEmpty: true }),
      to: text('Where to end', { notEmpty: true }),
      straight: withDefault(boolean('Directly, not from the merge base'), false),
    }),
    summary: 'What lies between two revisions',
    handler: async (context, opened) => {
      const { services, input } = context;
      const from = await commitOf(context, opened, input.from, 'Ref');
      const to = await commitOf(context, opened, input.to, 'Ref');
      const result = await compare(services.repositories, opened.id, { from, to, straight: input.straight });
      const { project } = opened.place;
      const dots = input.straight ? '..' : '...';
      return json({
        commit: result.commit && presentCommit(services, project, result.commit),
        commits: result.commits.map((commit) => presentCommit(services, project, commit)),
        diffs: result.diffs.map(presentDiff),
        compare_timeout: result.compareTimeout,
        compare_same_ref: result.compareSameRef,
        web_url: `${services.url}/${project.full_path}/-/compare/${encodeURIComponent(input.from)}${dots}${encodeURIComponent(input.to)}`,
      });
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${BASE}/merge_base`,
    action: 'file:read',
    params: object({ refs: stringList('Two or more revisions') }),
    summary: 'The commit that revisions have in common',
    handler: async (context, opened) => {
      const { services, input } = context;
      if (input.refs.length < 2) return sentence('400 Bad request - Provide at least 2 refs');
      if (input.refs.length > 20) return sentence('400 Bad request - Provide at most 20 refs');
      const commits: ObjectId[] = [];
      for (const ref of input.refs) {
        const commitId = await resolve(services.repositories, opened.id, ref);
        if (commitId === null) return sentence(`400 Bad request - Could not find ref: ${ref}`);
        commits.push(commitId);
      }
      const base = await mergeBase(services.repositories, opened.id, commits);
      if (base === null) return fail({ code: 'not_found', thing: 'Merge Base' });
      const commit = await readCommit(services.repositories, opened.id, base);
      return json(presentCommit(services, opened.place.project, commit));
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${BASE}/contributors`,
    action: 'file:read',
    params: object({
      ref: withDefault(text('Branch, tag or commit'), 'HEAD'),
      order_by: withDefault(oneOf(['name', 'email', 'commits'], 'What they are sorted by'), 'commits'),
      sort: withDefault(oneOf(['asc', 'desc'], 'Direction'), 'asc'),
    }),
    summary: 'Who wrote how many commits',
    paged: true,
    handler: async (context, opened) => {
      const { services, input, page } = context;
      const commitId = await commitOf(context, opened, input.ref);
      const all = await listContributors(services.repositories, opened.id, commitId);
      const { order_by: key, sort } = input;
      const sorted = all.toSorted((a, b) => {
        const order = key === 'commits' ? a.commits - b.commits : a[key] < b[key] ? -1 : a[key] > b[key] ? 1 : 0;
        return sort === 'asc' ? order : -order;
      });
      const shown = sorted.slice(page.offset, page.offset + page.perPage);
      return paged(
        shown.map((each) => ({ ...each, additions: 0, deletions: 0 })),
        sorted.length,
      );
    },
  }),
];

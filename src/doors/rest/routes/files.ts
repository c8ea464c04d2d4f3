// Single files: read as JSON, raw or with who wrote each line, and written one commit each (reference git-and-deploy 12.8).
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import type { Allowed } from '../../../access/allowed.ts';
import { projectSettings } from '../../../directory/project-settings.ts';
import { blame } from '../../../repositories/blame.ts';
import { type CommitRequest, prepareCommit } from '../../../repositories/commit-actions.ts';
import { lastCommitOf } from '../../../repositories/commits.ts';
import { MOST_POINTER_BYTES, openPointed } from '../../../repositories/lfs-pointer.ts';
import type { ObjectId } from '../../../repositories/ref-names.ts';
import { type FileContent, findFile, openBlob, readFile } from '../../../repositories/trees.ts';
import { slotKey } from '../../http/pace.ts';
import type { Services } from '../../services.ts';
import {
  type Code,
  type CodeContext,
  codeRoute,
  commitOf,
  MAY_NOT_PUSH,
  prepareOrRefuse,
  type RuleWords,
  sentence,
  signatureOf,
} from '../code.ts';
import { presentBlame } from '../present/commit.ts';
import { json, noContent, type RestReply, type Route } from '../route.ts';
import { boolean, integer, object, oneOf, optional, text, withDefault } from '../schema.ts';
import { contentOf, publishOverRest } from './commits.ts';

const FILE = '/projects/:id/repository/files/:file_path';
/** A file as JSON is held in memory as text four times over; larger ones are to be read raw. */
const JSON_LIMIT = 64 * 1024 * 1024;

interface Meta {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly ref: string;
  readonly blobId: ObjectId;
  readonly commitId: ObjectId;
  readonly lastCommitId: ObjectId;
  readonly executable: boolean;
}

/** The object that a file points at; the file itself when it is no pointer, its object is not here, or LFS is switched off. */
async function behindPointer(
  services: Services,
  allowed: Allowed<'file:read'>,
  file: { readonly size: number; readonly stream: Readable },
): Promise<{ readonly size: number; readonly stream: Readable }> {
  if (file.size > MOST_POINTER_BYTES || !projectSettings(allowed.place.project).lfs_enabled) return file;
  const bytes = await buffer(file.stream);
  const object = await openPointed(services, allowed, bytes);
  return object ? { size: object.size, stream: await object.read() } : { ...file, stream: Readable.from([bytes]) };
}

function headersOf(meta: Meta, sha256: string | null): Record<string, string> {
  return {
    'x-gitlab-blob-id': meta.blobId,
    'x-gitlab-commit-id': meta.commitId,
    ...(sha256 === null ? {} : { 'x-gitlab-content-sha256': sha256 }),
    'x-gitlab-encoding': 'base64',
    'x-gitlab-file-name': encodeURIComponent(meta.name),
    'x-gitlab-file-path': encodeURI(meta.path),
    'x-gitlab-last-commit-id': meta.lastCommitId,
    'x-gitlab-ref': encodeURI(meta.ref),
    'x-gitlab-size': String(meta.size),
    'x-gitlab-execute-filemode': String(meta.executable),
  };
}

function metaOf(file: FileContent, ref: string): Meta {
  return {
    name: file.name,
    path: file.path,
    size: file.size,
    ref,
    blobId: file.id,
    commitId: file.commitId,
    lastCommitId: file.lastCommitId,
    executable: file.mode === '100755',
  };
}

const writeParams = {
  branch: text('Where the commit goes', { notEmpty: true }),
  commit_message: text('What it says', { notEmpty: true }),
  start_branch: optional(text('The branch that a new one starts from')),
  author_name: optional(text('Author')),
  author_email: optional(text('Address of the author')),
};
const contentParams = {
  content: text('What the file holds'),
  encoding: withDefault(oneOf(['text', 'base64'], 'How the content is written'), 'text'),
  execute_filemode: optional(boolean('Whether it may be executed')),
};
const lastCommit = { last_commit_id: optional(text('The commit that changed it last, as far as you know')) };

interface Write {
  readonly branch: string;
  readonly commit_message: string;
  readonly start_branch?: string | undefined;
  readonly author_name?: string | undefined;
  readonly author_email?: string | undefined;
  readonly content?: string | undefined;
  readonly encoding?: string | undefined;
  readonly execute_filemode?: boolean | undefined;
  readonly last_commit_id?: string | undefined;
}

async function write(
  context: CodeContext,
  opened: Code,
  filePath: string,
  action: 'create' | 'update' | 'delete',
  input: Write,
): Promise<RestReply | null> {
  const content = action === 'delete' ? undefined : contentOf(input);
  const request: CommitRequest = {
    branch: input.branch,
    message: input.commit_message,
    actions: [
      {
        action,
        filePath,
        ...(content === undefined ? {} : { content }),
        ...(input.last_commit_id ? { lastCommitId: input.last_commit_id } : {}),
        ...(input.execute_filemode === undefined ? {} : { executeFilemode: input.execute_filemode }),
      },
    ],
    author: signatureOf(context, input),
    committer: signatureOf(context),
    ...(input.start_branch ? { startBranch: input.start_branch } : {}),
  };
  const words: RuleWords = (rule) => sentence(rule.row === 'branch name' ? rule.message : MAY_NOT_PUSH);
  const prepare = () => prepareCommit(context.services.repositories, opened.id, request);
  const prepared = await prepareOrRefuse(context, opened, input.branch, words, prepare);
  return 'type' in prepared ? prepared : publishOverRest(context, opened, prepared, words);
}

export const routes: Route[] = [
  codeRoute({
    method: 'GET',
    path: FILE,
    action: 'file:read',
    params: object({ ref: text('Branch, tag or commit', { notEmpty: true }) }),
    summary: 'A file with its content',
    handler: async (context, opened) => {
      const { services, input, path } = context;
      const commitId = await commitOf(context, opened, input.ref);
      const file = await readFile(services.repositories, opened.id, {
        commitId,
        path: path['file_path']!,
        maxBytes: JSON_LIMIT,
      });
      const sha256 = createHash('sha256').update(file.content).digest('hex');
      const meta = metaOf(file, input.ref);
      const body = {
        file_name: file.name,
        file_path: file.path,
        size: file.size,
        encoding: 'base64',
        content_sha256: sha256,
        ref: input.ref,
        blob_id: file.id,
        commit_id: file.commitId,
        last_commit_id: file.lastCommitId,
        execute_filemode: meta.executable,
        content: file.content.toString('base64'),
      };
      return json(body, 200, headersOf(meta, sha256));
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${FILE}/raw`,
    action: 'file:read',
    params: object({
      ref: withDefault(text('Branch, tag or commit'), 'HEAD'),
      lfs: optional(boolean('The object behind an LFS pointer')),
    }),
    summary: "A file's bytes",
    handler: async (context, opened) => {
      const { services, input, path, signal } = context;
      const { repositories } = services;
      const commitId = await commitOf(context, opened, input.ref);
      const file = await findFile(repositories, opened.id, commitId, path['file_path']!);
      const last = await lastCommitOf(repositories, opened.id, commitId, file.path);
      const key = slotKey(context.credential, context.actor.ip);
      const blob = await openBlob(repositories, opened.id, file.id, { signal, key });
      const { size, stream } = input.lfs ? await behindPointer(context.services, context.allowed, blob) : blob;
      const meta = {
        ...metaOf({ ...file, content: Buffer.alloc(0), commitId, lastCommitId: last ?? commitId }, input.ref),
        size,
      };
      return {
        type: 'stream',
        status: 200,
        body: stream,
        headers: {
          ...headersOf(meta, null),
          'content-length': String(size),
          'content-type': 'text/plain; charset=utf-8',
          'content-disposition': `inline; filename*=UTF-8''${encodeURIComponent(file.name)}`,
        },
      };
    },
  }),
  codeRoute({
    method: 'GET',
    path: `${FILE}/blame`,
    action: 'file:read',
    params: object({
      ref: text('Branch, tag or commit', { notEmpty: true }),
      range: optional(
        object(
          {
            start: integer('First line', { minimum: 1 }),
            end: integer('Last line', { minimum: 1 }),
          },
          'The lines meant',
        ),
      ),
    }),
    summary: 'Who wrote each line of a file',
    handler: async (context, opened) => {
      const { services, input, path } = context;
      const commitId = await commitOf(context, opened, input.ref);
      const { range } = input;
      if (range && range.start > range.end) return sentence('range[start] must be lower than or equal to range[end]');
      const runs = await blame(services.repositories, opened.id, { commitId, path: path['file_path']!, ...range });
      return json(runs.map(presentBlame));
    },
  }),
  codeRoute({
    method: 'POST',
    path: FILE,
    action: 'repository:commit',
    params: object({ ...writeParams, ...contentParams }),
    summary: 'Make a file',
    handler: async (context, opened) => {
      const file = context.path['file_path']!;
      const refused = await write(context, opened, file, 'create', context.input);
      return refused ?? json({ file_path: file, branch: context.input.branch }, 201);
    },
  }),
  codeRoute({
    method: 'PUT',
    path: FILE,
    action: 'repository:commit',
    params: object({ ...writeParams, ...contentParams, ...lastCommit }),
    summary: 'Change a file',
    handler: async (context, opened) => {
      const file = context.path['file_path']!;
      const refused = await write(context, opened, file, 'update', context.input);
      return refused ?? json({ file_path: file, branch: context.input.branch });
    },
  }),
  codeRoute({
    method: 'DELETE',
    path: FILE,
    action: 'repository:commit',
    params: object({ ...writeParams, ...lastCommit }),
    summary: 'Remove a file',
    handler: async (context, opened) =>
      (await write(context, opened, context.path['file_path']!, 'delete', context.input)) ?? noContent(),
  }),
];

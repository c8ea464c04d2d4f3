// Reads a request's parameters from query, form, multipart or JSON into one tree, within limits (reference access-tokens 3.2).
// What is wrong with a body is remembered, not thrown: nobody is told about parameters before he is let in.
import type { FastifyRequest } from 'fastify';
import { assign, emptyTree, isTree, readPairs, type Tree } from '../http/nested-params.ts';
import { splitForm } from './multipart.ts';

export interface UploadedFile {
  readonly filename: string;
  readonly data: Buffer;
}

export interface Input {
  readonly tree: Tree;
  readonly files: Readonly<Record<string, UploadedFile>>;
  /** what to answer once the caller was let in, when the parameters could not be read */
  readonly problem: { readonly status: number; readonly error: string } | null;
}

/** Bytes of a body from somebody who named a credential outside of it, and from anybody else. */
export const BODY_LIMIT = 50 * 1024 * 1024;
export const STRANGER_BODY_LIMIT = 1024 * 1024;

class Unreadable extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The parameters of the query alone; `problem` when an escape in it is broken. */
export function readQuery(query: string): Input {
  const tree = emptyTree();
  const pairs = readPairs(query);
  if (pairs === null) return { tree, files: {}, problem: { status: 400, error: 'The query is not well-formed' } };
  for (const [name, value] of pairs) assign(tree, name, value);
  return { tree, files: {}, problem: null };
}

/**
 * Adds the body to the query's parameters; where both name one, the body wins. At most `limit` bytes are read, and a client that
 * needs longer than `time` milliseconds for them is cut off.
 */
export async function readBody(request: FastifyRequest, query: Input, limit: number, time: number): Promise<Input> {
  if (request.raw.headers['content-length'] === '0' || !hasBody(request)) return query;
  const timer = setTimeout(() => request.raw.destroy(), time);
  try {
    const body = await parseBody(request, limit);
    return { tree: Object.assign(emptyTree(), query.tree, body.tree), files: body.files, problem: query.problem };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { ...query, problem: { status: error.status, error: error.message } };
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the body may be longer than a stranger's, so that it is worth asking before reading it. */
export function isLarge(request: FastifyRequest): boolean {
  const { headers } = request.raw;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > STRANGER_BODY_LIMIT;
}

function hasBody(request: FastifyRequest): boolean {
  const { headers } = request.raw;
  return headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;
}

async function parseBody(request: FastifyRequest, limit: number): Promise<Pick<Input, 'tree' | 'files'>> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();
  if (Number(request.headers['content-length'] ?? 0) > limit) throw new Unreadable(413, 'Request Entity Too Large');
  const bytes = await readAll(request, limit);
  if (bytes.length === 0) return { tree: emptyTree(), files: {} };
  if (type === 'multipart/form-data') return readMultipart(request, bytes);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Unreadable(400, 'The body is not valid UTF-8');
  }
  if (type === 'application/json' || type.endsWith('+json')) return { tree: readJson(text), files: {} };
  if (type === 'application/x-www-form-urlencoded' || type === '') return { tree: readForm(text), files: {} };
  throw new Unreadable(415, `The provided content-type '${type.slice(0, 100)}' is not supported.`);
}

async function readAll(request: FastifyRequest, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop early must not destroy the connection: the answer goes over it.
  for await (const chunk of request.raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) throw new Unreadable(413, 'Request Entity Too Large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function readJson(text: string): Tree {
  if (text.trim() === '') return emptyTree();
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Unreadable(400, 'The body is not valid JSON');
  }
  if (value === null) return emptyTree();
  if (!isTree(value)) throw new Unreadable(400, 'The body is not a JSON object');
  return Object.assign(emptyTree(), value);
}

function readForm(text: string): Tree {
  const pairs = readPairs(text);
  if (pairs === null) throw new Unreadable(400, 'The form is not well-formed');
  const tree = emptyTree();
  for (const [name, value] of pairs) assign(tree, name, value);
  return tree;
}

async function readMultipart(request: FastifyRequest, bytes: Buffer): Promise<Pick<Input, 'tree' | 'files'>> {
  const parts = await splitForm(request.headers['content-type'] ?? '', bytes);
  if (parts === 'too_large') throw new Unreadable(413, 'Request Entity Too Large');
  if (parts === 'malformed') throw new Unreadable(400, 'The form is not well-formed');
  const tree = emptyTree();
  const files: Record<string, UploadedFile> = Object.create(null);
  for (const part of parts) {
    if ('data' in part) files[part.name] = { filename: part.filename, data: part.data };
    assign(tree, part.name, 'data' in part ? part.filename : part.value);
  }
  return { tree, files };
}

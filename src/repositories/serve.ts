// git's smart protocol as streams: what clone, fetch and push need, whatever carries it (HTTP, SSH, a test's pipe). It moves
// bytes between a client and git and ends git when the client leaves; it knows neither who asks nor whether he may.
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { compileCacheVariable } from '../kernel/compile-cache.ts';
import { Advertisements, MOST_OF_ONE } from './advertisements.ts';
import { RepositoryError } from './errors.ts';
import { type GitChild, GitFailed, type GitSpawnOptions } from './git.ts';
import type { Repositories } from './repository-files.ts';

export type Service = 'upload-pack' | 'receive-pack';

const HOOKS = join(import.meta.dirname, 'hooks');

/** The value of a `Git-Protocol` header or GIT_PROTOCOL variable that git may see; undefined for anything else. */
export function parseGitProtocol(text: string | undefined): string | undefined {
  if (text === undefined || text.length > 64) return undefined;
  const known = text.split(':').filter((part) => /^version=[0-2]$/.test(part));
  return known.length === text.split(':').length ? text : undefined;
}

interface Client {
  /** Who asks (credential id or address), for a fair share of the slots. */
  readonly key?: string;
  /** Aborted when the client leaves or its key dies: git ends at once. */
  readonly signal?: AbortSignal;
}

export interface StreamRequest extends Client {
  readonly input: Readable;
  /** Written to, never ended: the door knows when its reply is complete. */
  readonly output: Writable;
  /** Where git's stderr goes as it comes (SSH); left out, it is only in the result. */
  readonly error?: Writable;
  /** A connection that git writes its output to by itself; nothing comes to `output` then. Left open when git is not started. */
  readonly handOver?: Socket;
  /** True: one HTTP request (`--stateless-rpc`). False: a whole conversation, as over SSH. */
  readonly stateless: boolean;
  /** The client's `Git-Protocol` / GIT_PROTOCOL, unchecked. */
  readonly protocol?: string;
}

export interface ReceiveRequest extends StreamRequest {
  /** The local socket that answers the pre-receive hook. */
  readonly hookSocket: string;
  /** Names this push to the server in the hook's question. Make it random; one push, one nonce. */
  readonly pushNonce: string;
  /** Most bytes of the pack; 0 or undefined: no limit. */
  readonly maxInputSize?: number;
  /** More variables for git and the hook. */
  readonly environment?: Readonly<Record<string, string>>;
}

export interface ServeResult {
  /** git's exit code. For a push 0 also when refs were refused: compare the refs to know what moved. */
  readonly code: number;
  readonly stderr: string;
}

interface Said {
  /**
   * What git answers to `version=2`: its capabilities, which are the same for every repository, for all have the same format
   * and settings. By the client's protocol text, of which there are few (`parseGitProtocol`).
   */
  readonly capabilities: Map<string, Buffer>;
  readonly refs: Advertisements;
}

/** What git has said already, for each `git` started costs milliseconds. */
const said = new WeakMap<Repositories, Said>();
const MOST_PROTOCOLS = 16;

function saidAbout(repositories: Repositories): Said {
  let known = said.get(repositories);
  if (known === undefined) {
    known = { capabilities: new Map(), refs: new Advertisements() };
    said.set(repositories, known);
  }
  return known;
}

/**
 * The answer to `info/refs?service=git-…` (reference git-and-deploy 8.6), the `# service` line included. Receive-pack never
 * speaks v2. Destroying the stream ends git. Throws `repository_missing`, GitBusy and GitFailed before there is a stream.
 */
export async function advertise(
  repositories: Repositories,
  id: number,
  service: Service,
  options: Client & { readonly protocol?: string } = {},
): Promise<Readable> {
  const protocol = parseGitProtocol(options.protocol);
  const version = Math.max(0, ...(protocol ?? '').split(':').map((part) => Number(part.at(-1) ?? 0)));
  const ask = () => askForRefs(repositories, id, service, protocol, options);
  const { capabilities, refs } = saidAbout(repositories);
  let answer: Buffer | Readable | undefined;
  if (service === 'receive-pack') answer = await ask();
  else if (version === 2) {
    const known = capabilities.get(protocol ?? '');
    answer = known !== undefined && (await repositories.exists(id)) ? known : await ask();
    if (Buffer.isBuffer(answer) && capabilities.size < MOST_PROTOCOLS) capabilities.set(protocol ?? '', answer);
  } else answer = repositories.shared ? await ask() : await refs.recall(repositories.path(id), version, ask);
  // Another request may have waited for git on its behalf.
  options.signal?.throwIfAborted();
  return Buffer.isBuffer(answer) ? Readable.from([answer], { objectMode: false }) : answer;
}

/** Asks git. An answer of ordinary size comes whole, so that a git that fails is known before anything is sent. */
async function askForRefs(
  repositories: Repositories,
  id: number,
  service: Service,
  protocol: string | undefined,
  { key, signal }: Client,
): Promise<Buffer | Readable> {
  const env = protocolEnvironment(service, protocol);
  const child = await start(repositories, id, [service, '--stateless-rpc', '--advertise-refs'], { key, signal, env });
  child.stdin.end();
  const line = `# service=git-${service}\n`;
  const isV2 = env['GIT_PROTOCOL']?.includes('version=2') === true;
  const chunks: Buffer[] = [Buffer.from(isV2 ? '' : `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`)];
  let size = 0;
  const end = async () => {
    const exit = await child.done;
    signal?.throwIfAborted();
    if (exit.code !== 0) throw new GitFailed(service, exit.code, exit.stderr);
  };
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > MOST_OF_ONE) return Readable.from(all(), { objectMode: false });
  }
  await end();
  return Buffer.concat(chunks);

  async function* all() {
    try {
      yield* chunks.splice(0);
      yield* child.stdout as AsyncIterable<Buffer>;
      await end();
    } finally {
      child.kill();
    }
  }
}

/** Serves a clone or fetch. Resolves when git has ended; rejects when the client left or `signal` aborted. */
export async function uploadPack(repositories: Repositories, id: number, request: StreamRequest): Promise<ServeResult> {
  const args = ['upload-pack', ...(request.stateless ? ['--stateless-rpc'] : [])];
  const env = protocolEnvironment('upload-pack', parseGitProtocol(request.protocol));
  return converse(
    await start(repositories, id, args, { ...client(request), env, handOver: request.handOver }),
    request,
  );
}

/**
 * Serves a push: real `git receive-pack` with its quarantine, its pre-receive hook asking at `hookSocket`. Nothing of the
 * push is kept unless the hook was told `allowed: true`. Resolves when git has ended; rejects when the client left.
 */
export async function receivePack(
  repositories: Repositories,
  id: number,
  request: ReceiveRequest,
): Promise<ServeResult> {
  const args = ['receive-pack', ...(request.stateless ? ['--stateless-rpc'] : [])];
  const env = {
    ...request.environment,
    ...protocolEnvironment('receive-pack', parseGitProtocol(request.protocol)),
    // The hook starts in half the time when it need not be compiled.
    ...compileCacheVariable(),
    KEYWARD_NODE: process.execPath,
    KEYWARD_HOOK: join(HOOKS, 'pre-receive.ts'),
    KEYWARD_SOCKET: request.hookSocket,
    KEYWARD_PUSH: request.pushNonce,
  };
  const config = [
    ['core.hooksPath', HOOKS],
    ['receive.maxInputSize', String(request.maxInputSize ?? 0)],
  ] as const;
  return converse(await start(repositories, id, args, { ...client(request), env, config, orderly: true }), request);
}

/** Serves `git archive --remote` (SSH only). */
export async function uploadArchive(
  repositories: Repositories,
  id: number,
  request: Omit<StreamRequest, 'stateless' | 'protocol'>,
): Promise<ServeResult> {
  const child = await start(repositories, id, ['upload-archive'], { ...client(request), handOver: request.handOver });
  return converse(child, { ...request, stateless: false });
}

function client({ key, signal }: Client): Client {
  return { key, signal };
}

function protocolEnvironment(service: Service, protocol: string | undefined): Record<string, string> {
  if (protocol === undefined) return {};
  // A version that receive-pack does not speak falls back to 0 in git as well; here it never gets the chance to differ.
  if (service === 'receive-pack' && protocol.includes('version=2')) return {};
  return { GIT_PROTOCOL: protocol };
}

async function start(
  repositories: Repositories,
  id: number,
  args: readonly string[],
  options: GitSpawnOptions,
): Promise<GitChild> {
  if (!(await repositories.exists(id))) throw new RepositoryError('repository_missing');
  const { key, signal, env, config, orderly, handOver } = options;
  return repositories.git.spawn([...args, repositories.path(id)], { key, signal, env, config, orderly, handOver });
}

async function converse(child: GitChild, { input, output, error, signal }: StreamRequest): Promise<ServeResult> {
  if (error) child.stderr.pipe(error, { end: false });
  // A client that stops sending, or goes before it has heard all, ends its git; git that ends first lets the input run dry.
  let left: Error | undefined;
  const leave = (error: Error) => {
    left ??= error;
    child.kill();
  };
  const closed = () => {
    if (!input.readableEnded) leave(input.errored ?? new Error('the client left before it had sent everything'));
  };
  input.once('error', leave);
  input.once('close', closed);
  // It may have left while git waited for its slot.
  if (input.destroyed) closed();
  input.pipe(child.stdin);
  const answered = pipeline(child.stdout, output, { end: false });
  answered.catch(() => child.kill());
  const exit = await child.done;
  input.off('close', closed);
  input.unpipe(child.stdin);
  input.resume();
  await answered;
  signal?.throwIfAborted();
  if (left) throw left;
  return exit;
}

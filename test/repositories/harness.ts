// Real repositories in a throw-away folder, a real git client beside them, and the smallest HTTP server and hook socket that
// let the one talk to the other. No rights here: the tests decide what the hook answers.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer as createNet } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { type CommitAction, prepareCommit } from '../../src/repositories/commit-actions.ts';
import { createGit, type Git } from '../../src/repositories/git.ts';
import { publish } from '../../src/repositories/prepared.ts';
import type { ObjectId } from '../../src/repositories/ref-names.ts';
import { createRepositories, type Repositories } from '../../src/repositories/repository-files.ts';
import { advertise, receivePack, type Service, uploadPack } from '../../src/repositories/serve.ts';

export const WHO = { name: 'Ada Lovelace', email: 'ada@example.com', time: 1_700_000_000_000 };

export interface Question {
  readonly nonce: string;
  readonly lines: string[];
  readonly options: string[];
  readonly quarantine: { path: string; objectDirectory: string; alternates: string };
}

export interface Room {
  readonly folder: string;
  readonly git: Git;
  readonly repositories: Repositories;
}

/** A room of repositories that goes away with the test. */
export async function openRoom(context: TestContext): Promise<Room> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-repositories-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const git = createGit();
  return { folder, git, repositories: createRepositories({ root: join(folder, 'repositories'), git }) };
}

/** Commits files to a branch the way the REST API does. */
export async function commitFiles(
  room: Room,
  id: number,
  branch: string,
  files: Record<string, string | null>,
  more: { message?: string; startBranch?: string; force?: boolean } = {},
): Promise<ObjectId> {
  const actions = Object.entries(files).map(
    ([filePath, text]): CommitAction =>
      text === null ? { action: 'delete', filePath } : { action: 'create', filePath, content: Buffer.from(text) },
  );
  const request = { branch, message: 'change', actions, author: WHO, committer: WHO, ...more };
  const prepared = await prepareCommit(room.repositories, id, request);
  await publish(room.repositories, prepared);
  return prepared.newId;
}

export interface Wire {
  readonly url: (id: number) => string;
  readonly questions: Question[];
  answer: (question: Question) => Promise<{ allowed: boolean; messages: string[] }>;
  /** The client: git in a folder with a home of its own. Answers stdout + stderr; `code` is git's. */
  client: (cwd: string, ...args: string[]) => Promise<{ code: number; text: string }>;
}

/** Serves the room over HTTP on a free port, with a hook socket that answers as `wire.answer` says (default: allowed). */
export async function openWire(context: TestContext, room: Room): Promise<Wire> {
  const socketPath = join(room.folder, 'hook.sock');
  const questions: Question[] = [];
  const hooks = createNet((socket) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    socket.on('data', async (chunk: string) => {
      text += chunk;
      if (!text.endsWith('\n')) return;
      const question = JSON.parse(text) as Question;
      questions.push(question);
      socket.end(`${JSON.stringify(await wire.answer(question))}\n`);
    });
  });
  const http = createHttp(async (request, reply) => {
    const url = new URL(request.url ?? '', 'http://x');
    const match = /^\/(\d+)\/(info\/refs|git-(upload-pack|receive-pack))$/.exec(url.pathname);
    const service = (match?.[3] ?? url.searchParams.get('service')?.slice(4)) as Service;
    const id = Number(match?.[1]);
    const protocol = request.headers['git-protocol'] as string | undefined;
    try {
      if (match?.[2] === 'info/refs') {
        reply.setHeader('content-type', `application/x-git-${service}-advertisement`);
        (await advertise(room.repositories, id, service, { protocol })).pipe(reply);
        return;
      }
      reply.setHeader('content-type', `application/x-git-${service}-result`);
      const input = request.headers['content-encoding'] === 'gzip' ? request.pipe(createGunzip()) : request;
      const common = { input, output: reply, stateless: true, protocol };
      if (service === 'upload-pack') await uploadPack(room.repositories, id, common);
      else await receivePack(room.repositories, id, { ...common, hookSocket: socketPath, pushNonce: 'nonce-1' });
      reply.end();
    } catch {
      reply.destroy();
    }
  });
  await new Promise<void>((resolve) => hooks.listen(socketPath, resolve));
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  context.after(() => {
    hooks.close();
    http.closeAllConnections();
    http.close();
  });
  const home = join(room.folder, 'home');
  await mkdir(home, { recursive: true });
  const environment = {
    PATH: process.env['PATH'],
    HOME: home,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_AUTHOR_NAME: 'Client',
    GIT_AUTHOR_EMAIL: 'client@example.com',
    GIT_COMMITTER_NAME: 'Client',
    GIT_COMMITTER_EMAIL: 'client@example.com',
  };
  const wire: Wire = {
    url: (id) => `http://127.0.0.1:${(http.address() as AddressInfo).port}/${id}`,
    questions,
    answer: async () => ({ allowed: true, messages: [] }),
    async client(cwd, ...args) {
      try {
        const { stdout, stderr } = await promisify(execFile)('git', args, { cwd, env: environment });
        return { code: 0, text: stdout + stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, text: stdout + stderr };
      }
    },
  };
  return wire;
}

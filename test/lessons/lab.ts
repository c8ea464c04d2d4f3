// What the lessons attack: a whole server whose clock the test moves, a small world straight in its tables, raw requests, a real
// git client, and the database file as a thief would find it. It asserts nothing.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import type { Wish } from '../../src/credentials/issue.ts';
import type { Route } from '../../src/doors/rest/route.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import { rememberAnswer } from '../support/canary.ts';
import { type StartOptions, startServer, type TestServer } from '../support/server.ts';
import { makeWorld, START, type World } from '../support/world.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Lab {
  readonly server: TestServer;
  readonly world: World;
  readonly clock: ManualClock;
  readonly api: TestServer['api'];
  /** Sends exactly this target, unnormalised. */
  raw(method: string, target: string, headers?: Record<string, string>, body?: string | Buffer): Promise<RawAnswer>;
  /** A project with a repository; `files` are committed to its branch `main`. */
  project(
    at: Namespace,
    values?: Partial<Project>,
    files?: Readonly<Record<string, string>>,
    token?: string,
  ): Promise<Project>;
  key(wish: Partial<Wish> & { kind: Wish['kind'] }): Promise<string>;
  pat(user: User, ...scopes: string[]): Promise<string>;
  /** A bot of the project at `level`, and its token. */
  bot(project: Project, level: number, scopes?: string[]): Promise<{ user: User; token: string; id: number }>;
  /** Runs git in `folder` as somebody who has set nothing up. */
  git(folder: string, ...args: string[]): Promise<{ code: number; out: string }>;
  remote(project: Project, login: string, secret: string): string;
  folder(): Promise<string>;
  /** table -> digest of all its rows, without those that record mere use */
  snapshot(): Record<string, string>;
  database(): DatabaseSync;
  stop(): Promise<void>;
}

/** What may be written by a read: last use, counters, audit, and what the server does by itself. */
const NOTES = new Set(['credential_uses', 'audit_events', 'audit_refusals', 'audit_seals', 'audit_batches', 'tasks']);

/** Starts a server to attack. Guesses are not limited: the lessons about that limit set their own. */
export async function openLab(options: StartOptions = {}): Promise<Lab> {
  const clock = new ManualClock(START);
  const server = await startServer({
    clock,
    ...options,
    settings: { failed_authentication_limit: 1_000_000, ...options.settings },
  });
  const { services } = server;
  const world = makeWorld(services.db, services.keys);
  const home = await mkdtemp(join(tmpdir(), 'keyward-lab-'));
  let count = 0;
  const { host } = new URL(server.url);
  const database = () => new DatabaseSync(join(server.data, 'keyward.db'), { readOnly: true });
  const lab: Lab = {
    server,
    world,
    clock,
    api: server.api,
    database,
    raw: (method, target, headers = {}, body) =>
      new Promise((resolve, reject) => {
        const { hostname, port } = new URL(server.url);
        const sent = request({ hostname, port, method, path: target, agent: false, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if (response.statusCode! < 400) rememberAnswer(text, response.headers['set-cookie'] ?? []);
            resolve({ status: response.statusCode!, headers: response.headers, text });
          });
        });
        sent.on('error', reject);
        sent.end(body);
      }),
    async project(at, values = {}, files = { 'README.md': '# hello\n' }, token = server.rootToken) {
      const project = await world.project(at, values);
      const id = await services.db.tx(async (tx) => {
        const row = await tx
          .insertInto('repositories')
          .values({ project_id: project.id, created_at: START, trashed_at: null })
          .returning('id')
          .executeTakeFirstOrThrow();
        await tx.updateTable('projects').set({ repository_id: row.id }).where('id', '=', project.id).execute();
        return row.id;
      });
      await services.repositories.create(id, { defaultBranch: 'main' });
      const actions = Object.entries(files).map(([file_path, content]) => ({ action: 'create', file_path, content }));
      if (actions.length > 0) {
        const body = { branch: 'main', commit_message: 'first', actions };
        const made = await server.api('POST', `/projects/${project.id}/repository/commits`, { body, token });
        if (made.status !== 201) throw new Error(made.text);
      }
      return { ...project, repository_id: id };
    },
    key: async (wish) => (await world.issue(wish)).secret.reveal(),
    pat: (user, ...scopes) => lab.key({ kind: 'personal_access_token', userId: user.id, scopes }),
    async bot(project, level, scopes = ['api']) {
      const user = await world.user({ type: 'project_bot', bot_project_id: project.id });
      await world.member(user, { project }, level);
      const wish = { kind: 'project_access_token', userId: user.id, projectId: project.id, scopes } as const;
      const { credential, secret } = await world.issue(wish);
      return { user, token: secret.reveal(), id: credential.id };
    },
    async git(folder, ...args) {
      const env = {
        PATH: process.env['PATH'],
        HOME: home,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        GIT_AUTHOR_NAME: 'Mallory',
        GIT_AUTHOR_EMAIL: 'mallory@example.com',
        GIT_COMMITTER_NAME: 'Mallory',
        GIT_COMMITTER_EMAIL: 'mallory@example.com',
      };
      try {
        const { stdout, stderr } = await promisify(execFile)('git', args, { cwd: folder, env, maxBuffer: 1e8 });
        return { code: 0, out: stdout + stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, out: `${stdout}${stderr}` };
      }
    },
    remote: (project, login, secret) =>
      `http://${encodeURIComponent(login)}:${encodeURIComponent(secret)}@${host}/${project.full_path}.git`,
    async folder() {
      const folder = join(home, `folder-${++count}`);
      await mkdir(folder);
      return folder;
    },
    snapshot() {
      const db = database();
      try {
        const tables = db.prepare("select name from sqlite_master where type = 'table' order by name").all();
        const digests: Record<string, string> = {};
        for (const { name } of tables as { name: string }[]) {
          if (NOTES.has(name) || name.startsWith('sqlite_')) continue;
          const rows = db.prepare(`select * from "${name}"`).all();
          digests[name] = createHash('sha256').update(JSON.stringify(rows)).digest('hex');
        }
        return digests;
      } finally {
        db.close();
      }
    },
    async stop() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
  return lab;
}

/** Fills a route's path: `:id` by what stands before it, other names from `values`, else `x`. */
export function fill(route: Route, values: Readonly<Record<string, string | number>>): string {
  return route.path
    .split('/')
    .map((part, index, parts) => {
      if (!part.startsWith(':') && !part.startsWith('*')) return part;
      const name = part.slice(1);
      const own = name === 'id' ? values[parts[index - 1] ?? ''] : undefined;
      return encodeURIComponent(String(own ?? values[name] ?? 'x'));
    })
    .join('/');
}

export const reading = routes.filter((route) => route.method === 'GET');
export const writing = routes.filter((route) => route.method !== 'GET');

/** The text of every GET route's answer to this token, by route. */
export async function readEverything(lab: Lab, token: string, values: Readonly<Record<string, string | number>>) {
  const answers = new Map<string, { status: number; text: string }>();
  for (const route of reading) {
    const path = fill(route, values);
    const query =
      route.path.includes('/files/') || route.path.includes('/compare') ? '?ref=main&from=main&to=main' : '';
    const { status, text } = await lab.api('GET', `${path}${query}`, { token });
    answers.set(`GET ${route.path}`, { status, text });
  }
  return answers;
}

/** A git work tree on branch `main` with these files committed. */
export async function workTree(lab: Lab, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await lab.folder();
  await lab.git(folder, 'init', '-q', '-b', 'main');
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  await lab.git(folder, 'add', '-A');
  await lab.git(folder, 'commit', '-q', '-m', 'work');
  return folder;
}

/** `Authorization` of HTTP Basic. */
export function basic(login: string, secret: string): { authorization: string } {
  return { authorization: `Basic ${Buffer.from(`${login}:${secret}`).toString('base64')}` };
}

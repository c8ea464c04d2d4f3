// A forge for tests of the git wire: a small world straight in the tables, real repositories, the real door on a free port, and
// a real git client with a home of its own.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createRefusalCounter } from '../../../src/audit/refusals.ts';
import type { Wish } from '../../../src/credentials/issue.ts';
import { liveUsesOf } from '../../../src/credentials/live-uses.ts';
import { registerGitHttp } from '../../../src/doors/git-http/plugin.ts';
import { createHttpServer } from '../../../src/doors/http-server.ts';
import { answerHooks } from '../../../src/doors/local/hooks.ts';
import { openLocalDoor } from '../../../src/doors/local/local-door.ts';
import { routes as branches } from '../../../src/doors/rest/routes/branches.ts';
import { routes as commits } from '../../../src/doors/rest/routes/commits.ts';
import { routes as files } from '../../../src/doors/rest/routes/files.ts';
import { routes as protectedRefs } from '../../../src/doors/rest/routes/protected-refs.ts';
import { routes as repository } from '../../../src/doors/rest/routes/repository.ts';
import { routes as tags } from '../../../src/doors/rest/routes/tags.ts';
import type { Services } from '../../../src/doors/services.ts';
import type { Namespace, Project, User } from '../../../src/identity/records.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { prepareCommit } from '../../../src/repositories/commit-actions.ts';
import { createGit, type GitOptions } from '../../../src/repositories/git.ts';
import { publish } from '../../../src/repositories/prepared.ts';
import { createRepositories } from '../../../src/repositories/repository-files.ts';
import { openBlobs } from '../../../src/storage/blobs.ts';
import type { Database } from '../../../src/storage/database.ts';
import { openDatabase } from '../../../src/storage/open-database.ts';
import { makeWorld, type World } from '../../support/world.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape, and assert what they find.
  readonly body: any;
  readonly bytes: Buffer;
}

export interface Forge {
  readonly services: Services;
  readonly world: World;
  readonly url: string;
  readonly folder: string;
  /** A project with a repository; `files` are committed to `main`, none leaves it empty. */
  project(at: Namespace, values?: Partial<Project>, files?: Record<string, string>): Promise<Project>;
  /** The text of a fresh key. */
  key(wish: Partial<Wish> & { kind: Wish['kind'] }): Promise<string>;
  /** A personal token of the user. */
  pat(user: User, ...scopes: string[]): Promise<string>;
  /** Calls `/api/v4` + path with a token (null: nobody) and a JSON body. */
  api(method: string, path: string, token: string | null, body?: unknown): Promise<Answer>;
  /** `http://name:secret@host/path` */
  remote(path: string, login?: string, secret?: string): string;
  git(cwd: string, ...args: string[]): Promise<Ran>;
  gitWith(cwd: string, env: Record<string, string>, ...args: string[]): Promise<Ran>;
  /** A fresh folder; with `commit`, a repository on `main` that holds one commit. */
  workTree(commit?: boolean): Promise<string>;
  /** Adds a commit to a work tree. */
  commit(tree: string, file?: string, text?: string | Buffer): Promise<void>;
  close(): Promise<void>;
}

const routes = [...branches, ...commits, ...files, ...protectedRefs, ...repository, ...tags];
const WHO = { name: 'Ada', email: 'ada@example.com', time: 1_700_000_000_000 };

/** Opens one, on `database` or on a SQLite file of its own. */
export async function openForge(database?: Database, options: GitOptions = {}): Promise<Forge> {
  const folder = await mkdtemp(join(tmpdir(), 'keyward-forge-'));
  const db = database ?? (await openDatabase({ url: `sqlite:${join(folder, 'keyward.db')}`, clock: systemClock }));
  const world = makeWorld(db);
  const git = createGit(options);
  const repositories = createRepositories({ root: join(folder, 'repositories'), git });
  const services: Services = {
    ...world.house,
    verifier: world.verifier,
    liveUses: liveUsesOf({ db }),
    git,
    repositories,
    blobs: openBlobs(join(folder, 'blobs')),
    refusals: createRefusalCounter({ db, clock: world.clock }),
  };
  const local = await openLocalDoor({ dataFolder: join(folder, 'data'), log: services.log });
  answerHooks(local, services);
  const app = await createHttpServer(services, { doors: [registerGitHttp], routes });
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address() as AddressInfo;
  const home = join(folder, 'home');
  await mkdir(home);
  let count = 0;

  const forge: Forge = {
    services,
    world,
    folder,
    url: `http://127.0.0.1:${port}`,
    async project(at, values = {}, files = { 'README.md': '# hello\n' }) {
      const project = await world.project(at, {
        default_branch: Object.keys(files).length > 0 ? 'main' : null,
        ...values,
      });
      const repository = await db.tx(async (tx) => {
        const row = await tx
          .insertInto('repositories')
          .values({ project_id: project.id, created_at: world.clock.now(), trashed_at: null })
          .returning('id')
          .executeTakeFirstOrThrow();
        await tx.updateTable('projects').set({ repository_id: row.id }).where('id', '=', project.id).execute();
        return row.id;
      });
      await repositories.create(repository);
      if (Object.keys(files).length > 0) {
        const actions = Object.entries(files).map(([filePath, text]) => ({
          action: 'create' as const,
          filePath,
          content: Buffer.from(text),
        }));
        const request = { branch: 'main', message: 'first', actions, author: WHO, committer: WHO };
        await publish(repositories, await prepareCommit(repositories, repository, request));
      }
      return { ...project, repository_id: repository };
    },
    async key(wish) {
      return (await world.issue(wish)).secret.reveal();
    },
    pat: (user, ...scopes) => forge.key({ kind: 'personal_access_token', userId: user.id, scopes }),
    async api(method, path, token, body) {
      const answer = await fetch(`${forge.url}/api/v4${path}`, {
        method,
        headers: {
          ...(token === null ? {} : { 'private-token': token }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const bytes = Buffer.from(await answer.arrayBuffer());
      const isJson = answer.headers.get('content-type') === 'application/json' && bytes.length > 0;
      return {
        status: answer.status,
        headers: answer.headers,
        body: isJson ? JSON.parse(bytes.toString('utf8')) : null,
        bytes,
      };
    },
    remote(path, login, secret) {
      const who = secret === undefined ? '' : `${encodeURIComponent(login ?? '')}:${encodeURIComponent(secret)}@`;
      return `http://${who}127.0.0.1:${port}/${path}`;
    },
    git: (cwd, ...args) => forge.gitWith(cwd, {}, ...args),
    async gitWith(cwd, env, ...args) {
      const environment = {
        PATH: process.env['PATH'],
        HOME: home,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_TERMINAL_PROMPT: '0',
        GIT_AUTHOR_NAME: 'Client',
        GIT_AUTHOR_EMAIL: 'client@example.com',
        GIT_COMMITTER_NAME: 'Client',
        GIT_COMMITTER_EMAIL: 'client@example.com',
        ...env,
      };
      try {
        const { stdout, stderr } = await promisify(execFile)('git', args, { cwd, env: environment, maxBuffer: 1e8 });
        return { code: 0, out: stdout + stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, out: stdout + stderr };
      }
    },
    async workTree(commit = true) {
      count += 1;
      const tree = join(folder, `tree-${count}`);
      await mkdir(tree);
      if (commit) {
        await forge.git(tree, 'init', '-q', '-b', 'main');
        await forge.commit(tree);
      }
      return tree;
    },
    async commit(tree, file = `file-${++count}.txt`, text = `text ${count}\n`) {
      await writeFile(join(tree, file), text);
      await forge.git(tree, 'add', '-A');
      await forge.git(tree, 'commit', '-q', '-m', `add ${file}`);
    },
    async close() {
      app.server.closeAllConnections();
      await app.close();
      await local.close();
      await world.verifier.flush();
      await db.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return forge;
}

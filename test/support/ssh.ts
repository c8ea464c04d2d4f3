// Real SSH clients for tests: a server with its SSH door open, Debian's sshd in front of the same server, keys made by ssh-keygen,
// and `ssh` and `git` with a home of their own. Nothing on the machine is read or changed outside a temporary folder.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { startServer, type TestServer } from './server.ts';

export interface Ran {
  readonly code: number;
  readonly out: string;
}

export interface TestKey {
  /** path of the private key */
  readonly path: string;
  /** the line of the public key */
  readonly line: string;
}

export interface SshForge {
  readonly server: TestServer;
  readonly folder: string;
  readonly transport: 'ssh2' | 'openssh';
  readonly port: number;
  /** `git` of our own door; who runs the tests under sshd, where the system knows no other account */
  readonly login: string;
  key(type?: 'ed25519' | 'ecdsa' | 'rsa'): Promise<TestKey>;
  /** A user with a token and one SSH key. */
  person(name: string): Promise<{ id: number; username: string; token: string; key: TestKey }>;
  addKey(token: string, key: TestKey): Promise<number>;
  /** `ssh -T` with a key; `input` goes to its standard input, which else is empty. */
  ssh(key: TestKey | null, ...args: string[]): Promise<Ran>;
  /** The same, left running. */
  hold(key: TestKey, ...args: string[]): ChildProcess;
  url(path: string): string;
  git(key: TestKey, cwd: string, ...args: string[]): Promise<Ran>;
  /** A fresh folder; with `commit`, a repository on `main` that holds one commit. */
  workTree(commit?: boolean): Promise<string>;
  commit(tree: string, file?: string, text?: string | Buffer): Promise<void>;
  close(): Promise<void>;
}

/** Opens a server with SSH, by its own door or behind Debian's sshd. */
export async function openSshForge(
  transport: SshForge['transport'],
  env: Record<string, string> = {},
): Promise<SshForge> {
  const own = transport === 'ssh2';
  const server = await startServer({ env: { KEYWARD_SSH_LISTEN: own ? '127.0.0.1:0' : 'off', ...env } });
  const folder = await mkdtemp(join(tmpdir(), 'keyward-ssh-'));
  const home = join(folder, 'home');
  await mkdir(home);
  const sshd = own ? null : await startSshd(folder, server);
  const port = sshd?.port ?? Number(new URL(server.services.sshUrl!).port);
  const login = own ? 'git' : userInfo().username;
  let count = 0;
  const base = [
    ...['-F', '/dev/null', '-T', '-p', String(port), '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
    ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR'],
  ];
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
  const identity = (key: TestKey | null) => (key ? ['-i', key.path] : []);

  const forge: SshForge = {
    server,
    folder,
    transport,
    port,
    login,
    async key(type = 'ed25519') {
      const path = join(folder, `key-${++count}`);
      await promisify(execFile)('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', `test ${type}`, '-f', path]);
      return { path, line: (await readFile(`${path}.pub`, 'utf8')).trim() };
    },
    async person(name) {
      const user = await server.user(name);
      const key = await forge.key();
      await forge.addKey(user.token, key);
      return { id: user.id, username: name, token: user.token, key };
    },
    async addKey(token, key) {
      const added = await server.api('POST', '/user/keys', { token, body: { title: 'test', key: key.line } });
      if (added.status !== 201) throw new Error(`key: ${added.status} ${added.text}`);
      return added.body.id;
    },
    ssh: (key, ...args) => run('ssh', [...base, ...identity(key), ...to(args, login)], folder, environment),
    hold: (key, ...args) => spawn('ssh', [...base, ...identity(key), ...to(args, login)], { env: environment }),
    url: (path) => `ssh://${login}@127.0.0.1:${port}/${path}`,
    git(key, cwd, ...args) {
      const command = ['ssh', ...base.filter((word) => word !== '-T'), '-i', key.path].join(' ');
      return run('git', args, cwd, { ...environment, GIT_SSH_COMMAND: command, GIT_SSH_VARIANT: 'ssh' });
    },
    async workTree(commit = true) {
      const tree = join(folder, `tree-${++count}`);
      await mkdir(tree);
      if (commit) {
        await run('git', ['init', '-q', '-b', 'main'], tree, environment);
        await forge.commit(tree);
      }
      return tree;
    },
    async commit(tree, file = `file-${++count}.txt`, text = `text ${count}\n`) {
      await writeFile(join(tree, file), text);
      await run('git', ['add', '-A'], tree, environment);
      await run('git', ['commit', '-q', '-m', `add ${file}`], tree, environment);
    },
    async close() {
      await sshd?.stop();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
  return forge;
}

// Options of ssh come before the host, the command after it.
function to(args: readonly string[], login: string): string[] {
  const split = args.indexOf('--');
  const options = split === -1 ? [] : args.slice(0, split);
  const command = split === -1 ? args : args.slice(split + 1);
  const named = options.includes('-l') ? '127.0.0.1' : `${login}@127.0.0.1`;
  return [...options, named, ...command];
}

async function run(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<Ran> {
  const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (out += chunk.toString('latin1')));
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status ?? -1));
  });
  return { code, out };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** Debian's sshd on a free port of loopback, set up as docs/ssh.md says. */
async function startSshd(folder: string, server: TestServer): Promise<{ port: number; stop(): Promise<void> }> {
  const port = await freePort();
  const program = ['/usr/sbin/sshd', '/usr/bin/sshd'].find((path) => existsSync(path));
  if (!program) throw new Error('sshd is missing: install openssh-server');
  if (userInfo().uid === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const hostKey = join(folder, 'host_key');
  await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', hostKey]);
  // What the command tells people to write there.
  const main = new URL('../../src/cli/main.ts', import.meta.url).pathname;
  const env = { PATH: process.env['PATH'], KEYWARD_DATA: server.data };
  const told = await promisify(execFile)(process.execPath, [main, 'sshd-config'], { env });
  const config = join(folder, 'sshd_config');
  await writeFile(
    config,
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${hostKey}`,
      'PidFile none',
      'UsePAM no',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'PermitRootLogin forced-commands-only',
      'LogLevel ERROR',
      told.stdout,
    ].join('\n'),
  );
  const child = spawn(program, ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk));
  for (let tries = 0; ; tries += 1) {
    if (child.exitCode !== null || tries > 100) throw new Error(`sshd does not start: ${said}`);
    const open = await fetch(`http://127.0.0.1:${port}`).then(
      () => true,
      (error: Error) => !String((error.cause as Error | undefined)?.message).includes('ECONNREFUSED'),
    );
    if (open) break;
    await pause(50);
  }
  return {
    port,
    async stop() {
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}

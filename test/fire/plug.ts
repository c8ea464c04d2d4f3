// What the plug test does to a server and what it holds it to: people who push, commit, rotate, revoke, delete groups and make
// backups until nobody answers any more, and the look at what is there afterwards. It knows no engine and kills nobody.
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { checkFiles, readManifest } from '../../src/cli/backup/manifest.ts';
import { ROOT_TOKEN, type TestClient } from '../support/server.ts';

const PROGRAM = join(import.meta.dirname, '../../bin/keyward');

/** What the server said that it had done. */
export interface Acknowledged {
  readonly branches: Map<string, string>;
  readonly commits: Set<string>;
  readonly living: Set<string>;
  readonly dead: Set<string>;
  readonly goneGroups: Set<number>;
  /** credential ids whose revocation must be in the audit */
  readonly revoked: Set<number>;
}

/** A backup that ended well, and what had been acknowledged before it began. */
export interface FinishedBackup {
  readonly folder: string;
  readonly said: Acknowledged;
  /** groups, each with its project, that may be there or not, but only together */
  readonly groups: ReadonlyMap<number, number>;
}

export interface Plug {
  readonly folder: string;
  readonly tree: string;
  readonly env: Readonly<Record<string, string>>;
  readonly said: Acknowledged;
  readonly groups: Map<number, number>;
  readonly families: string[][];
  readonly backups: FinishedBackup[];
  readonly counts: { backupsKilled: number; backupsFinished: number; serverDiedUnderBackup: number };
  readonly project: number;
  readonly root: number;
  random(): number;
  next(): number;
}

export const nothingSaid = (): Acknowledged => ({
  branches: new Map(),
  commits: new Set(),
  living: new Set(),
  dead: new Set(),
  goneGroups: new Set(),
  revoked: new Set(),
});

const copyOf = (said: Acknowledged): Acknowledged => ({
  branches: new Map(said.branches),
  commits: new Set(said.commits),
  living: new Set(said.living),
  dead: new Set(said.dead),
  goneGroups: new Set(said.goneGroups),
  revoked: new Set(said.revoked),
});

export async function git(folder: string, ...args: string[]): Promise<{ code: number; out: string }> {
  const env = { PATH: process.env['PATH'], HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' };
  const who = ['-c', 'user.name=Client', '-c', 'user.email=client@example.com'];
  try {
    const { stdout, stderr } = await promisify(execFile)('git', [...who, ...args], { cwd: folder, env });
    return { code: 0, out: `${stdout}${stderr}` };
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return { code: 1, out: `${stdout}${stderr}` };
  }
}

/** Runs the command line in a group of its own, so that it can be killed with the launcher before it. */
export function keyward(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cwd: string,
): { readonly child: ChildProcess; readonly ended: Promise<{ code: number | null; out: string }> } {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { PATH: process.env['PATH'], HOME: cwd, ...env },
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (out += chunk));
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out })),
  );
  return { child, ended };
}

const remoteOf = (server: TestClient) => `${server.url.replace('://', `://x:${ROOT_TOKEN}@`)}/root/plug.git`;

/** One function for each of the people; each is called again and again until nobody answers. */
export function workers(plug: Plug, server: TestClient): (() => Promise<void>)[] {
  const { api } = server;
  const { said, tree } = plug;
  const token = (name: string) =>
    api('POST', `/users/${plug.root}/personal_access_tokens`, { body: { name, scopes: ['api'] } });
  return [
    async function push() {
      const name = `push-${plug.next()}`;
      await writeFile(join(tree, 'file.txt'), name.repeat(200));
      await git(tree, 'add', '-A');
      await git(tree, 'commit', '-q', '-m', name);
      const head = (await git(tree, 'rev-parse', 'HEAD')).out.trim();
      const pushed = await git(tree, 'push', '-q', remoteOf(server), `HEAD:refs/heads/${name}`);
      if (pushed.code === 0) said.branches.set(name, head);
    },
    async function commit() {
      const actions = [{ action: 'create', file_path: `rest-${plug.next()}.txt`, content: 'x' }];
      const body = { branch: 'main', commit_message: 'rest', actions };
      const made = await api('POST', `/projects/${plug.project}/repository/commits`, { body });
      if (made.status === 201) said.commits.add(made.body.id);
    },
    async function rotate() {
      const made = await token('r');
      if (made.status !== 201) return;
      const family = [made.body.token];
      plug.families.push(family);
      for (let index = 0; index < 3; index++) {
        const rotated = await api('POST', '/personal_access_tokens/self/rotate', { token: family.at(-1) });
        if (rotated.status !== 200) return;
        said.dead.add(family.at(-1)!);
        family.push(rotated.body.token);
      }
      plug.families.splice(plug.families.indexOf(family), 1);
      said.living.add(family.at(-1)!);
    },
    async function revoke() {
      const made = await token('d');
      if (made.status !== 201) return;
      const ended = await api('DELETE', `/personal_access_tokens/${made.body.id}`);
      if (ended.status !== 204) return;
      said.dead.add(made.body.token);
      said.revoked.add(made.body.id);
    },
    async function deleteGroup() {
      const name = `group-${plug.next()}`;
      const made = await api('POST', '/groups', { body: { name, path: name } });
      if (made.status !== 201) return;
      const inside = await api('POST', '/projects', { body: { name: 'inside', namespace_id: made.body.id } });
      if (inside.status !== 201) return;
      plug.groups.set(made.body.id, inside.body.id);
      if ((await api('DELETE', `/groups/${made.body.id}`)).status === 202) said.goneGroups.add(made.body.id);
    },
    async function backup() {
      await pause(plug.random() * 400);
      await backUp(plug, server);
      // One is enough to be killed under; the next comes with the next server.
      await pause(1500);
    },
  ];
}

/** Makes a backup, and kills about every second one in the middle. It runs on when the server beside it dies. */
async function backUp(plug: Plug, server: TestClient): Promise<void> {
  const target = join(plug.folder, 'backups', `backup-${plug.next()}`);
  const [said, groups] = [copyOf(plug.said), new Map(plug.groups)];
  const { child, ended } = keyward(['backup', target, '--with-keys', '--json'], plug.env, plug.folder);
  const isVictim = plug.random() < 0.5;
  const timer = isVictim ? setTimeout(() => killGroup(child), 300 + plug.random() * 900) : null;
  const { code, out } = await ended;
  if (timer) clearTimeout(timer);
  const isServing = await server.http('GET', '/-/liveness').then(
    () => true,
    () => false,
  );
  if (!isServing) plug.counts.serverDiedUnderBackup += 1;
  if (code === null) {
    plug.counts.backupsKilled += 1;
    assert.ok(isVictim, 'nobody else kills a backup');
    return;
  }
  // Nothing but our own kill stops a backup: not the death of the server, nor what another backup left when it was killed.
  assert.equal(code, 0, out);
  plug.counts.backupsFinished += 1;
  plug.backups.push({ folder: target, said, groups });
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

/** What killed backups left: nothing that bears the name of a backup, and no draft that would be taken for one. */
export async function checkRemains(plug: Plug): Promise<void> {
  const root = join(plug.folder, 'backups');
  const finished = new Set(plug.backups.map((backup) => backup.folder));
  for (const name of await readdir(root)) {
    const folder = join(root, name);
    if (finished.has(folder)) continue;
    if (existsSync(join(folder, 'manifest.json'))) {
      // Killed after the last byte: whole, and all of it can be proved.
      assert.deepEqual(await checkFiles(folder, readManifest(folder)), [], name);
    } else {
      assert.match(name, /\.partial-[0-9a-f]+$/, 'only a finished backup has the name that was asked for');
      assert.throws(() => readManifest(folder), /holds no finished backup/);
    }
    await rm(folder, { recursive: true, force: true });
  }
}

/** All that was acknowledged is there, and nothing is there by halves. */
export async function check(
  server: TestClient,
  said: Acknowledged,
  open: { readonly families: readonly string[][]; readonly groups: ReadonlyMap<number, number> },
  mirror: string,
): Promise<void> {
  const { api } = server;
  if (!existsSync(mirror)) await git(join(mirror, '..'), 'init', '-q', '--bare', mirror);
  const fetched = await git(mirror, 'fetch', '-q', '--prune', remoteOf(server), '+refs/heads/*:refs/heads/*');
  assert.equal(fetched.code, 0, fetched.out);
  const refs = (await git(mirror, 'for-each-ref', '--format=%(objectname) %(refname)')).out;
  for (const [name, head] of said.branches) assert.ok(refs.includes(`${head} refs/heads/${name}\n`), `${name} is lost`);
  const onMain = new Set((await git(mirror, 'rev-list', 'main')).out.split('\n'));
  for (const id of said.commits) assert.ok(onMain.has(id), `commit ${id} is lost`);
  const alive = async (token: string) => {
    const { status } = await api('GET', '/user', { token });
    assert.ok(status === 200 || status === 401, `neither alive nor dead: ${status}`);
    return status === 200;
  };
  for (const token of said.living) assert.ok(await alive(token), 'a key is lost');
  for (const token of said.dead) assert.ok(!(await alive(token)), 'an ended key lives again');
  for (const family of open.families) {
    const known = await Promise.all(family.map(alive));
    // The last call was not answered: its new key is unknown to us, and then the one before it is dead.
    assert.ok(known.filter(Boolean).length <= 1, 'two keys of a family live');
    assert.ok(known.slice(0, -1).every((one) => !one));
  }
  for (const [group, inside] of open.groups) {
    const pair = [(await api('GET', `/groups/${group}`)).status, (await api('GET', `/projects/${inside}`)).status];
    assert.ok(
      pair.every((status) => status === 200) || pair.every((status) => status === 404),
      `half a group: ${pair}`,
    );
    if (said.goneGroups.has(group)) assert.equal(pair[0], 404, 'a deleted group is back');
  }
  for (const id of [...said.goneGroups].slice(-20))
    assert.equal((await api('GET', `/groups/${id}`)).status, 404, 'a deleted group is back');
  await checkEvents(server, said);
}

/** The audit has its row of every deed that was acknowledged. */
async function checkEvents({ api }: TestClient, said: Acknowledged): Promise<void> {
  const seen = async (action: string, wanted: number) => {
    let text = '';
    for (let page = 1; page <= Math.ceil(wanted / 100) + 1; page++) {
      const found = await api('GET', `/audit_events?per_page=100&page=${page}&action=${action}`);
      assert.equal(found.status, 200, found.text);
      text += found.text;
    }
    return text;
  };
  const revocations = await seen('personal_access_token:revoke', said.revoked.size);
  for (const id of said.revoked)
    assert.match(revocations, new RegExp(`"target_id":"?${id}\\b`), `the revocation of ${id} is not in the audit`);
  const deletions = await seen('group:delete', said.goneGroups.size);
  for (const id of said.goneGroups)
    assert.match(deletions, new RegExp(`"entity_id":${id}\\b`), `the deletion of group ${id} is not in the audit`);
  const pushes = await seen('repository:push', said.branches.size + said.commits.size);
  for (const [name, head] of said.branches)
    assert.ok(pushes.includes(`refs/heads/${name}`) && head !== '', `the push of ${name} is not in the audit`);
}

/** Risks that the test's own set-up makes: the token and the password of the first start, a test database without fsync. */
const OWN_RISKS = [
  /^token \d+ of root is still the one from KEYWARD_ROOT_TOKEN/,
  /^root still has the password of the first start/,
  /^PostgreSQL runs with (?:fsync|full_page_writes) off/,
];

/** All that `keyward doctor --fsck` finds, but for the risks of the set-up and notes on a chain that is sound. */
export async function findings(env: Readonly<Record<string, string>>, folder: string): Promise<string[]> {
  const { out } = await keyward(['doctor', '--fsck', '--json'], env, folder).ended;
  const found = (JSON.parse(out) as { findings: { check: string; level: string; text: string }[] }).findings;
  return found
    .filter(({ level, check }) => !(level === 'note' && check === 'audit'))
    .filter(({ level, text }) => !(level === 'risk' && OWN_RISKS.some((risk) => risk.test(text))))
    .map(({ level, check, text }) => `${level} ${check}: ${text}`);
}

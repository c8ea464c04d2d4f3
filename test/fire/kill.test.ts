// The plug is pulled: a server is killed with SIGKILL at a random moment while it takes pushes, commits, rotations, revocations and
// deletions, and started again on the same folder. What it had acknowledged is there, and nothing is there by halves.
// KEYWARD_KILLS says how often (8 in the normal run, 200 for the long one; half on each engine), KEYWARD_KILL_SEED which moments.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { postgresDatabase } from '../support/engines.ts';
import { ROOT_TOKEN, spawnServer, type TestClient } from '../support/server.ts';

const ROUNDS = Math.ceil(Number(process.env['KEYWARD_KILLS'] ?? 8) / 2);
const SEED = Number(process.env['KEYWARD_KILL_SEED'] ?? 20260301);

/** What the server said that it had done. */
interface Acknowledged {
  readonly branches: Map<string, string>;
  readonly commits: Set<string>;
  readonly living: Set<string>;
  readonly dead: Set<string>;
  readonly goneGroups: Set<number>;
  /** credential ids whose revocation must be in the audit */
  readonly revoked: Set<number>;
}

async function git(folder: string, ...args: string[]): Promise<{ code: number; out: string }> {
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

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`a server that is killed (${engine})`, () => {
    let folder: string;
    let tree: string;
    let database: { url: string; drop: () => Promise<void> } | null = null;
    let env: Record<string, string>;
    const said: Acknowledged = {
      branches: new Map(),
      commits: new Set(),
      living: new Set(),
      dead: new Set(),
      goneGroups: new Set(),
      revoked: new Set(),
    };
    const tried = { groups: new Map<number, number>(), families: [] as string[][] };
    let project: number;
    let root: number;
    let count = 0;
    let state = SEED;
    const random = () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return state / 2 ** 32;
    };

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'keyward-kill-'));
      database = engine === 'postgres' ? await postgresDatabase() : null;
      env = database ? { KEYWARD_DATABASE_URL: database.url } : {};
      tree = join(folder, 'tree');
      await git(folder, 'init', '-q', '-b', 'main', tree);
    });
    after(async () => {
      await database?.drop();
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    });

    const start = () => spawnServer({ data: join(folder, 'data'), env });

    /** What `keyward doctor` finds damaged; risks are the settings of a test, such as its first token. */
    async function examine(): Promise<{ damaged: boolean; wrong: object[] }> {
      const program = join(import.meta.dirname, '../../bin/keyward');
      const settings = { PATH: process.env['PATH'], HOME: folder, KEYWARD_DATA: join(folder, 'data'), ...env };
      const said = await new Promise<string>((resolve) => {
        const options = { env: settings, cwd: folder };
        execFile(process.execPath, [program, 'doctor', '--fsck', '--json'], options, (_error, out) => resolve(out));
      });
      const { damaged, findings } = JSON.parse(said) as {
        damaged: boolean;
        findings: { level: string }[];
      };
      return { damaged, wrong: findings.filter(({ level }) => level !== 'note' && level !== 'risk') };
    }

    /** Asks again and again until the server is gone; whatever it does not answer any more does not count. */
    async function work(over: { value: boolean }, step: () => Promise<void>): Promise<void> {
      while (!over.value)
        try {
          await step();
        } catch (error) {
          if (error instanceof assert.AssertionError && !over.value) throw error;
          if (!over.value) await new Promise((resolve) => setTimeout(resolve, 20));
        }
    }

    function workers(server: TestClient): (() => Promise<void>)[] {
      const { api } = server;
      const remote = `${server.url.replace('://', `://x:${ROOT_TOKEN}@`)}/root/plug.git`;
      return [
        async () => {
          const name = `push-${++count}`;
          await writeFile(join(tree, `${name}.txt`), name.repeat(200));
          await git(tree, 'add', '-A');
          await git(tree, 'commit', '-q', '-m', name);
          const head = (await git(tree, 'rev-parse', 'HEAD')).out.trim();
          const pushed = await git(tree, 'push', '-q', remote, `HEAD:refs/heads/${name}`);
          if (pushed.code === 0) said.branches.set(name, head);
        },
        async () => {
          const actions = [{ action: 'create', file_path: `rest-${++count}.txt`, content: 'x' }];
          const body = { branch: 'main', commit_message: 'rest', actions };
          const made = await api('POST', `/projects/${project}/repository/commits`, { body });
          if (made.status === 201) said.commits.add(made.body.id);
        },
        async () => {
          const made = await api('POST', `/users/${root}/personal_access_tokens`, {
            body: { name: 'r', scopes: ['api'] },
          });
          if (made.status !== 201) return;
          const family = [made.body.token];
          tried.families.push(family);
          for (let index = 0; index < 3; index++) {
            const rotated = await api('POST', '/personal_access_tokens/self/rotate', { token: family.at(-1) });
            if (rotated.status !== 200) return;
            said.dead.add(family.at(-1)!);
            said.living.delete(family.at(-1)!);
            family.push(rotated.body.token);
          }
          tried.families.pop();
          said.living.add(family.at(-1)!);
        },
        async () => {
          const made = await api('POST', `/users/${root}/personal_access_tokens`, {
            body: { name: 'd', scopes: ['api'] },
          });
          if (made.status !== 201) return;
          const ended = await api('DELETE', `/personal_access_tokens/${made.body.id}`);
          if (ended.status !== 204) return;
          said.dead.add(made.body.token);
          said.revoked.add(made.body.id);
        },
        async () => {
          const name = `group-${++count}`;
          const made = await api('POST', '/groups', { body: { name, path: name } });
          if (made.status !== 201) return;
          const inside = await api('POST', '/projects', { body: { name: 'inside', namespace_id: made.body.id } });
          if (inside.status !== 201) return;
          tried.groups.set(made.body.id, inside.body.id);
          if ((await api('DELETE', `/groups/${made.body.id}`)).status === 202) said.goneGroups.add(made.body.id);
        },
      ];
    }

    async function check(server: TestClient): Promise<void> {
      const { api } = server;
      const remote = `${server.url.replace('://', `://x:${ROOT_TOKEN}@`)}/root/plug.git`;
      const refs = (await git(folder, 'ls-remote', remote)).out;
      for (const [name, head] of said.branches)
        assert.ok(refs.includes(`${head}\trefs/heads/${name}`), `${name} is lost`);
      for (const id of said.commits)
        assert.equal((await api('GET', `/projects/${project}/repository/commits/${id}`)).status, 200, `${id} is lost`);
      if (said.commits.size > 0) {
        const listed = await api('GET', `/projects/${project}/repository/commits?ref_name=main&per_page=100`);
        const ids = listed.body.map((one: { id: string }) => one.id);
        const recent = [...said.commits].slice(-20);
        for (const id of recent) assert.ok(ids.includes(id), `${id} is not on its branch`);
      }
      const alive = async (token: string) => (await api('GET', '/user', { token })).status === 200;
      for (const token of said.living) assert.ok(await alive(token), 'a key is lost');
      for (const token of said.dead) assert.ok(!(await alive(token)), 'an ended key lives again');
      for (const family of tried.families.splice(0)) {
        const known = await Promise.all(family.map(alive));
        // The last call was not answered: its new key is unknown to us, and then the one before it is dead.
        assert.ok(known.filter(Boolean).length <= 1, 'two keys of a family live');
        assert.ok(known.slice(0, -1).every((one) => !one));
      }
      for (const [group, inside] of tried.groups) {
        const pair = [(await api('GET', `/groups/${group}`)).status, (await api('GET', `/projects/${inside}`)).status];
        assert.ok(
          pair.every((status) => status === 200) || pair.every((status) => status === 404),
          `half a group: ${pair}`,
        );
        if (said.goneGroups.has(group)) assert.equal(pair[0], 404, 'a deleted group is back');
      }
      tried.groups.clear();
      const events = await api('GET', '/audit_events?per_page=100&action=personal_access_token:revoke');
      for (const id of [...said.revoked].slice(-50))
        assert.match(events.text, new RegExp(`"target_id":"?${id}\\b`), `the revocation of ${id} is not in the audit`);
      said.revoked.clear();
      const root = join(folder, 'data', 'repositories');
      for (const name of await readdir(root, { recursive: true })) {
        if (!/^[0-9a-f]{2}\/[0-9a-f]{2}\/\d+\.git$/.test(name)) continue;
        const checked = await git(join(root, name), `--git-dir=${join(root, name)}`, 'fsck', '--connectivity-only');
        assert.doesNotMatch(checked.out, /^(?:error|fatal|missing|broken)/m, name);
      }
    }

    test(`keeps what it acknowledged, ${ROUNDS} times`, { timeout: 60_000 + ROUNDS * 30_000 }, async () => {
      const first = await start();
      const made = await first.api('POST', '/projects', { body: { name: 'plug', initialize_with_readme: true } });
      assert.equal(made.status, 201, made.text);
      project = made.body.id;
      root = (await first.api('GET', '/user')).body.id;
      // Asking whether dead keys are dead is a flood of failures.
      const limits = await first.api('PUT', '/application/settings', {
        body: { failed_authentication_limit: 1_000_000 },
      });
      assert.equal(limits.status, 200, limits.text);
      await first.stop();
      for (let round = 0; round < ROUNDS; round++) {
        const server = await start();
        const over = { value: false };
        const busy = workers(server).map((step) => work(over, step));
        await new Promise((resolve) => setTimeout(resolve, 200 + random() * 1500));
        server.kill();
        await server.stop();
        over.value = true;
        await Promise.all(busy);
        const again = await start();
        await check(again);
        await again.stop();
        assert.ok(!/"level":(?:50|60)/.test(again.output()), again.output());
      }
      const found = await examine();
      assert.deepEqual([found.damaged, found.wrong], [false, []]);
      const done = [said.branches, said.commits, said.living, said.dead, said.goneGroups].map((one) => one.size);
      assert.ok(
        done.every((size) => size > 0),
        `acknowledged: ${done}`,
      );
    });
  });

// The plug is pulled: a server is killed with SIGKILL at a random moment while it takes pushes, commits, rotations, revocations and
// deletions and while backups are made beside it, which are killed too. Started again on the same folder it has what it had
// acknowledged, nothing by halves, and a clean bill from the doctor; and a backup that was acknowledged brings all of it back.
// KEYWARD_KILLS says how often (8 in the normal run, 200 or more for the long one; half on each engine, or all on the one that
// KEYWARD_KILL_ENGINE names), KEYWARD_KILL_SEED which moments.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { postgresDatabase } from '../support/engines.ts';
import { spawnServer, type TestClient } from '../support/server.ts';
import { check, checkRemains, findings, git, keyward, nothingSaid, type Plug, workers } from './plug.ts';

const ONLY = process.env['KEYWARD_KILL_ENGINE'];
const ROUNDS = Math.ceil(Number(process.env['KEYWARD_KILLS'] ?? 8) / (ONLY ? 1 : 2));
const SEED = Number(process.env['KEYWARD_KILL_SEED'] ?? 20260301);
/** After so many rounds a backup is restored and looked at; and after the last. */
const DRILL = 10;

for (const engine of ['sqlite', 'postgres'] as const) {
  if (ONLY && ONLY !== engine) continue;
  describe(`a server that is killed (${engine})`, () => {
    let folder: string;
    let database: { url: string; drop: () => Promise<void> } | null = null;
    let drills = 0;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'keyward-kill-'));
      database = engine === 'postgres' ? await postgresDatabase() : null;
      await mkdir(join(folder, 'backups'));
      await git(folder, 'init', '-q', '-b', 'main', join(folder, 'tree'));
    });
    after(async () => {
      await database?.drop();
      await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    });

    const start = (env: Readonly<Record<string, string>>) => spawnServer({ data: env['KEYWARD_DATA']!, env });

    async function prepare(): Promise<Plug> {
      const env = {
        KEYWARD_DATA: join(folder, 'data'),
        ...(database && { KEYWARD_DATABASE_URL: database.url }),
      };
      const first = await start(env);
      const made = await first.api('POST', '/projects', { body: { name: 'plug', initialize_with_readme: true } });
      assert.equal(made.status, 201, made.text);
      // Asking whether dead keys are dead is a flood of failures.
      const body = { failed_authentication_limit: 1_000_000 };
      const limits = await first.api('PUT', '/application/settings', { body });
      assert.equal(limits.status, 200, limits.text);
      const root = (await first.api('GET', '/user')).body.id;
      await first.stop();
      let [state, count] = [SEED, 0];
      return {
        folder,
        tree: join(folder, 'tree'),
        env,
        said: nothingSaid(),
        groups: new Map(),
        families: [],
        backups: [],
        counts: { backupsKilled: 0, backupsFinished: 0, serverDiedUnderBackup: 0 },
        project: made.body.id,
        root,
        random() {
          state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
          return state / 2 ** 32;
        },
        next: () => ++count,
      };
    }

    /** Asks again and again until the server is gone; whatever it does not answer any more does not count. */
    async function work(over: { value: boolean }, step: () => Promise<void>): Promise<void> {
      while (!over.value)
        try {
          await step();
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          if (!over.value) await pause(20);
        }
    }

    /** A random moment after a random number of pushes and commits, so that a busy machine is not killed before it did anything. */
    async function someWork({ said, random }: Plug): Promise<void> {
      const written = () => said.branches.size + said.commits.size;
      const [enough, deadline] = [written() + Math.floor(random() * 5), performance.now() + 5000];
      while (written() < enough && performance.now() < deadline) await pause(10);
      await pause(random() * 600);
    }

    /** The newest backup, restored to a place of its own, is all that had been acknowledged before it began. */
    async function drill(plug: Plug): Promise<void> {
      const backup = plug.backups.at(-1);
      if (!backup) return;
      const empty = engine === 'postgres' ? await postgresDatabase() : null;
      const home = await mkdtemp(join(folder, 'drill-'));
      const env = { KEYWARD_DATA: join(home, 'data'), ...(empty && { KEYWARD_DATABASE_URL: empty.url }) };
      const { code, out } = await keyward(['restore', backup.folder, '--json'], env, home).ended;
      assert.equal(code, 0, out);
      assert.deepEqual(JSON.parse(out).notes, []);
      const twin = await start(env);
      await check(twin, backup.said, { families: [], groups: backup.groups }, join(home, 'mirror.git'));
      await twin.stop();
      assert.deepEqual(await findings(env, home), [], 'the doctor on what was restored');
      await empty?.drop();
      await rm(home, { recursive: true, force: true });
      for (const old of plug.backups.splice(0)) await rm(old.folder, { recursive: true, force: true });
      drills += 1;
    }

    test(`keeps what it acknowledged, ${ROUNDS} times`, { timeout: 120_000 + ROUNDS * 30_000 }, async (t) => {
      const plug = await prepare();
      const lookAt = async (server: TestClient & { output(): string }) => {
        const open = { families: plug.families.splice(0), groups: new Map(plug.groups) };
        plug.groups.clear();
        await check(server, plug.said, open, join(folder, 'mirror.git'));
        assert.deepEqual(await findings(plug.env, folder), [], 'the doctor beside the server');
        assert.ok(!/"level":(?:50|60)/.test(server.output()), server.output());
      };
      let server = await start(plug.env);
      for (let round = 1; round <= ROUNDS; round++) {
        const over = { value: false };
        const busy = workers(plug, server).map((step) => work(over, step));
        await someWork(plug);
        server.kill();
        over.value = true;
        await server.stop();
        await Promise.all(busy);
        server = await start(plug.env);
        await lookAt(server);
        await checkRemains(plug);
        if (round % DRILL === 0 || round === ROUNDS) await drill(plug);
      }
      await server.stop();
      assert.deepEqual(await findings(plug.env, folder), [], 'the doctor without a server');
      const { said, counts } = plug;
      const done = [said.branches, said.commits, said.living, said.dead, said.goneGroups].map((one) => one.size);
      const figures = `pushes, commits, living, dead, groups: ${done}; ${JSON.stringify({ ...counts, drills })}`;
      t.diagnostic(`${ROUNDS} kills on ${engine}: ${figures}`);
      assert.ok(
        done.every((size) => size > 0),
        figures,
      );
      assert.ok(drills > 0 && counts.backupsFinished > 0, figures);
    });
  });
}

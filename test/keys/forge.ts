// A running server with a clock that the test moves, and a small world put straight into its tables, for tests of keys over
// real HTTP. Described once for each engine.
import { after, before, describe } from 'node:test';
import type { Issued, Wish } from '../../src/credentials/issue.ts';
import type { Project, User } from '../../src/identity/records.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import { type ApiAnswer, type ApiOptions, startServer, type TestServer } from '../support/server.ts';
import { makeWorld, START, type World } from '../support/world.ts';

export interface Forge {
  readonly server: TestServer;
  readonly world: World;
  readonly clock: ManualClock;
  api(method: string, path: string, options?: ApiOptions): Promise<ApiAnswer>;
  /** The text of a new personal token of scope `api`, or of what `wish` says. */
  token(user: User, scopes?: readonly string[], wish?: Partial<Wish>): Promise<string>;
  issue(user: User, wish?: Partial<Wish>): Promise<Issued>;
  /** A repository on disk, as a new project has one. */
  repository(project: Project): Promise<void>;
}

/** 2026-03-01, the day on which the tests begin. */
export const TODAY = '2026-03-01';

/** Describes `suite` on both engines with a server of its own, which is there once the tests run. */
export function withForge(name: string, suite: (forge: () => Forge) => void): void {
  for (const engine of ['sqlite', 'postgres'] as const)
    describe(`${name} (${engine})`, () => {
      let forge: Forge;
      before(async () => {
        forge = await startForge(engine);
      });
      after(() => forge?.server.stop());
      suite(() => forge);
    });
}

async function startForge(engine: 'sqlite' | 'postgres'): Promise<Forge> {
  const clock = new ManualClock(START);
  const server = await startServer({ engine, clock });
  const { services } = server;
  const world = makeWorld(services.db, services.keys);
  const issue: Forge['issue'] = (user, wish = {}) =>
    world.issue({ kind: 'personal_access_token', userId: user.id, ...wish });
  return {
    server,
    world,
    clock,
    api: server.api,
    issue,
    async token(user, scopes = ['api'], wish = {}) {
      return (await issue(user, { scopes, ...wish })).secret.reveal();
    },
    async repository(project) {
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
    },
  };
}

/** The audit rows of an action, oldest first. */
export async function auditOf(forge: Forge, action: string) {
  return forge.server.services.db.read
    .selectFrom('audit_events')
    .selectAll()
    .where('action', '=', action)
    .orderBy('id')
    .execute();
}

/** Every queued mail so far: `{to, subject, text}`. */
export async function mails(forge: Forge): Promise<{ to: string; subject: string; text: string }[]> {
  const rows = await forge.server.services.db.read
    .selectFrom('tasks')
    .select('payload')
    .where('kind', '=', 'mail')
    .orderBy('id')
    .execute();
  return rows.map((row) => JSON.parse(row.payload));
}

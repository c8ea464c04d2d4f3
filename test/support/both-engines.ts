// Runs a suite against a real server twice: over SQLite and over PostgreSQL.
import { after, before, describe } from 'node:test';
import { type StartOptions, startServer, type TestServer } from './server.ts';

/** Describes `suite` twice, as `<name> (sqlite)` and `<name> (postgres)`; `server()` is the running server inside tests. */
export function onBothEngines(
  name: string,
  suite: (server: () => TestServer) => void,
  options: Omit<StartOptions, 'engine'> = {},
): void {
  for (const engine of ['sqlite', 'postgres'] as const) {
    describe(`${name} (${engine})`, () => {
      let running: TestServer | null = null;
      before(async () => {
        running = await startServer({ ...options, engine });
      });
      after(() => running?.stop());
      suite(() => {
        if (running === null) throw new Error('the server did not start');
        return running;
      });
    });
  }
}

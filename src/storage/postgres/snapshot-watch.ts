// Has anything been committed? PostgreSQL says so by the snapshot that a statement gets: one session is asked for it, and many
// who want to know at the same time share one question. It knows no table and keeps no answer.
//
// Two equal snapshots of one running server show the same rows. A snapshot is the set of transactions that it counts as finished
// (everything below xmax but for those in its list), a finished one never changes its mind, and a commit is in every snapshot
// taken after it was acknowledged. That is all that this rests on, so it is not done where it could fail to hold: through a pooler
// (whose sessions move between servers), on a standby (whose list of running transactions is not complete), on what only talks
// like PostgreSQL, and from one session to the next (a crash or a failover may give numbers out anew).
import pg from 'pg';

/** How long a session that could not be had is not tried again: broken ones, and those that would not do. Milliseconds. */
const RETRY_BROKEN = 1000;
const RETRY_UNFIT = 30_000;
/** A snapshot costs no lock and no disk: who waits longer for it has lost the server. Milliseconds. */
const QUERY_TIMEOUT = 5000;

const SNAPSHOT = { name: 'keyward snapshot', text: 'select pg_current_snapshot()::text', rowMode: 'array' };

/**
 * Which running server a session speaks to: the moment at which it started. Null for a session that may move (a pooler's, which
 * is told by the process id that it made up) and for a standby.
 */
export async function serverOf(client: pg.ClientBase): Promise<string | null> {
  const { rows } = await client.query(
    'select pg_backend_pid() as pid, pg_is_in_recovery()::int as standby, extract(epoch from pg_postmaster_start_time())::text as started',
  );
  const [{ pid, standby, started }] = rows as [{ pid: number; standby: number; started: string }];
  // pg learns it at the connect and uses it to cancel; only its types leave it out.
  const { processID } = client as pg.ClientBase & { readonly processID?: number };
  return pid === processID && standby === 0 ? started : null;
}

/** A session for snapshots, opened when it is first asked and again after it broke. */
export class SnapshotWatch {
  readonly #config: pg.ClientConfig;
  #client: pg.Client | null = null;
  #opening: Promise<void> | null = null;
  /** which session it is, counted */
  #session = 0;
  #retryAt = 0;
  #asked: Promise<string | null> | null = null;
  #next: Promise<string | null> | null = null;
  #closed = false;
  #server: string | null = null;

  constructor(config: pg.ClientConfig) {
    this.#config = config;
  }

  /**
   * The snapshot of a statement that was sent after this call, with the session's number: equal texts, equal rows. Null when it is not
   * known; then nothing may be believed to be as it was. Never throws.
   */
  read(): Promise<string | null> {
    if (this.#next !== null) return this.#next;
    if (this.#asked === null) return this.#send();
    // The one under way may have been taken before this call.
    this.#next = this.#asked.then(() => {
      this.#next = null;
      return this.#send();
    });
    return this.#next;
  }

  /**
   * To be told of every statement that another session ran, with its `serverOf`, before its rows are used: snapshots of one server say
   * nothing about the rows of another, so the session is given up, and what was kept under its number with it.
   */
  answeredBy(server: string | null): void {
    if (this.#client !== null && server !== this.#server) this.#drop(this.#client);
  }

  /** Ends the session. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening;
    await this.#client?.end().catch(() => {});
    this.#drop(null);
  }

  #send(): Promise<string | null> {
    const asked = this.#ask().finally(() => {
      if (this.#asked === asked) this.#asked = null;
    });
    this.#asked = asked;
    return asked;
  }

  async #ask(): Promise<string | null> {
    const client = this.#client;
    if (client === null) {
      // Nobody waits for a session: until there is one, the database itself is asked.
      this.#opening ??= this.#open().finally(() => {
        this.#opening = null;
      });
      return null;
    }
    try {
      const { rows } = await client.query<[string]>(SNAPSHOT);
      return this.#client === client ? `${this.#session} ${rows[0]![0]}` : null;
    } catch {
      if (this.#client === client) this.#drop(client);
      return null;
    }
  }

  async #open(): Promise<void> {
    if (this.#closed || performance.now() < this.#retryAt) return;
    const client = new pg.Client({ ...this.#config, query_timeout: QUERY_TIMEOUT, keepAlive: true });
    client.on('error', () => {
      if (this.#client === client) this.#drop(client);
    });
    client.on('end', () => {
      if (this.#client === client) this.#drop(null);
    });
    try {
      await client.connect();
      const server = await serverOf(client);
      if (server !== null && (await countsCommits(client))) {
        this.#session += 1;
        this.#client = client;
        this.#server = server;
        return;
      }
      this.#retryAt = performance.now() + RETRY_UNFIT;
    } catch {
      this.#retryAt = performance.now() + RETRY_BROKEN;
    }
    void client.end().catch(() => {});
  }

  #drop(client: pg.Client | null): void {
    this.#client = null;
    this.#server = null;
    this.#retryAt = performance.now() + RETRY_BROKEN;
    void client?.end().catch(() => {});
  }
}

/** Whether a transaction that ends gives another snapshot: what numbers its transactions otherwise is not believed. */
async function countsCommits(client: pg.Client): Promise<boolean> {
  const snapshot = async () => (await client.query<[string]>(SNAPSHOT)).rows[0]![0];
  const before = await snapshot();
  await client.query('select pg_current_xact_id()::text');
  return before !== (await snapshot());
}

// One node:sqlite connection with its pragmas and a cache of prepared statements. It blocks the thread it is used on;
// which thread that is, others decide.
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { LinkResult } from '../link-driver.ts';
import type { Bound } from '../parameters.ts';

const CACHED_STATEMENTS = 500;
const BUSY_TIMEOUT = 5000;

interface Prepared {
  readonly statement: StatementSync;
  readonly returnsRows: boolean;
}

/** A connection to the SQLite file at `path`; `write` creates it and switches it to WAL. */
export class SqliteConnection {
  readonly #db: DatabaseSync;
  readonly #cache = new Map<string, Prepared>();

  constructor(path: string, mode: 'read' | 'write') {
    this.#db = new DatabaseSync(path, { readOnly: mode === 'read', timeout: BUSY_TIMEOUT });
    this.#db.exec('pragma trusted_schema = off; pragma foreign_keys = on; pragma mmap_size = 0');
    // PostgreSQL's LIKE minds the case; so does ours, and a prefix can use the index.
    this.#db.exec('pragma case_sensitive_like = on');
    if (mode === 'write') {
      this.#switchToWal();
      this.#db.exec('pragma synchronous = full; pragma journal_size_limit = 67108864');
    }
  }

  /** Runs one statement. `rollback` outside a transaction does nothing: SQLite ends some by itself. */
  run(sql: string, parameters: readonly Bound[]): LinkResult {
    if (sql === 'rollback' && !this.#db.isTransaction) return { rows: [] };
    const { statement, returnsRows } = this.#prepare(sql);
    if (!returnsRows) {
      const { changes, lastInsertRowid } = statement.run(...parameters);
      return { rows: [], changes: Number(changes), insertId: Number(lastInsertRowid) };
    }
    // node:sqlite's rows have no prototype, which strict comparisons tell from plain objects.
    return { rows: statement.all(...parameters).map((row) => ({ ...row })) };
  }

  /** A number that another one follows whenever another connection, of whatever process, has committed. */
  dataVersion(): number {
    return (this.#prepare('pragma data_version').statement.get() as { data_version: number }).data_version;
  }

  close(): void {
    this.#cache.clear();
    this.#db.close();
  }

  #prepare(sql: string): Prepared {
    const found = this.#cache.get(sql);
    if (found !== undefined) {
      // Moved to the young end: a Map keeps the order of insertion.
      this.#cache.delete(sql);
      this.#cache.set(sql, found);
      return found;
    }
    const statement = this.#db.prepare(sql);
    const prepared = { statement, returnsRows: statement.columns().length > 0 };
    this.#cache.set(sql, prepared);
    if (this.#cache.size > CACHED_STATEMENTS) this.#cache.delete(this.#cache.keys().next().value as string);
    return prepared;
  }

  /** SQLite does not wait for a busy file here, so two processes that start together would trip over each other. */
  #switchToWal(): void {
    for (let attempt = 1; ; attempt++) {
      try {
        this.#db.exec('pragma journal_mode = wal');
        return;
      } catch (error) {
        if (attempt === 100) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
      }
    }
  }
}

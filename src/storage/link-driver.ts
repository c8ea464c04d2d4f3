// The Kysely driver of both engines: it hands out links and keeps a transaction honest. A statement that fails ends its
// transaction on SQLite as it does on PostgreSQL, and a handle that outlives its transaction is refused. It knows no
// engine: that is the Link.
import type { CompiledQuery, DatabaseConnection, Driver, QueryResult } from 'kysely';
import { TransactionAborted } from './errors.ts';
import { type Bound, bind } from './parameters.ts';

export interface LinkResult {
  readonly rows: unknown[];
  /** Rows inserted, updated or deleted; undefined for a query. */
  readonly changes?: number;
  readonly insertId?: number;
}

/** One way to the database, for one statement or one transaction. */
export interface Link {
  run(sql: string, parameters: readonly Bound[]): Promise<LinkResult> | LinkResult;
  /** Gives the link back; `broken` when its transaction could not be ended cleanly. */
  release(broken: boolean): void;
}

export interface LinkSource {
  acquire(): Promise<Link>;
  /** The statement that opens a transaction; null where there are none. */
  readonly begin: string | null;
  /** Turns what the engine threw into an error of errors.ts. */
  translate(error: unknown): Error;
  close(): Promise<void>;
}

class LinkConnection implements DatabaseConnection {
  readonly #link: Link;
  readonly #source: LinkSource;
  #state: 'plain' | 'open' | 'aborted' | 'released' = 'plain';
  #broken = false;

  constructor(link: Link, source: LinkSource) {
    this.#link = link;
    this.#source = source;
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    if (this.#state === 'released') throw new Error('a transaction was used after its end');
    if (this.#state === 'aborted') throw new TransactionAborted();
    try {
      const { rows, changes, insertId } = await this.#link.run(query.sql, query.parameters.map(bind));
      return {
        rows: rows as R[],
        numAffectedRows: changes === undefined ? undefined : BigInt(changes),
        insertId: insertId === undefined ? undefined : BigInt(insertId),
      };
    } catch (error) {
      if (this.#state === 'open') this.#state = 'aborted';
      throw this.#source.translate(error);
    }
  }

  // biome-ignore lint/correctness/useYield: the interface asks for a generator; lists are paged, never streamed
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('results are not streamed');
  }

  async begin(): Promise<void> {
    if (this.#source.begin === null) throw new Error('this handle only reads');
    await this.#control(this.#source.begin);
    this.#state = 'open';
  }

  async commit(): Promise<void> {
    if (this.#state === 'aborted') throw new TransactionAborted();
    try {
      await this.#control('commit');
    } catch (error) {
      this.#state = 'aborted';
      throw error;
    }
    this.#state = 'plain';
  }

  async rollback(): Promise<void> {
    // A rollback that fails must not hide why it was asked for: the link is thrown away instead.
    await this.#control('rollback').catch(() => {
      this.#broken = true;
    });
    this.#state = 'plain';
  }

  release(): void {
    this.#state = 'released';
    this.#link.release(this.#broken);
  }

  async #control(sql: string): Promise<void> {
    try {
      await this.#link.run(sql, []);
    } catch (error) {
      throw this.#source.translate(error);
    }
  }
}

/** Drives `source` for Kysely. */
export class LinkDriver implements Driver {
  readonly #source: LinkSource;

  constructor(source: LinkSource) {
    this.#source = source;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    try {
      return new LinkConnection(await this.#source.acquire(), this.#source);
    } catch (error) {
      throw this.#source.translate(error);
    }
  }

  async beginTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LinkConnection).begin();
  }

  async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LinkConnection).commit();
  }

  async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    await (connection as LinkConnection).rollback();
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    (connection as LinkConnection).release();
  }

  async destroy(): Promise<void> {
    await this.#source.close();
  }
}

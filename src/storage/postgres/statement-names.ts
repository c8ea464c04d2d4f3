// Which statements PostgreSQL keeps a plan of: those that come again and again, under a name that each session knows them by. It
// knows texts only.

/** How often a text must come before it gets a name: lists of values make many texts that never come again. */
const OFTEN = 5;
/** A session keeps a plan for each name, so there are few. */
const MOST_NAMES = 200;
const MOST_COUNTED = 2000;

/**
 * PostgreSQL's codes for a plan that does not fit any more: a migration changed what `*` stands for (0A000), or the session has
 * forgotten the name (26000). Either is said before the statement does anything.
 */
const STALE = new Set(['0A000', '26000']);

export class StatementNames {
  #generation = 0;
  readonly #names = new Map<string, string>();
  readonly #counts = new Map<string, number>();

  /** The name of a text that comes often; undefined for others. */
  nameOf(sql: string): string | undefined {
    const name = this.#names.get(sql);
    if (name !== undefined || this.#names.size >= MOST_NAMES) return name;
    const count = (this.#counts.get(sql) ?? 0) + 1;
    if (count < OFTEN) {
      if (this.#counts.size >= MOST_COUNTED) this.#counts.clear();
      this.#counts.set(sql, count);
      return undefined;
    }
    this.#counts.delete(sql);
    const given = `keyward ${this.#generation} ${this.#names.size}`;
    this.#names.set(sql, given);
    return given;
  }

  /** Whether the statement failed for its plan alone and may be sent again without a name; then all names are given anew. */
  isStale(error: unknown): boolean {
    if (!(error instanceof Error && 'code' in error && STALE.has(String(error.code)))) return false;
    this.#generation += 1;
    this.#names.clear();
    return true;
  }
}

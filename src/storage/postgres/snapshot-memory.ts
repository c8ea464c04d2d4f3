// What PostgreSQL said and would say again, kept until anything is committed. Every answer out of it was confirmed by a snapshot that
// was taken after the question came, so it is as fresh as if the database had been asked: the same rows at the same moment.
import { freeze, MAX_ANSWERS, type Remembers } from '../memory.ts';
import type { SnapshotWatch } from './snapshot-watch.ts';

export class SnapshotMemory implements Remembers {
  readonly #watch: SnapshotWatch;
  readonly #answers = new Map<string, unknown>();
  /** the snapshot of which all answers are */
  #seen: string | null = null;

  constructor(watch: SnapshotWatch) {
    this.#watch = watch;
  }

  /** The answer to the question `key` if it still holds, else `ask`'s, which is kept unless it is null or was overtaken. */
  recall<T>(key: string, ask: () => Promise<T>): Promise<T> {
    return this.#answers.has(key) ? this.#confirm(key, ask) : this.#ask(key, ask);
  }

  async #confirm<T>(key: string, ask: () => Promise<T>): Promise<T> {
    await this.#look();
    const known = this.#answers.get(key);
    return known === undefined ? this.#ask(key, ask) : (known as T);
  }

  async #look(): Promise<void> {
    const now = await this.#watch.read();
    if (now !== null && now === this.#seen) return;
    this.#seen = now;
    this.#answers.clear();
  }

  /**
   * Asks at once, whatever the snapshot: the answer belongs to some moment after `before` was taken. Whoever finds `before` still
   * to be the snapshot later knows that nothing was committed on either side of that moment, and only then is it given out.
   */
  async #ask<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const before = this.#seen;
    if (before === null) void this.#look();
    const answer = await ask();
    // Nothing is kept of what is not there: strangers could fill the memory with it.
    if (answer === null || answer === undefined) return answer;
    // Who gets it shares it with others, so nobody may change it.
    freeze(answer);
    if (before === null || before !== this.#seen) return answer;
    if (this.#answers.size >= MAX_ANSWERS) this.#answers.delete(this.#answers.keys().next().value as string);
    this.#answers.set(key, answer);
    return answer;
  }
}

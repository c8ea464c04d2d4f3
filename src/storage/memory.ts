// What the database said and would say again: answers to the questions that every request asks (who is this key, what are the
// settings, which project is that), kept only until anything at all is committed. It holds rows, never decisions: those are
// made anew from the rows each time. It knows no table; who asks names the question.
import type { Queryable } from './database.ts';

/** More are never kept; the oldest goes first. */
export const MAX_ANSWERS = 4096;

/** What can be asked by memory. */
export interface Remembers {
  recall<T>(key: string, ask: () => Promise<T>): T | Promise<T>;
}

const memories = new WeakMap<Queryable, Remembers>();

/** The answers of one handle on SQLite. `version` gives a number that changes with every commit, by whatever process. */
export class Memory implements Remembers {
  readonly #version: () => number;
  readonly #answers = new Map<string, unknown>();
  #seen: number | null = null;
  /** the version was looked at in this turn of the event loop, and nothing of ours was committed since */
  #isSure = false;

  constructor(version: () => number) {
    this.#version = version;
  }

  /** A transaction of this process was committed: look again before the next answer, in this very turn. */
  committed(): void {
    this.#isSure = false;
  }

  /** The answer to the question `key` if it still holds, else `ask`'s, which is kept unless it is null or was overtaken. */
  recall<T>(key: string, ask: () => Promise<T>): T | Promise<T> {
    this.#look();
    const known = this.#answers.get(key);
    return known === undefined ? this.#ask(key, ask) : (known as T);
  }

  async #ask<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const before = this.#seen;
    const answer = await ask();
    // Nothing is kept of what is not there: strangers could fill the memory with it.
    if (answer === null || answer === undefined) return answer;
    // Who gets it shares it with others, so nobody may change it.
    freeze(answer);
    this.#look();
    if (before !== this.#seen) return answer;
    if (this.#answers.size >= MAX_ANSWERS) this.#answers.delete(this.#answers.keys().next().value as string);
    this.#answers.set(key, answer);
    return answer;
  }

  #look(): void {
    if (this.#isSure) return;
    // It may fail, and then nothing is sure: who asks next looks again.
    const now = this.#version();
    this.#isSure = true;
    // Within one turn no commit can be acknowledged to anybody without `committed` being called first.
    setImmediate(() => {
      this.#isSure = false;
    });
    if (now === this.#seen) return;
    this.#seen = now;
    this.#answers.clear();
  }
}

/** Gives a handle a memory; `remember` finds it there. */
export function giveMemory(q: Queryable, memory: Remembers): void {
  memories.set(q, memory);
}

/**
 * Answers the question `key` by `ask`, or from memory when nothing has been committed since it was asked last. Only the handle
 * for point queries has a memory: SQLite tells for two microseconds whether anything was committed, PostgreSQL by one small
 * question for all who wait (`postgres/snapshot-watch.ts`); transactions ask every time. `key` must name the question with all it depends on
 * but the database, and `ask` must depend on nothing else, the clock included. Answers are frozen.
 */
export function remember<T>(q: Queryable, key: string, ask: () => Promise<T>): T | Promise<T> {
  const memory = memories.get(q);
  return memory === undefined ? ask() : memory.recall(key, ask);
}

/** Freezes an answer with all that is in it. */
export function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const inner of Object.values(value)) freeze(inner);
}

// A value that must never be printed. It answers "[secret]" to every way a value usually becomes text;
// only `reveal` gives it out, so a search for `.reveal(` lists every place where a secret leaves its box.
import { inspect } from 'node:util';

/** A string that prints, serialises and inspects as `[secret]`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The text itself. Call it only where it is digested, sealed, or handed to the one who may have it. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  [inspect.custom](): string {
    return '[secret]';
  }
}

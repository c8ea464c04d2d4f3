// How a setting's value is read from the outside, where it may be JSON or a form's text, and what values there may be.
// A rule gives the clean value, or the text of what is wrong with it.
import { err, ok, type Result } from '../kernel/result.ts';

export interface ValueRule<T> {
  readonly initial: T;
  /** reads what an older version stored, where that took more than `read` does */
  readStored?(value: unknown): Result<T, string>;
  read(value: unknown): Result<T, string>;
}

const BAD = 'does not have a valid value';

/** `true` or `false`, also as text, and as `1` or `0`, which forms send. */
export function flag(initial: boolean): ValueRule<boolean> {
  return {
    initial,
    read(value) {
      if (value === true || value === 'true' || value === 1 || value === '1') return ok(true);
      if (value === false || value === 'false' || value === 0 || value === '0') return ok(false);
      return err('is invalid');
    },
  };
}

function readInteger(value: unknown, least: number, most: number): Result<number, string> {
  const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) return err('is invalid');
  return number >= least && number <= most ? ok(number) : err(BAD);
}

/** A whole number between `least` and `most`, both included. */
export function integer(initial: number, least: number, most: number): ValueRule<number> {
  return { initial, read: (value) => readInteger(value, least, most) };
}

/** The same, or null (unset), for which a form sends an empty text. */
export function optionalInteger(least: number, most: number): ValueRule<number | null> {
  return {
    initial: null,
    read: (value) => (value === null || value === '' ? ok(null) : readInteger(value, least, most)),
  };
}

/** 0, -1 or one of `sizes` (GitLab's values for SSH keys). A number between them that was stored holds on: it must not turn into 0. */
export function keyRestriction(initial: number, sizes: readonly number[]): ValueRule<number> {
  const rangeOf = (value: unknown) => readInteger(value, -1, 16_384);
  return {
    initial,
    read(value) {
      const number = rangeOf(value);
      return number.ok && ![0, -1, ...sizes].includes(number.value) ? err(BAD) : number;
    },
    readStored: rangeOf,
  };
}

/** One of the words. */
export function oneOf<const T extends string>(initial: NoInfer<T>, words: readonly T[]): ValueRule<T> {
  return {
    initial,
    read: (value) => {
      const word = words.find((each) => each === value);
      return word === undefined ? err(BAD) : ok(word);
    },
  };
}

/** One of the words, or null, for which a form sends an empty text. */
export function optionalOneOf<const T extends string>(words: readonly T[]): ValueRule<T | null> {
  return {
    initial: null,
    read: (value) => {
      if (value === null || value === '') return ok(null);
      const word = words.find((each) => each === value);
      return word === undefined ? err(BAD) : ok(word);
    },
  };
}

/** Some of the words, each once, in our order; a list, or one text with commas. */
export function someOf<const T extends string>(words: readonly T[]): ValueRule<readonly T[]> {
  return {
    initial: [],
    read(value) {
      if (value === null || value === '') return ok([]);
      const given: readonly unknown[] | null =
        typeof value === 'string' ? value.split(',').map((word) => word.trim()) : Array.isArray(value) ? value : null;
      if (given === null) return err('is invalid');
      if (!given.every((each) => words.some((word) => word === each))) return err(BAD);
      return ok(words.filter((word) => given.includes(word)));
    },
  };
}

/** A text of at most `most` characters that `pattern` matches; null counts as empty. */
export function text(initial: string, most: number, pattern: RegExp): ValueRule<string> {
  return {
    initial,
    read(value) {
      const given = value ?? '';
      if (typeof given !== 'string') return err('is invalid');
      if (given.length > most) return err(`is too long (maximum is ${most} characters)`);
      return pattern.test(given) ? ok(given) : err('is invalid');
    },
  };
}

// What may be bound to a statement, so that both engines take and refuse the same values. It knows nothing of columns.
import { UnstorableValue } from './errors.ts';

/** What reaches an engine. */
export type Bound = string | number | bigint | null | Uint8Array;

/**
 * Makes a parameter ready for either engine: booleans become 0 or 1. Throws UnstorableValue for a NUL byte (PostgreSQL
 * cannot hold one), for numbers outside the safe integers and fractions, and for undefined and objects, which are
 * mistakes of ours: a Secret that was not digested, a record that was not made JSON.
 */
export function bind(value: unknown): Bound {
  switch (typeof value) {
    case 'string':
      if (value.includes('\0')) throw new UnstorableValue('a text with a NUL byte');
      return value;
    case 'number':
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
        throw new UnstorableValue('a number outside the safe range');
      return value;
    case 'boolean':
      return value ? 1 : 0;
    case 'bigint':
      return value;
    default:
      if (value === null || value instanceof Uint8Array) return value;
      throw new UnstorableValue(value === undefined ? 'undefined' : 'an object');
  }
}

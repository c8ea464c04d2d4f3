// What is remembered of a failed attempt, and when the next one is due.
import { HOUR, SECOND } from '../kernel/clock.ts';

const FIRST_WAIT = 5 * SECOND;
const LONGEST_WAIT = HOUR;
const MAX_TEXT = 500;

/** Milliseconds to wait after the failed attempt number `attempts` (from 1): 5 s, doubled each time, at most an hour. */
export function waitAfter(attempts: number): number {
  return Math.min(FIRST_WAIT * 2 ** Math.min(attempts - 1, 20), LONGEST_WAIT);
}

/**
 * An error as `last_error` shows it to administrators: name and message, at most 500 characters. Whatever looks like a
 * token, like a password in a URL or like a bearer header is taken out, should a handler have been careless.
 */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text
    .replaceAll('\0', '')
    .replace(/\bgl[a-z]{2,8}-[\w.=-]+/g, '[secret]')
    .replace(/(:\/\/[^\s:/@]*):[^\s/@]+@/g, '$1:[secret]@')
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, '$1 [secret]')
    .slice(0, MAX_TEXT);
}

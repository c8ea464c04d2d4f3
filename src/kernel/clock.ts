// The only place that knows what time it is. Times are milliseconds since 1970 in UTC; dates are `YYYY-MM-DD` in UTC.
// Everything else is given a Clock, so that a test can stand one millisecond before midnight.

export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  now(): number;
}

export const DAY = 86_400_000;
export const HOUR = 3_600_000;
export const MINUTE = 60_000;
export const SECOND = 1000;

/** The machine's clock. */
export const systemClock: Clock = { now: () => Date.now() };

/** A clock that stands still until it is moved; for tests. */
export class ManualClock implements Clock {
  #now: number;

  constructor(start: number) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  /** Moves the clock by `milliseconds`. */
  advance(milliseconds: number): void {
    this.#now += milliseconds;
  }

  /** Sets the clock to `milliseconds` since 1970. */
  set(milliseconds: number): void {
    this.#now = milliseconds;
  }
}

/** `2026-01-31T07:59:35.767Z`, or null for null. */
export function isoTime(milliseconds: number): string;
export function isoTime(milliseconds: number | null): string | null;
export function isoTime(milliseconds: number | null): string | null {
  return milliseconds === null ? null : written(milliseconds);
}

/** The UTC date of an instant as `YYYY-MM-DD`, or null for null. */
export function isoDate(milliseconds: number): string;
export function isoDate(milliseconds: number | null): string | null;
export function isoDate(milliseconds: number | null): string | null {
  return milliseconds === null ? null : written(milliseconds).slice(0, 10);
}

const lately = new Map<number, string>();

/** Writing a time costs more than remembering it, and answers repeat the same few: when a key was made, a minute of use. */
function written(milliseconds: number): string {
  let text = lately.get(milliseconds);
  if (text === undefined) {
    text = new Date(milliseconds).toISOString();
    if (lately.size >= 500) lately.clear();
    lately.set(milliseconds, text);
  }
  return text;
}

/** 00:00 UTC of the day in which `milliseconds` lies. */
export function startOfDay(milliseconds: number): number {
  return Math.floor(milliseconds / DAY) * DAY;
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?\s?(Z|UTC|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Reads `YYYY-MM-DD`, with or without a time behind it, as 00:00 UTC of the date as written (reference access-tokens 3.2).
 * Returns null for anything else, dates that do not exist (`2026-02-30`) included.
 */
export function parseDate(text: string): number | null {
  const match = DATE.exec(text.trim());
  if (!match) return null;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const time = Date.UTC(year, month - 1, day);
  const back = new Date(time);
  if (back.getUTCFullYear() !== year || back.getUTCMonth() !== month - 1 || back.getUTCDate() !== day) return null;
  if (match[4] !== undefined && (Number(match[4]) > 24 || Number(match[5]) > 59 || Number(match[6] ?? 0) > 60))
    return null;
  return time;
}

/** Reads an ISO 8601 date or date with time as an instant (a bare date is 00:00 UTC). Null when it is none. */
export function parseInstant(text: string): number | null {
  const day = parseDate(text);
  if (day === null) return null;
  const match = DATE.exec(text.trim());
  if (!match || match[4] === undefined) return day;
  const zone = match[7] ?? 'Z';
  let offset = 0;
  if (zone !== 'Z' && zone !== 'UTC') {
    const digits = zone.slice(1).replace(':', '');
    offset = (zone[0] === '-' ? -1 : 1) * (Number(digits.slice(0, 2)) * HOUR + Number(digits.slice(2)) * MINUTE);
  }
  const fraction = /\.(\d{1,9})/.exec(text);
  const milliseconds = fraction ? Math.floor(Number(`0.${fraction[1]}`) * 1000) : 0;
  return (
    day + Number(match[4]) * HOUR + Number(match[5]) * MINUTE + Number(match[6] ?? 0) * SECOND + milliseconds - offset
  );
}

// What a measurement hands back, and the few sums that all of them do. It measures nothing by itself.

export interface Figure {
  /** the letter under which it is kept, `a` to `i` */
  readonly letter: string;
  readonly title: string;
  readonly goal: string;
  /** the measured value beside the goal, as text */
  readonly value: string;
  /** null: not measured, or there is no goal */
  readonly met: boolean | null;
  /** the rows of a table, the first one its head */
  readonly table: readonly (readonly string[])[];
  readonly notes: readonly string[];
}

/** A whole number from the environment; `fallback` when it is unset or no number. */
export function setting(name: string, fallback: number): number {
  const value = Number.parseInt(process.env[name] ?? '', 10);
  return Number.isSafeInteger(value) && value > 0 ? value : fallback;
}

/** Seconds that one round of load lasts (`BENCH_SECONDS`), and how many rounds there are (`BENCH_ROUNDS`). */
export const SECONDS = setting('BENCH_SECONDS', 3);
export const ROUNDS = setting('BENCH_ROUNDS', 3);

/** The value below which `share` (0 to 1) of the values lie. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle value; of an even number, the upper one of the two. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** A number with `digits` after the point. */
export function text(value: number, digits = 0): string {
  return value.toFixed(digits);
}

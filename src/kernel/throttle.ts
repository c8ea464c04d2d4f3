// How often one caller may have something done that costs others (a mail, say). Counted in this process, in windows of a minute,
// with a bounded memory; what a caller is, the one who asks decides.
import { type Clock, MINUTE, SECOND } from './clock.ts';

const MAX_KEYS = 10_000;

export class Throttle {
  readonly #clock: Clock;
  readonly #perMinute: number;
  readonly #windows = new Map<string, { startedAt: number; count: number }>();

  constructor(clock: Clock, perMinute: number) {
    this.#clock = clock;
    this.#perMinute = perMinute;
  }

  /** Counts one try of `key`. Seconds to wait when there were too many in this minute, else null. */
  take(key: string): number | null {
    const now = this.#clock.now();
    const window = this.#windows.get(key);
    if (!window || now - window.startedAt >= MINUTE) {
      this.#windows.delete(key);
      if (this.#windows.size >= MAX_KEYS) this.#windows.delete(this.#windows.keys().next().value!);
      this.#windows.set(key, { startedAt: now, count: 1 });
      return null;
    }
    window.count += 1;
    return window.count > this.#perMinute ? Math.ceil((window.startedAt + MINUTE - now) / SECOND) : null;
  }
}

// How often keys and passwords from one address were wrong lately, over all doors of this process (reference access-tokens 2.4).
// Past the limit what the address presents is refused unread until its window has drained. It knows no wire.
import { type Clock, SECOND } from '../kernel/clock.ts';
import { type InstanceSettings, readSettings } from '../settings/settings.ts';
import type { Database } from '../storage/database.ts';

const MAX_ADDRESSES = 50_000;

interface Window {
  startedAt: number;
  failures: number;
}

export class FailureLimit {
  readonly #house: { readonly db: Database; readonly clock: Clock };
  readonly #windows = new Map<string, Window>();

  constructor(house: { readonly db: Database; readonly clock: Clock }) {
    this.#house = house;
  }

  /**
   * Seconds until the address may present something again, or null when it may now. Ask it only for requests that present a
   * credential. Reads the settings only for addresses that failed lately.
   */
  blockedFor(ip: string): Promise<number | null> | null {
    if (this.#windows.size === 0) return null;
    const key = addressKey(ip);
    return this.#windows.has(key) ? this.#waitOf(key) : null;
  }

  /**
   * Counts what became of a presented credential: a wrong one adds a failure, a right one lets the count start again. Gives the
   * seconds of `blockedFor` instead, and counts nothing, when others from the address used up the limit while this one was
   * looked at: then it must be answered as one that was never read, right or wrong, or a burst would buy more guesses.
   */
  judged(ip: string, right: boolean): Promise<number | null> | null {
    if (this.#windows.size === 0 && right) return null;
    const key = addressKey(ip);
    if (right && !this.#windows.has(key)) return null;
    return this.#judge(key, ip, right);
  }

  async #judge(key: string, ip: string, right: boolean): Promise<number | null> {
    // From here on nothing is awaited, so that no two of a burst take the same last guess.
    const wait = this.#wait(key, await readSettings(this.#house.db.read));
    if (wait !== null) return wait;
    if (right) this.#windows.delete(key);
    else this.failed(ip);
    return null;
  }

  async #waitOf(key: string): Promise<number | null> {
    return this.#wait(key, await readSettings(this.#house.db.read));
  }

  #wait(key: string, settings: InstanceSettings): number | null {
    const window = this.#windows.get(key);
    if (!window) return null;
    const endsAt = window.startedAt + settings.failed_authentication_period * SECOND;
    const now = this.#house.clock.now();
    if (now >= endsAt) {
      this.#windows.delete(key);
      return null;
    }
    return window.failures >= settings.failed_authentication_limit ? Math.ceil((endsAt - now) / SECOND) : null;
  }

  /** Counts one presented credential that was wrong. */
  failed(ip: string): void {
    const key = addressKey(ip);
    const window = this.#windows.get(key);
    if (window) window.failures += 1;
    else {
      // The oldest address goes first: a flood from many addresses costs no more memory than this.
      if (this.#windows.size >= MAX_ADDRESSES) this.#windows.delete(this.#windows.keys().next().value!);
      this.#windows.set(key, { startedAt: this.#house.clock.now(), failures: 1 });
    }
  }
}

/**
 * What counts as one address: one IPv6 customer has a whole /64, and IPv4 inside IPv6 is the IPv4 address. Some proxies name a port
 * behind the address, another one for each connection: it does not count.
 */
export function addressKey(ip: string): string {
  if (!ip.includes(':')) return ip;
  const bare = ip.startsWith('[') ? ip.slice(1).split(']')[0]! : ip.toLowerCase();
  const plain = bare.startsWith('::ffff:') && bare.includes('.') ? bare.slice(7) : bare;
  if (plain.includes('.') && /^[\d.]+(?::\d+)?$/.test(plain)) return plain.split(':')[0]!;
  const [head = '', tail = ''] = plain.split('%')[0]!.split('::');
  const left = head.split(':').filter(Boolean);
  const right = tail.split(':').filter(Boolean);
  const gap = plain.includes('::') ? Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0') : [];
  return [...left, ...gap, ...right]
    .slice(0, 4)
    .map((part) => part.replace(/^0+(?=.)/, ''))
    .join(':');
}

const byDatabase = new WeakMap<Database, FailureLimit>();

/** The limit of the process that works on this database: one for all doors. */
export function failureLimitOf(house: { readonly db: Database; readonly clock: Clock }): FailureLimit {
  let limit = byDatabase.get(house.db);
  if (!limit) {
    limit = new FailureLimit(house);
    byDatabase.set(house.db, limit);
  }
  return limit;
}

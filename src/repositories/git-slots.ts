// How many git processes may run at once, and who is next. A key (a credential, an address) gets at most its share of the
// slots, and waiting keys take turns, so that one client with a hundred clones does not starve the others. It knows no git.
import { GitBusy } from './errors.ts';

export interface SlotsOptions {
  /** The most holders at once. */
  readonly slots: number;
  /** The most waiters, over all keys. */
  readonly queue: number;
}

interface Waiter {
  readonly key: string;
  readonly grant: () => void;
}

/** A counting semaphore with a share per key and a bounded, fair queue. */
export class Slots {
  readonly #slots: number;
  readonly #share: number;
  readonly #limit: number;
  readonly #held = new Map<string, number>();
  #waiting: Waiter[] = [];
  #inUse = 0;

  constructor({ slots, queue }: SlotsOptions) {
    this.#slots = slots;
    this.#share = Math.max(1, Math.ceil(slots / 2));
    this.#limit = queue;
  }

  /** How many slots are taken now. */
  get inUse(): number {
    return this.#inUse;
  }

  /** How many wait for one. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Takes a slot for `key`, waiting for it if need be. Without a key (the server's own work) only the total counts.
   * @returns the function that gives the slot back; calling it twice does nothing.
   * @throws GitBusy when the queue is full; the signal's reason when it aborts while waiting.
   */
  async acquire(key: string | undefined, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted();
    const name = key ?? '';
    if (!this.#free(name)) {
      // A key's own queue is a quarter of all, so that it cannot fill the room for others either.
      const mine = this.#waiting.filter((waiter) => waiter.key === name).length;
      const full = name !== '' && mine >= Math.max(1, this.#limit >> 2);
      if (this.#waiting.length >= this.#limit || full) throw new GitBusy(2);
      await new Promise<void>((resolve, reject) => {
        const waiter: Waiter = {
          key: name,
          grant: () => {
            signal?.removeEventListener('abort', leave);
            resolve();
          },
        };
        const leave = () => {
          this.#waiting = this.#waiting.filter((other) => other !== waiter);
          reject(signal?.reason);
        };
        signal?.addEventListener('abort', leave, { once: true });
        this.#waiting.push(waiter);
      });
    } else {
      this.#take(name);
    }
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#inUse -= 1;
      const left = (this.#held.get(name) ?? 1) - 1;
      if (left === 0) this.#held.delete(name);
      else this.#held.set(name, left);
      this.#next();
    };
  }

  #free(key: string): boolean {
    return this.#inUse < this.#slots && (key === '' || (this.#held.get(key) ?? 0) < this.#share);
  }

  #take(key: string): void {
    this.#inUse += 1;
    this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
  }

  // The waiter whose key holds the fewest slots goes first; among equals the one that waits longest.
  #next(): void {
    for (;;) {
      let best = -1;
      let fewest = Number.POSITIVE_INFINITY;
      for (const [index, waiter] of this.#waiting.entries()) {
        const held = this.#held.get(waiter.key) ?? 0;
        if (held < fewest && this.#free(waiter.key)) {
          best = index;
          fewest = held;
        }
      }
      const waiter = best === -1 ? undefined : this.#waiting.splice(best, 1)[0];
      if (!waiter) return;
      this.#take(waiter.key);
      waiter.grant();
    }
  }
}

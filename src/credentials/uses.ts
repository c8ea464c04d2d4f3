// Last use, written behind (reference access-tokens 7.6): looking never touches, and a lost note of use loses nothing else.
// `last_used_at` moves when it is empty or older than ten minutes, the addresses when one is new and the last write older
// than a minute; the newest five are kept.
import { MINUTE } from '../kernel/clock.ts';
import type { House } from '../storage/house.ts';
import { findUses, putUse, type Use } from './use-store.ts';

const BATCH = 200;
const MAX_PENDING = 20_000;
const MAX_REMEMBERED = 50_000;

interface Pending {
  at: number;
  ips: Set<string>;
}

export class UseWriter {
  readonly #house: House;
  #pending = new Map<number, Pending>();
  /** key and address -> when it was last handed to the database, so that a busy key costs a map look-up a request */
  readonly #recent = new Map<string, number>();
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<void> = Promise.resolve();

  constructor(house: House) {
    this.#house = house;
  }

  /** Notes a use; returns at once. */
  note(credentialId: number, ip: string | null): void {
    const now = this.#house.clock.now();
    const key = `${credentialId} ${ip}`;
    const last = this.#recent.get(key);
    if (last !== undefined && now - last < MINUTE && now >= last) return;
    if (this.#recent.size >= MAX_REMEMBERED) this.#recent.clear();
    this.#recent.set(key, now);
    const pending = this.#pending.get(credentialId);
    if (pending) {
      pending.at = now;
      if (ip) pending.ips.add(ip);
    } else if (this.#pending.size < MAX_PENDING)
      this.#pending.set(credentialId, { at: now, ips: new Set(ip ? [ip] : []) });
    this.#timer ??= setTimeout(() => void this.flush(), 500).unref();
  }

  /** Writes what is pending; resolves when it is stored. A failure is logged and forgotten. */
  flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    this.#flushing = this.#flushing.then(() => this.#write());
    return this.#flushing;
  }

  async #write(): Promise<void> {
    const all = [...this.#pending];
    this.#pending = new Map();
    for (let from = 0; from < all.length; from += BATCH) {
      const batch = all.slice(from, from + BATCH);
      try {
        await this.#house.db.tx(async (tx) => {
          const stored = await findUses(
            tx,
            batch.map(([id]) => id),
          );
          for (const [id, pending] of batch) {
            const next = merge(id, stored.get(id), pending);
            if (next) await putUse(tx, next);
          }
        });
      } catch (error) {
        this.#house.log.warn({ err: error }, 'the last use of some keys was not stored');
      }
    }
  }
}

function merge(id: number, stored: Use | undefined, pending: Pending): Use | null {
  const lastUsedAt = stored?.lastUsedAt ?? null;
  const known = stored?.ips ?? [];
  const fresh = [...pending.ips].filter((ip) => !known.includes(ip));
  const moveTime = lastUsedAt === null || pending.at - lastUsedAt >= 10 * MINUTE;
  const moveIps = fresh.length > 0 && (stored?.ipsWrittenAt == null || pending.at - stored.ipsWrittenAt >= MINUTE);
  if (!moveTime && !moveIps) return null;
  return {
    credentialId: id,
    lastUsedAt: moveTime ? pending.at : lastUsedAt,
    ipsWrittenAt: moveIps ? pending.at : (stored?.ipsWrittenAt ?? null),
    ips: moveIps ? [...fresh, ...known].slice(0, 5) : known,
  };
}

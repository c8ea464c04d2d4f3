// Counts the connections that left or were turned away before they had signed in, so that a flood of them is told in one line
// and a few counters (design of the audit: strangers are counted, not stored one by one). It knows no protocol.

/** `crowded`: there were too many; `late`: it took too long; `no_key_exchange`: it spoke no SSH; `not_signed_in`: no key was good. */
export type StrangerCode = 'crowded' | 'late' | 'no_key_exchange' | 'not_signed_in';

/** How many of one address went like that. */
export interface Strangers {
  readonly ip: string;
  readonly code: StrangerCode;
  readonly count: number;
}

/** Beyond this many counters, further addresses are counted together under `*`. */
const MOST = 1000;

export class StrangerCount {
  readonly #counts = new Map<string, Strangers>();

  /** One connection more. */
  note(ip: string, code: StrangerCode): void {
    const own = `${code} ${ip}`;
    const full = this.#counts.size >= MOST && !this.#counts.has(own);
    const [key, name] = full ? [`${code} *`, '*'] : [own, ip];
    this.#counts.set(key, { ip: name, code, count: (this.#counts.get(key)?.count ?? 0) + 1 });
  }

  /** What was counted since the last time. */
  take(): Strangers[] {
    const taken = [...this.#counts.values()];
    this.#counts.clear();
    return taken;
  }
}

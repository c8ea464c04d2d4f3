// How many connections may wait to sign in, and whose turn it is to go when there are too many. Whoever has come least far goes
// first, so that a crowd that never signs in cannot keep out those who do, even from the same address. It knows no protocol.

export interface Guest {
  readonly address: string;
  /** whether the key exchange is done */
  greeted: boolean;
  /** Closes the connection. */
  drop(): void;
}

export interface CrowdLimits {
  /** the most connections that have not signed in */
  readonly total: number;
  /** the same from one address */
  readonly perAddress: number;
}

/** Connections that have not signed in yet, in the order in which they came. */
export class Crowd {
  readonly #limits: CrowdLimits;
  readonly #guests = new Set<Guest>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: CrowdLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#guests.size;
  }

  has(guest: Guest): boolean {
    return this.#guests.has(guest);
  }

  /** Lets a connection wait; drops another one when that is one too many. */
  enter(guest: Guest): void {
    const { address } = guest;
    this.#guests.add(guest);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
    if (this.#perAddress.get(address)! > this.#limits.perAddress) this.#dropOne(guest, address);
    else if (this.#guests.size > this.#limits.total) this.#dropOne(guest, this.#fullestAddress());
  }

  /** It has signed in or is gone. */
  leave(guest: Guest): void {
    if (!this.#guests.delete(guest)) return;
    const left = (this.#perAddress.get(guest.address) ?? 1) - 1;
    if (left === 0) this.#perAddress.delete(guest.address);
    else this.#perAddress.set(guest.address, left);
  }

  #dropOne(newcomer: Guest, address: string): void {
    let chosen: Guest | null = null;
    for (const guest of this.#guests) {
      if (guest === newcomer || guest.address !== address) continue;
      chosen ??= guest;
      if (!guest.greeted) {
        chosen = guest;
        break;
      }
    }
    const dropped = chosen ?? newcomer;
    this.leave(dropped);
    dropped.drop();
  }

  #fullestAddress(): string {
    let fullest = '';
    let most = 0;
    for (const [address, count] of this.#perAddress) if (count > most) [fullest, most] = [address, count];
    return fullest;
  }
}

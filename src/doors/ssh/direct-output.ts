// Large answers leave the server out: git gets a connection of the transport's own as its standard output and writes to it by
// itself. This file brings the two together: a ticket for a session, and the connection that comes with it. It moves no bytes.
import type { Socket } from 'node:net';
import { SECOND } from '../../kernel/clock.ts';
import { randomHex } from '../../kernel/random.ts';

/** A transport that does not come in this time gets the bytes in frames. */
const PATIENCE = 10 * SECOND;

/** Connections that were asked for and have not come yet. */
export class DirectOutputs {
  readonly #expected = new Map<string, (socket: Socket) => void>();

  /** A new ticket, and the connection that will come with it; null when none comes in time, or `left` is aborted before. */
  expect(left: AbortSignal): { readonly ticket: string; readonly arrived: Promise<Socket | null> } {
    const ticket = randomHex(16);
    const arrived = new Promise<Socket | null>((resolve) => {
      const answer = (socket: Socket | null) => {
        clearTimeout(late);
        left.removeEventListener('abort', none);
        this.#expected.delete(ticket);
        resolve(socket);
      };
      const none = () => answer(null);
      const late = setTimeout(none, PATIENCE);
      left.addEventListener('abort', none, { once: true });
      this.#expected.set(ticket, answer);
      if (left.aborted) none();
    });
    return { ticket, arrived };
  }

  /** Hands a connection to who waits for it; nobody does: it is closed. */
  arrive(ticket: string, socket: Socket): void {
    const answer = this.#expected.get(ticket);
    if (answer) answer(socket);
    else socket.destroy();
  }
}

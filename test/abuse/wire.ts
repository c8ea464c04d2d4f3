// Connections of somebody who does not behave: raw bytes on a socket, and how it ends. It asserts nothing.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Wire {
  readonly socket: Socket;
  /** all that came back so far */
  heard(): string;
  /** resolves with the milliseconds until the other side closed; rejects after `patience` milliseconds */
  closed(patience?: number): Promise<number>;
}

/** Opens a connection to the server at `url` and says `text`. */
export async function say(url: string, text = ''): Promise<Wire> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  const began = performance.now();
  let heard = '';
  let ended: number | null = null;
  socket.setEncoding('latin1').on('data', (chunk) => (heard += chunk));
  socket.on('error', () => {});
  socket.on('close', () => (ended = performance.now() - began));
  await once(socket, 'connect');
  if (text !== '') socket.write(text);
  return {
    socket,
    heard: () => heard,
    async closed(patience = 10_000) {
      const deadline = performance.now() + patience;
      while (ended === null) {
        if (performance.now() > deadline) throw new Error(`still open after ${patience} ms; heard: ${heard}`);
        await pause(10);
      }
      return ended;
    },
  };
}

export const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));

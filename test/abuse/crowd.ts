// Many requests at once that have begun and do not end, and one from another address in the middle of them.
import { connect } from 'node:net';
import { pause, say, type Wire } from './wire.ts';

export class Crowd {
  readonly #wires: readonly Wire[];
  readonly #url: string;

  private constructor(url: string, wires: readonly Wire[]) {
    this.#url = url;
    this.#wires = wires;
  }

  /** `count` requests whose bodies never come, on a connection each. */
  static async gather(url: string, count: number, headers = ''): Promise<Crowd> {
    const wires: Wire[] = [];
    const head = `POST /api/v4/keyward/session HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: 100\r\n\r\n{`;
    for (let index = 0; index < count; index++) wires.push(await say(url, head));
    await pause(200);
    return new Crowd(url, wires);
  }

  /** What the server answers to GET `path` from `address`, one of the loopback's many. */
  static async from(address: string, url: string, path: string, headers = ''): Promise<string> {
    const { port } = new URL(url);
    const socket = connect({ host: '127.0.0.1', port: Number(port), localAddress: address });
    let heard = '';
    socket.setEncoding('latin1').on('data', (chunk) => (heard += chunk));
    socket.on('error', () => {});
    socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers}\r\n`);
    await new Promise((done) => socket.once('close', done));
    return heard;
  }

  fromElsewhere(path: string): Promise<string> {
    return Crowd.from('127.0.0.8', this.#url, path);
  }

  async leave(): Promise<void> {
    await Promise.all(
      this.#wires.map(({ socket }) => {
        const closed = new Promise((done) => socket.once('close', done));
        socket.destroy();
        return closed;
      }),
    );
  }
}

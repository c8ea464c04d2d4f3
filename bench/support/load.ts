// A small HTTP/1.1 client that keeps its connections busy: each sends the next request when the answer to the last is there.
// It costs far less than the servers that it measures, and knows only as much of HTTP as it needs.
import { connect } from 'node:net';

export interface LoadOptions {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections?: number;
  readonly seconds: number;
  /** no more requests than this; without a limit when left out */
  readonly requests?: number;
}

export interface Load {
  /** answers per second */
  readonly rate: number;
  readonly answers: number;
  /** milliseconds of every answer */
  readonly latencies: number[];
}

/** Asks `url` over and over. Throws at the first answer that is not 200. */
export async function load(options: LoadOptions): Promise<Load> {
  const { hostname, port, pathname, search, host } = new URL(options.url);
  const lines = Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${lines.join('')}\r\n`;
  const latencies: number[] = [];
  const begin = performance.now();
  const end = begin + options.seconds * 1000;
  let left = options.requests ?? Number.POSITIVE_INFINITY;

  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let asked = 0;
      let kept = '';
      let answered = true;
      const ask = () => {
        if (performance.now() >= end || left <= 0) {
          socket.end();
          resolve();
          return;
        }
        left -= 1;
        answered = false;
        asked = performance.now();
        socket.write(request);
      };
      socket.setEncoding('latin1');
      socket.on('connect', ask);
      socket.on('error', reject);
      socket.on('close', () => {
        if (!answered) reject(new Error(`${options.url} closed a connection amid an answer`));
      });
      socket.on('data', (chunk: string) => {
        kept = kept === '' ? chunk : kept + chunk;
        if (!isWhole(kept)) return;
        if (!kept.startsWith('HTTP/1.1 200')) {
          socket.destroy();
          answered = true;
          reject(new Error(`${options.url} answered ${kept.slice(0, 300)}`));
          return;
        }
        kept = '';
        answered = true;
        latencies.push(performance.now() - asked);
        ask();
      });
    });

  await Promise.all(Array.from({ length: options.connections ?? 8 }, one));
  const seconds = (performance.now() - begin) / 1000;
  return { rate: latencies.length / seconds, answers: latencies.length, latencies };
}

function isWhole(answer: string): boolean {
  const head = answer.indexOf('\r\n\r\n');
  if (head === -1) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer);
  if (length && length.index < head) return answer.length >= head + 4 + Number(length[1]);
  return answer.endsWith('0\r\n\r\n');
}

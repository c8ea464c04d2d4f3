// The first bytes of a stream, without taking them from whoever reads it next. It knows no protocol.
import type { Readable } from 'node:stream';

/** The first `count` bytes of a stream, put back before anybody else reads it. Fewer when it ends before. */
export async function peek(stream: Readable, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  while (size < count) {
    const chunk = stream.read() as Buffer | null;
    if (chunk !== null) {
      chunks.push(chunk);
      size += chunk.length;
      continue;
    }
    if (stream.readableEnded || stream.destroyed) break;
    const more = await new Promise<boolean>((done) => {
      const settle = (result: boolean) => () => {
        for (const [name, listener] of listeners) stream.off(name, listener);
        done(result);
      };
      const listeners: [string, () => void][] = [
        ['readable', settle(true)],
        ['end', settle(false)],
        ['error', settle(false)],
        ['close', settle(false)],
      ];
      for (const [name, listener] of listeners) stream.on(name, listener);
    });
    if (!more) break;
  }
  const all = Buffer.concat(chunks);
  if (all.length > 0) stream.unshift(all);
  return all.subarray(0, count);
}

// Reads a file of JSON lines however large it is. A line ends at a line feed and nowhere else: what JSON lets stand inside a text
// (U+2028, say) is no end of a line.
import { createReadStream } from 'node:fs';

/** Bytes of the longest line that is read: no row of ours comes near, and a file without line feeds must not fill the memory. */
const LONGEST = 64 * 1024 * 1024;

/** Every line of `file` that is not empty, in order. Throws a sentence for a line longer than 64 MiB. */
export async function* linesOf(file: string): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      const line = Buffer.concat([...rest, chunk.subarray(start, end)]).toString('utf8');
      rest = [];
      size = 0;
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start === chunk.length) continue;
    rest.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > LONGEST) throw new Error(`${file} has a line longer than 64 MiB: it is no file of ours`);
  }
  const last = Buffer.concat(rest).toString('utf8');
  if (last !== '') yield last;
}

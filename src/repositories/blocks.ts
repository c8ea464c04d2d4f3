// Bytes in pieces of one length, however they came: what a compressor writes may depend on the pieces that it is given, and an archive
// has the same bytes every time (reference git-and-deploy 12.8).

const LENGTH = 64 * 1024;

/** The same bytes in pieces of 64 KiB; the last one may be shorter. */
export async function* inBlocks(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let block = Buffer.allocUnsafe(LENGTH);
  let filled = 0;
  for await (const chunk of source)
    for (let at = 0; at < chunk.length; ) {
      const copied = chunk.copy(block, filled, at);
      at += copied;
      filled += copied;
      if (filled < LENGTH) continue;
      yield block;
      block = Buffer.allocUnsafe(LENGTH);
      filled = 0;
    }
  if (filled > 0) yield block.subarray(0, filled);
}

// The part of a file that a request asks for (RFC 9110 section 14): one range of bytes, or the whole file for everything else.
import type { IncomingHttpHeaders } from 'node:http';
import type { ByteRange } from '../../storage/blobs.ts';

/** The range that is wanted; null for the whole file, `unsatisfiable` for one that begins behind its end. */
export function readRange(
  headers: IncomingHttpHeaders,
  size: number,
  etag: string,
): ByteRange | null | 'unsatisfiable' {
  const { range, 'if-range': only } = headers;
  if (range === undefined || (only !== undefined && only !== etag)) return null;
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range);
  if (!match || (match[1] === '' && match[2] === '')) return null;
  const [from, to] = [match[1]!, match[2]!];
  if (from === '') {
    const wanted = Math.min(Number(to), size);
    return wanted === 0 ? 'unsatisfiable' : { first: size - wanted, last: size - 1 };
  }
  const first = Number(from);
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (to !== '' && Number(to) < first) return null;
  return first >= size ? 'unsatisfiable' : { first, last };
}

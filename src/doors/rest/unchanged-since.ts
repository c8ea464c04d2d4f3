// What a request says in `If-Unmodified-Since`: of what age the thing is that it means to remove. Whether it is still that old, the
// rooms know.
import type { RestContext } from './route.ts';

/** The instant of the header in milliseconds; null when it is absent or no date, which is as if it were absent (RFC 9110 13.1.4). */
export function unchangedSince(headers: RestContext['headers']): number | null {
  const time = Date.parse(String(headers['if-unmodified-since'] ?? ''));
  return Number.isNaN(time) ? null : time;
}

// Randomness for identifiers and secrets, all of it from the operating system.
import { randomBytes } from 'node:crypto';

/** `bytes` random bytes. */
export type Random = (bytes: number) => Buffer;

/** The system's generator. It throws rather than give fewer bytes. */
export const systemRandom: Random = (bytes) => randomBytes(bytes);

/** `bytes` random bytes as lower-case hex, twice as long. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

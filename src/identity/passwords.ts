// Passwords: argon2id, in PHC form. Hashing shares Node's thread pool with file work, so two run at once, a short queue waits,
// and beyond it the caller is told to come back.
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { fail } from '../kernel/faults.ts';
import type { Secret } from '../kernel/secret.ts';

const derive = promisify(argon2);

/** OWASP's second profile: 19 MiB, two passes, one lane. */
const COST = { memory: 19_456, passes: 2, parallelism: 1, tagLength: 32 } as const;
const AT_ONCE = 2;
const MAX_WAITING = 32;

/** The shortest and longest password that is taken, in characters and bytes. */
export const PASSWORD_MIN = 8;
export const PASSWORD_MAX = 128;

let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (running >= AT_ONCE) {
    if (waiting.length >= MAX_WAITING) fail({ code: 'too_many_requests', retryAfter: 5 });
    await new Promise<void>((resolve) => waiting.push(resolve));
  } else running += 1;
  try {
    return await work();
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running -= 1;
  }
}

/** What is wrong with a new password; an empty list when nothing is. */
export function passwordErrors(password: Secret): string[] {
  const text = password.reveal();
  if (text.length < PASSWORD_MIN) return [`is too short (minimum is ${PASSWORD_MIN} characters)`];
  if (Buffer.byteLength(text) > PASSWORD_MAX) return [`is too long (maximum is ${PASSWORD_MAX} characters)`];
  return [];
}

/** The digest of a password: `$argon2id$v=19$m=…,t=…,p=…$salt$tag`. Fault `too_many_requests` when the queue is full. */
export async function hashPassword(password: Secret): Promise<string> {
  const salt = randomBytes(16);
  const tag = await inTurn(() => derive('argon2id', { ...COST, message: password.reveal(), nonce: salt }));
  const b64 = (bytes: Buffer) => bytes.toString('base64').replace(/=+$/, '');
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${b64(salt)}$${b64(tag)}`;
}

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

/** Whether `password` is the one behind `digest`, in constant time. False for an unreadable digest. */
export async function checkPassword(digest: string, password: Secret): Promise<boolean> {
  const match = PHC.exec(digest);
  if (!match || Buffer.byteLength(password.reveal()) > 1024) return false;
  const expected = Buffer.from(match[5]!, 'base64');
  const tag = await inTurn(() =>
    derive('argon2id', {
      message: password.reveal(),
      nonce: Buffer.from(match[4]!, 'base64'),
      memory: Number(match[1]),
      passes: Number(match[2]),
      parallelism: Number(match[3]),
      tagLength: expected.length,
    }),
  );
  return tag.length === expected.length && timingSafeEqual(tag, expected);
}

let decoy: Promise<string> | null = null;

/** Spends the time of a real check, so that a login that does not exist answers no faster than a wrong password. */
export async function checkDecoy(password: Secret): Promise<false> {
  decoy ??= derive('argon2id', { ...COST, message: randomBytes(16), nonce: randomBytes(16) }).then(
    (tag) =>
      `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=1$${'A'.repeat(22)}$${tag.toString('base64').replace(/=+$/, '')}`,
  );
  await checkPassword(await decoy, password);
  return false;
}

// A rotate call that may be repeated: within the overlap, at most an hour, the same call with the same `Idempotency-Key` gets
// the same answer, secret included, so that a dropped connection loses nothing (reference access-tokens 7.2). The answer is kept
// sealed under the old key's row and erased when that time ends.
import { HOUR, SECOND } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { findSealed, putSealed } from './sealed-store.ts';

export interface RepeatableCall {
  /** the key that was rotated */
  readonly credentialId: number;
  /** the key that asked; null for a caller without a row */
  readonly callerId: number | null;
  /** method and route, such as `POST /personal_access_tokens/:id/rotate` */
  readonly route: string;
  /** the header's value */
  readonly key: string;
  /** the parameters that decide the answer, in a fixed order */
  readonly parameters: string;
}

/** Whether the header's value is one we take: 1 to 255 printable ASCII characters. */
export function isIdempotencyKey(text: string): boolean {
  return /^[\x20-\x7e]{1,255}$/.test(text);
}

function purposeOf(house: House, call: RepeatableCall): string {
  return `answer:${house.keys.digest('idempotency', JSON.stringify([call.callerId, call.route, call.key]), house.keys.versions().at(-1)!)}`;
}

/** Keeps the answer of a rotation with an overlap. Without one (0 seconds) it does nothing. */
export async function rememberAnswer(
  tx: Tx,
  house: House,
  call: RepeatableCall,
  answer: Secret,
  overlapSeconds: number,
): Promise<void> {
  const life = Math.min(overlapSeconds * SECOND, HOUR);
  if (life <= 0) return;
  const purpose = purposeOf(house, call);
  const body = new Secret(JSON.stringify({ parameters: call.parameters, answer: answer.reveal() }));
  const sealed = house.keys.seal(`credential ${call.credentialId} ${purpose}`, body);
  await putSealed(tx, {
    credentialId: call.credentialId,
    purpose,
    ...sealed,
    dropAt: house.clock.now() + life,
  });
}

/** The kept answer of the same call; `conflict` when the key was used with other parameters; null when there is none. */
export async function recallAnswer(
  q: Queryable,
  house: House,
  call: RepeatableCall,
): Promise<Secret | 'conflict' | null> {
  const purpose = purposeOf(house, call);
  const found = await findSealed(q, call.credentialId, purpose, house.clock.now());
  if (!found) return null;
  const body: { parameters: string; answer: string } = JSON.parse(
    house.keys.open(`credential ${call.credentialId} ${purpose}`, found).reveal(),
  );
  return body.parameters === call.parameters ? new Secret(body.answer) : 'conflict';
}

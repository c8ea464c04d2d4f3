// Rotating a key of any kind that rotates: date, overlap, and the call that may be repeated (reference access-tokens 7.2). Who
// may rotate which key, the deeds of each kind say; here is what all of them share.
import type { Action } from '../access/actions.ts';
import type { Actor } from '../credentials/actor.ts';
import { type CredentialRow, scopesOf } from '../credentials/credential-rows.ts';
import { type RepeatableCall, recallAnswer, rememberAnswer } from '../credentials/idempotency.ts';
import { type RotationFailure, rotateCredential } from '../credentials/rotate.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { Secret } from '../kernel/secret.ts';
import { type InstanceSettings, readSettings } from '../settings/settings.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { auditKey, refuse } from './key-audit.ts';
import { mayHandOut, NEEDS_SUDO } from './key-wish.ts';
import { holdPlaceOfKey } from './live-place.ts';
import { kindWords, tellOwner } from './notices.ts';

/** Thirty days, in seconds. */
export const LONGEST_OVERLAP = 2_592_000;

/** How a caller wants a key rotated. */
export interface RotateWish {
  /** 00:00 UTC of a date; absent or null for the default of the kind */
  readonly expiresAt?: number | null;
  /** seconds for which the old key keeps working; 0 to LONGEST_OVERLAP */
  readonly overlap: number;
  /** the `Idempotency-Key` and the route it was sent to; null when there is none */
  readonly repeat: { readonly key: string; readonly route: string } | null;
}

/** A key that was just made: the row and its text, to be shown once. */
export interface KeyMade {
  readonly credential: CredentialRow;
  readonly secret: Secret;
}

export interface RotateRules {
  readonly action: Action;
  /** the new key's date; the error follows `Expires at` */
  readonly expiry: (settings: InstanceSettings, now: number) => Result<number | null, string>;
  /** what must hold or change in the same transaction, such as the bot's membership */
  readonly alongside?: (tx: Tx) => Promise<void>;
}

const REASONS: Readonly<Record<Exclude<RotationFailure, 'unknown'>, string>> = {
  already_revoked: 'Token already revoked',
  already_rotated: 'Token already rotated',
  holder_blocked: 'The user of this token is not active',
};

/** What a rotation that failed means to a caller who may rotate the key. */
function faultOf(failure: RotationFailure): Fault {
  return failure === 'unknown' ? { code: 'not_found', thing: '' } : { code: 'bad_request', reason: REASONS[failure] };
}

/**
 * Rotates `key`. Nothing changes when it fails. The same call with the same `Idempotency-Key` within the overlap, at most an
 * hour, gets the same answer; with other parameters it is a conflict.
 */
export async function rotateKey(
  house: House,
  actor: Actor,
  key: CredentialRow,
  wish: RotateWish,
  rules: RotateRules,
): Promise<KeyMade> {
  if (!Number.isInteger(wish.overlap) || wish.overlap < 0 || wish.overlap > LONGEST_OVERLAP)
    fail({ code: 'invalid_parameters', texts: ['overlap does not have a valid value'] });
  const where = { key };
  if (!mayHandOut(actor.credential, scopesOf(key))) return refuse(house, actor, rules.action, where, NEEDS_SUDO);
  const call = repeatable(actor, key, wish);
  const kept = await recall(house.db.read, house, call);
  if (kept) return kept;

  const expiry = rules.expiry(await readSettings(house.db.read), house.clock.now());
  if (!expiry.ok)
    return refuse(house, actor, rules.action, where, { code: 'bad_request', reason: `Expires at ${expiry.error}` });
  const done = await house.db.tx((tx) => rotateIn(tx, house, actor, key, wish, rules, expiry.value, call));
  return done.ok ? done.value : refuse(house, actor, rules.action, where, faultOf(done.error));
}

async function rotateIn(
  tx: Tx,
  house: House,
  actor: Actor,
  key: CredentialRow,
  wish: RotateWish,
  rules: RotateRules,
  expiresAt: number | null,
  call: RepeatableCall | null,
): Promise<Result<KeyMade, RotationFailure>> {
  await holdPlaceOfKey(tx, key);
  const rotated = await rotateCredential(tx, house, {
    id: key.id,
    expiresAt,
    overlapSeconds: wish.overlap,
    byUserId: actingUser(actor.credential)?.id ?? null,
    byCredentialId: actor.credential.id,
  });
  if (!rotated.ok) {
    // The same call may have won while this one waited for the row.
    const kept = await recall(tx, house, call);
    return kept ? ok(kept) : err(rotated.error);
  }
  await rules.alongside?.(tx);
  const made = fresh(rotated.value, key.username);
  await auditKey(tx, house, actor, rules.action, made.credential, `Rotated ${kindWords(key.kind)} ${key.name}`, {
    previous_id: key.id,
    overlap: wish.overlap,
  });
  await tellOwner(tx, house, made.credential, 'rotated');
  if (call) {
    const answer = JSON.stringify({ credential: made.credential, secret: made.secret.reveal() });
    await rememberAnswer(tx, house, call, new Secret(answer), wish.overlap);
  }
  return ok(made);
}

/** A key as it is at birth: never used. */
export function fresh(
  issued: { readonly credential: Omit<CredentialRow, 'last_used_at' | 'ips' | 'username'>; readonly secret: Secret },
  username: string | null = null,
): KeyMade {
  return { credential: { ...issued.credential, last_used_at: null, ips: [], username }, secret: issued.secret };
}

function repeatable(actor: Actor, key: CredentialRow, wish: RotateWish): RepeatableCall | null {
  if (wish.repeat === null) return null;
  return {
    credentialId: key.id,
    callerId: actor.credential.id,
    route: wish.repeat.route,
    key: wish.repeat.key,
    parameters: JSON.stringify([key.id, wish.expiresAt ?? null, wish.overlap]),
  };
}

async function recall(q: Queryable, house: House, call: RepeatableCall | null): Promise<KeyMade | null> {
  if (call === null) return null;
  const answer = await recallAnswer(q, house, call);
  if (answer === null) return null;
  if (answer === 'conflict') fail({ code: 'conflict', reason: '409 Conflict' });
  const kept: { credential: CredentialRow; secret: string } = JSON.parse(answer.reveal());
  return { credential: kept.credential, secret: new Secret(kept.secret) };
}

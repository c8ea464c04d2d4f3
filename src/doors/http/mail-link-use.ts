// Links from mails as any HTTP door takes them: how often one address may ask for one or be wrong about one. What a link does is
// told in directory/mail-links.ts.
import type { Allowed } from '../../access/allowed.ts';
import type { Actor } from '../../credentials/actor.ts';
import { addressKey, failureLimitOf } from '../../credentials/failure-limit.ts';
import { askForReset, confirmByLink, resetPassword } from '../../directory/mail-links.ts';
import { FaultError, fail } from '../../kernel/faults.ts';
import type { Secret } from '../../kernel/secret.ts';
import { Throttle } from '../../kernel/throttle.ts';
import type { Services } from '../services.ts';

type Reader = Allowed<'account:recover'>;

/** How many links for a new password one address may ask for in a minute. */
const ASKED_A_MINUTE = 10;
const throttles = new WeakMap<Services, Throttle>();

/** Asks for a link for a new password; `too_many_requests` when the address asks again and again. */
export async function askForLink(services: Services, actor: Actor, allowed: Reader, email: string): Promise<void> {
  let throttle = throttles.get(services);
  if (!throttle) {
    throttle = new Throttle(services.clock, ASKED_A_MINUTE);
    throttles.set(services, throttle);
  }
  const wait = throttle.take(addressKey(actor.ip ?? ''));
  if (wait !== null) fail({ code: 'too_many_requests', retryAfter: wait });
  await askForReset(services, actor, allowed, email);
}

/** Sets a password by link; a wrong link counts as a wrong password of the address. */
export function passwordByLink(
  services: Services,
  actor: Actor,
  allowed: Reader,
  wish: { readonly token: Secret; readonly password: Secret },
): Promise<void> {
  return counted(services, actor, 'reset_password_token', () => resetPassword(services, actor, allowed, wish));
}

/** Confirms an address by link; a wrong link counts as a wrong password of the address. Gives the address. */
export async function addressByLink(services: Services, actor: Actor, allowed: Reader, token: Secret): Promise<string> {
  const deed = () => confirmByLink(services, actor, allowed, token);
  return (await counted(services, actor, 'confirmation_token', deed)).email;
}

async function counted<T>(services: Services, actor: Actor, field: string, deed: () => Promise<T>): Promise<T> {
  const limit = failureLimitOf(services);
  const ip = actor.ip ?? '';
  const wait = await limit.blockedFor(ip);
  if (wait !== null) fail({ code: 'too_many_requests', retryAfter: wait });
  try {
    return await deed();
  } catch (thrown) {
    if (thrown instanceof FaultError && thrown.fault.code === 'invalid_record' && field in thrown.fault.fields) {
      const late = await limit.judged(ip, false);
      if (late !== null) fail({ code: 'too_many_requests', retryAfter: late });
    }
    throw thrown;
  }
}

// Tells people in time that a key will expire, and its owner that it has: each window once, in the transaction that queues the
// mail (reference access-tokens 7.7). It runs without a proof, as housekeeping, and ends no key: expiry is checked at use.
import type { Credential } from '../credentials/credential-rows.ts';
import type { User } from '../identity/records.ts';
import { MAINTAINER, OWNER } from '../identity/roles.ts';
import { findUser } from '../identity/user-store.ts';
import { DAY, isoDate, startOfDay } from '../kernel/clock.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { StoredKind } from '../storage/schema.ts';
import type { TaskHandler } from '../tasks/runner.ts';
import { peopleInCharge, placeNames, placeOfKey } from './holder-store.ts';
import { isMailable, tellExpiring, tellOwner } from './notices.ts';
import { alreadyNoticed, type ExpiryCursor, expiringKeys, noteNotice } from './upkeep-store.ts';

/** The task's kind. Run it at least daily; more often does no harm. */
export const EXPIRY_TASK = 'key_expiry_notices';

const KINDS: readonly StoredKind[] = [
  'personal_access_token',
  'project_access_token',
  'group_access_token',
  'deploy_token',
];
const BATCH = 200;

/** Days before the date, and the name under which the notice is kept. APPEND ONLY: stored. */
const WINDOWS = [
  { notice: '7_days', from: 0, to: 7 },
  { notice: '30_days', from: 7, to: 30 },
  { notice: '60_days', from: 30, to: 60 },
] as const;
const EXPIRED = 'expired';

/** The handler of the task. */
export function expiryTask(house: House): TaskHandler {
  return async (_payload, context) => {
    const now = house.clock.now();
    const today = startOfDay(now);
    for (const window of WINDOWS) {
      const span = { from: Math.max(now, today + window.from * DAY), to: today + window.to * DAY };
      await eachKey(house, KINDS, span, window.notice, context.signal, (tx, key) => tellAll(tx, house, key));
    }
    const expired = { from: now - DAY, to: now };
    await eachKey(house, ['personal_access_token'], expired, EXPIRED, context.signal, (tx, key) =>
      tellOwner(tx, house, key, 'expired'),
    );
  };
}

async function eachKey(
  house: House,
  kinds: readonly StoredKind[],
  span: { readonly from: number; readonly to: number },
  notice: string,
  signal: AbortSignal,
  tell: (tx: Tx, key: Credential) => Promise<void>,
): Promise<void> {
  let after: ExpiryCursor = { expiresAt: span.from, id: Number.MAX_SAFE_INTEGER };
  while (!signal.aborted) {
    const keys = await expiringKeys(house.db.list, kinds, after, span.to, BATCH);
    const last = keys.at(-1);
    if (last === undefined || last.expires_at === null) return;
    after = { expiresAt: last.expires_at, id: last.id };
    const done = await alreadyNoticed(
      house.db.list,
      keys.map((key) => key.id),
      notice,
    );
    for (const key of keys)
      if (!done.has(key.id))
        await house.db.tx(async (tx) => {
          if (await noteNotice(tx, key.id, notice, house.clock.now())) await tell(tx, key);
        });
  }
}

/** Personal tokens: their owner. Project and group tokens and deploy tokens: the people in charge of the place. */
async function tellAll(tx: Tx, house: House, key: Credential): Promise<void> {
  const { people, where } = await recipients(tx, house, key);
  for (const person of people) if (isMailable(house, person)) await tellExpiring(tx, house, person, key, where);
}

async function recipients(tx: Tx, house: House, key: Credential): Promise<{ people: User[]; where: string | null }> {
  const place = placeOfKey(key);
  if (place === null) {
    const owner = key.user_id === null ? null : await findUser(tx, key.user_id);
    return { people: owner ? [owner] : [], where: null };
  }
  const level = place.type === 'project' ? MAINTAINER : OWNER;
  const people = await peopleInCharge(tx, place, level, isoDate(house.clock.now()));
  const names = await placeNames(tx, place);
  return { people, where: `the ${place.type} ${names?.path ?? place.id}` };
}

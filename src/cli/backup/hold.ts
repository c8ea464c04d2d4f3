// Maintenance stands still while a backup copies: who holds it, for how long, and when the hold of a backup that was killed may be
// taken over. It knows nothing of what is copied meanwhile.
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import type { Services } from '../../doors/services.ts';
import { isoTime, MINUTE } from '../../kernel/clock.ts';
import { randomHex } from '../../kernel/random.ts';
import type { Tx } from '../../storage/database.ts';
import { currentHold, dropHold, MAINTENANCE, takeHold } from '../../storage/hold-store.ts';

const HOLD = 10 * MINUTE;

export interface MaintenanceHold {
  /** Throws a sentence when the hold has lapsed in between: what was copied since may lack what maintenance removed. */
  assertUnbroken(): void;
  letGo(): Promise<void>;
}

/**
 * Holds maintenance until it is let go; `begun` runs in the transaction that takes the hold. Throws a sentence when another backup
 * is under way. The hold of a process of this machine that is no longer there is taken over; any other ends after ten minutes.
 */
export async function holdMaintenance(
  { db, clock }: Pick<Services, 'db' | 'clock'>,
  begun: (tx: Tx) => Promise<void>,
): Promise<MaintenanceHold> {
  const holder = holderName();
  let until = clock.now() + HOLD;
  let isBroken = false;
  await db.tx(async (tx) => {
    const now = clock.now();
    const hold = { name: MAINTENANCE, holder, now, until };
    if (!(await takeHold(tx, hold))) {
      const other = await currentHold(tx, MAINTENANCE);
      if (other && isDead(other.holder)) await dropHold(tx, MAINTENANCE, other.holder);
      if (!(await takeHold(tx, hold)))
        throw new Error(
          `another backup is under way, or was killed on another machine: its hold ends by itself at ${isoTime(other?.until ?? until)}`,
        );
    }
    await begun(tx);
  });
  const renew = async (): Promise<void> => {
    const now = clock.now();
    if (now > until) isBroken = true;
    const next = now + HOLD;
    if (await db.tx((tx) => takeHold(tx, { name: MAINTENANCE, holder, now, until: next }))) until = next;
    else isBroken = true;
  };
  // A renewal that fails is tried again at the next turn, well before the hold ends.
  const renewal = setInterval(() => void renew().catch(() => {}), HOLD / 4);
  return {
    assertUnbroken() {
      if (isBroken || clock.now() > until)
        throw new Error('the backup could not hold maintenance back all the time and may lack objects: make it again');
    },
    async letGo() {
      clearInterval(renewal);
      await db.tx((tx) => dropHold(tx, MAINTENANCE, holder));
    },
  };
}

/** This process, told from every other one of this machine, `<machine>/<pid>/<start>`; elsewhere a random word. */
function holderName(): string {
  const machine = machineName();
  const started = startOf(process.pid);
  return machine === null || started === null ? randomHex(8) : `${machine}/${process.pid}/${started}`;
}

/** Where a process id means one process: this boot, this namespace of ids. Null where the system does not tell (macOS). */
function machineName(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const text = `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
    return createHash('sha256').update(text).digest('hex').slice(0, 16);
  } catch {
    return null;
  }
}

/** When a process began, in ticks since the boot, or `gone` when it has ended; null: the system does not tell. */
function startOf(pid: number): string | null {
  try {
    // The name of the program stands in brackets and may hold anything; behind it every field is one word.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ');
    // One that nobody waited for keeps its number; in a container that may be for ever.
    return /^[ZXx]$/.test(fields[0]!) ? 'gone' : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** Whether the holder is a process of this machine that has ended for certain. */
function isDead(holder: string): boolean {
  const [machine, id, started] = holder.split('/');
  const pid = Number(id);
  if (started === undefined || machine !== machineName() || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
  const now = startOf(pid);
  return now !== null && now !== started;
}

// What the audit remembers of refusals at every door: one row a minute for each known key or account, action and place, and one for
// each dead key, so that a stale script that asks a thousand times leaves one line; strangers are only counted. It is written beside the answer and never holds one up.
import type { Action } from '../../access/actions.ts';
import { ruleOf } from '../../access/actions.ts';
import type { UnresolvedPlace } from '../../access/place.ts';
import type { Refusal } from '../../access/refusal.ts';
import { type AuditInput, recordAudit } from '../../audit/record.ts';
import { findUser } from '../../credentials/holder-store.ts';
import { actingUser, holderName, type VerifiedCredential } from '../../credentials/verified-credential.ts';
import { MINUTE } from '../../kernel/clock.ts';
import type { Services } from '../services.ts';

const MAX_REMEMBERED = 10_000;

/** The doors that refuse people by name. */
export type RefusingDoor = 'rest' | 'git-http' | 'ssh';

const ENTITIES = {
  project: 'Project',
  group: 'Group',
  namespace: 'Group',
  instance: 'Gitlab::Audit::InstanceScope',
} as const;

export class RefusalAudit {
  readonly #services: Services;
  readonly #recent = new Map<string, number>();
  readonly #writing = new Set<Promise<void>>();

  constructor(services: Services) {
    this.#services = services;
  }

  /** Notes a refusal: a row for a key we know (a living one only when it wanted to change something), else a count. */
  note(door: RefusingDoor, refusal: Refusal, action: Action, place: UnresolvedPlace | null, ip: string | null): void {
    const credentialId = refusal.credential?.id ?? refusal.dead?.identified?.id ?? null;
    // A password has no row of its own: it is known by its account.
    const userId = refusal.credential ? (actingUser(refusal.credential)?.id ?? null) : null;
    if (credentialId === null && userId === null) {
      if (refusal.lock === 'alive')
        this.#services.refusals?.countRefusal({ ip: ip ?? 'unknown', door, code: refusal.code });
      return;
    }
    if (refusal.dead === null && ruleOf(action).effect === 'read') return;
    const ref = place === null || place.type === 'instance' ? '' : String(place.ref).slice(0, 255);
    // A dead key leaves one row a minute whatever it asks for, or it could fill the audit with made-up places.
    const who = credentialId ?? `user ${userId}`;
    const key = refusal.dead === null ? `${who} ${action} ${ref}` : `dead ${who}`;
    const now = this.#services.clock.now();
    const last = this.#recent.get(key);
    if (last !== undefined && now - last < MINUTE) return;
    if (this.#recent.size >= MAX_REMEMBERED) this.#recent.clear();
    this.#recent.set(key, now);
    const writing = this.#write(door, refusal, action, place, ref, ip).catch((error: unknown) => {
      this.#services.log.error({ err: error }, 'a refusal was not written to the audit');
    });
    this.#writing.add(writing);
    void writing.finally(() => this.#writing.delete(writing));
  }

  /** Waits until everything noted is stored (shutdown, tests). */
  async idle(): Promise<void> {
    await Promise.all(this.#writing);
  }

  async #write(
    door: RefusingDoor,
    refusal: Refusal,
    action: Action,
    place: UnresolvedPlace | null,
    ref: string,
    ip: string | null,
  ): Promise<void> {
    const { db, clock } = this.#services;
    const who = refusal.credential ? byCredential(refusal.credential) : await this.#byDead(refusal);
    await db.tx((tx) =>
      recordAudit(tx, {
        ...who,
        createdAt: clock.now(),
        door,
        action,
        result: 'refused',
        entityType: ENTITIES[place?.type ?? 'instance'],
        entityId: /^\d{1,15}$/.test(ref) ? Number(ref) : null,
        entityPath: ref === '' || /^\d+$/.test(ref) ? null : ref,
        ipAddress: ip,
        message: `refused: ${refusal.detail}`,
        details: { lock: refusal.lock, code: refusal.code, ...sudoDetail(refusal.credential) },
      }),
    );
  }

  async #byDead(refusal: Refusal): Promise<Who> {
    const identified = refusal.dead!.identified!;
    const user = identified.userId === null ? null : await findUser(this.#services.db.read, identified.userId);
    return {
      authorId: identified.userId,
      authorName: user?.username ?? identified.name,
      credentialId: identified.id,
      credentialKind: identified.kind,
      credentialName: identified.name,
    };
  }
}

const byServices = new WeakMap<Services, RefusalAudit>();

/** The one memory of refusals of all doors: whoever is refused twice in a minute leaves one row, whichever way he came. */
export function refusalAuditOf(services: Services): RefusalAudit {
  let audit = byServices.get(services);
  if (!audit) {
    audit = new RefusalAudit(services);
    byServices.set(services, audit);
  }
  return audit;
}

type Who = Pick<AuditInput, 'authorId' | 'authorName' | 'credentialId' | 'credentialKind' | 'credentialName'>;

function byCredential(credential: VerifiedCredential): Who {
  return {
    authorId: actingUser(credential)?.id ?? null,
    authorName: holderName(credential),
    credentialId: credential.id,
    credentialKind: credential.kind,
    credentialName: credential.name,
  };
}

function sudoDetail(credential: VerifiedCredential | null): Record<string, string> {
  return credential?.sudoBy ? { sudo_by: credential.sudoBy.username } : {};
}

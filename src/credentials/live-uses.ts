// Which key holds which stream or long poll open right now. Ending a key aborts them after the commit, so a revoked key's
// clone stops although it began while the key was alive. Only the end of a key and of who holds it cuts: who loses a role or a
// membership while his clone runs hears it to its end, and a push is decided again when git asks whether it may be kept.
import type { Database } from '../storage/database.ts';
import { actingUser, type VerifiedCredential } from './verified-credential.ts';

export interface LiveUse {
  /** aborted when the key ends */
  readonly signal: AbortSignal;
  /** Says at which project it runs, once that is known: a deploy key can be disabled there and good elsewhere. */
  at(projectId: number): void;
  /** the use is over; forget it */
  done(): void;
}

/** A deploy key in one project. */
export interface KeyAtProject {
  readonly credentialId: number;
  readonly projectId: number;
}

/** One use; its signal is made for those who look at it, because most requests are over before anything could end them. */
class Use implements LiveUse {
  readonly credentialId: number | null;
  readonly userId: number | null;
  /** the user it acts as; null for a deploy key, which clones on whatever becomes of its creator */
  readonly actsAs: number | null;
  readonly isDeployKey: boolean;
  /** where it runs; null as long as that is not known */
  projectId: number | null = null;
  readonly #uses: Set<Use>;
  #controller: AbortController | null = null;
  #isCut = false;

  constructor(uses: Set<Use>, credential: VerifiedCredential) {
    this.#uses = uses;
    this.credentialId = credential.id;
    this.userId = responsibleUser(credential);
    this.actsAs = actingUser(credential)?.id ?? null;
    this.isDeployKey = credential.holder.type === 'deploy_key';
    uses.add(this);
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isCut) this.#abort();
    return this.#controller.signal;
  }

  at(projectId: number): void {
    this.projectId = projectId;
  }

  done(): void {
    this.#uses.delete(this);
  }

  cut(): void {
    this.done();
    this.#isCut = true;
    this.#abort();
  }

  #abort(): void {
    this.#controller?.abort(new Error('the key was ended'));
  }
}

export class LiveUses {
  readonly #entries = new Set<Use>();

  /** Registers a use under a credential until `done`. */
  open(credential: VerifiedCredential): LiveUse {
    return new Use(this.#entries, credential);
  }

  /** Ends every use under one of these keys. */
  cut(credentialIds: readonly number[]): void {
    const ids = new Set(credentialIds);
    this.#cutWhere((entry) => entry.credentialId !== null && ids.has(entry.credentialId));
  }

  /** Ends the uses of a key in one project. One that has not said yet where it runs may have been let in there: it ends, too. */
  cutAt(places: readonly KeyAtProject[]): void {
    const lost = new Set(places.map(placeKey));
    const keys = new Set(places.map((place) => place.credentialId));
    this.#cutWhere(({ credentialId, projectId }) => {
      if (credentialId === null || !keys.has(credentialId)) return false;
      return projectId === null || lost.has(placeKey({ credentialId, projectId }));
    });
  }

  /** Ends every use as this user, by password included (block, delete). */
  cutUser(userId: number): void {
    this.#cutWhere((entry) => entry.userId === userId);
  }

  /** Ends everything (shutdown after the drain). */
  cutAll(): void {
    this.#cutWhere(() => true);
  }

  /** The keys that hold something open, and the users that they act as, each once. */
  held(): { credentialIds: number[]; userIds: number[] } {
    const entries = [...this.#entries];
    const once = (ids: readonly (number | null)[]) => [...new Set(ids)].filter((id) => id !== null);
    return {
      credentialIds: once(entries.map((entry) => entry.credentialId)),
      userIds: once(entries.map((entry) => entry.actsAs)),
    };
  }

  /** The projects in which deploy keys hold something open. A pair stands as often as there are uses of it. */
  heldByDeployKeys(): KeyAtProject[] {
    return [...this.#entries].flatMap(({ isDeployKey, credentialId, projectId }) =>
      isDeployKey && credentialId !== null && projectId !== null ? [{ credentialId, projectId }] : [],
    );
  }

  /** How many uses are open; a metric. */
  get size(): number {
    return this.#entries.size;
  }

  #cutWhere(matches: (entry: Use) => boolean): void {
    for (const entry of [...this.#entries]) if (matches(entry)) entry.cut();
  }
}

const placeKey = ({ credentialId, projectId }: KeyAtProject): string => `${credentialId} ${projectId}`;

const byDatabase = new WeakMap<Database, LiveUses>();

/** The live uses of the process that works on this database: one for all doors and rooms. */
export function liveUsesOf(house: { readonly db: Database }): LiveUses {
  let uses = byDatabase.get(house.db);
  if (!uses) {
    uses = new LiveUses();
    byDatabase.set(house.db, uses);
  }
  return uses;
}

/** Whose end or block ends the use: the user it acts as; for a deploy key its creator (reference git-and-deploy 6.5). */
function responsibleUser(credential: VerifiedCredential): number | null {
  if (credential.holder.type === 'deploy_key') return credential.holder.creator?.id ?? null;
  return actingUser(credential)?.id ?? null;
}

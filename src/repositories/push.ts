// A push, whatever door it came through: judged ref by ref, written down before refs move, and completed exactly once. git's
// own wire and REST commits both come here, so they cannot differ. How the refs move is for the caller.
import { decide } from '../access/decide.ts';
import { atProject, type ProjectPlace } from '../access/place.ts';
import { listProtections } from '../access/protected-ref-store.ts';
import { matchingProtections } from '../access/protections.ts';
import { gatherRefFacts } from '../access/ref-facts.ts';
import { judgeRefUpdate, type RefRefusal, type RefUpdate } from '../access/ref-rules.ts';
import type { Refusal } from '../access/refusal.ts';
import type { Actor } from '../credentials/actor.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { isForced, type Quarantine } from './ancestry.ts';
import type { RepositoryHouse } from './house.ts';
import { completePush } from './push-completion.ts';
import { insertPush, type MovedRef } from './push-store.ts';
import type { ObjectId } from './ref-names.ts';
import { isEmpty, refsContaining } from './refs.ts';

/** The actions whose proof lets refs move. */
export type PushAction =
  | 'repository:push'
  | 'repository:commit'
  | 'branch:create'
  | 'branch:delete'
  | 'tag:create'
  | 'tag:delete';

export type PushRefusal = { readonly lock: Refusal } | { readonly rule: RefRefusal };

export interface PushWish {
  readonly actor: Actor;
  readonly action: PushAction;
  readonly place: ProjectPlace;
  readonly repositoryId: number;
  /** `web`: REST and the UI */
  readonly door: 'git' | 'web';
  readonly updates: readonly MovedRef[];
  readonly options: readonly string[];
  readonly quarantine?: Quarantine;
  /** whether a branch loses commits, where the caller knows it; else git is asked */
  readonly forced?: boolean;
}

/**
 * Asks every lock and every ref rule once more, in the transaction that writes the intent. Ok: the push's id, and the refs may
 * move now; call `completePush` afterwards, whatever happened. Refused: nothing was written.
 */
export async function intendPush(house: RepositoryHouse, wish: PushWish): Promise<Result<number, PushRefusal>> {
  const { repositories, db, clock } = house;
  const { credential } = wish.actor;
  const projectId = wish.place.project.id;
  // What git knows is asked before the transaction: inside it the database alone is waited for.
  const empty = await isEmpty(repositories, wish.repositoryId);
  const protections = await listProtections(db.read, projectId);
  const updates: RefUpdate[] = [];
  for (const moved of wish.updates) {
    const name = moved.ref.startsWith('refs/heads/') ? moved.ref.slice('refs/heads/'.length) : null;
    const ruled = name !== null && matchingProtections(protections, 'branch', name).length > 0;
    const kind = moved.oldId === null ? 'create' : moved.newId === null ? 'delete' : 'update';
    updates.push({
      ref: moved.ref,
      kind,
      forced: kind === 'update' && ruled && (wish.forced ?? (await isForcedMove(house, wish, moved))),
      inProtectedBranch:
        kind === 'create' && ruled && (await isInProtectedBranch(house, wish, moved.newId as ObjectId, protections)),
    });
  }

  return db.tx(async (tx): Promise<Result<number, PushRefusal>> => {
    const allowed = await decide(tx, clock, credential, { action: wish.action, place: atProject(projectId) });
    if (!allowed.ok) return err({ lock: allowed.error });
    const { place } = allowed.value as { readonly place: ProjectPlace };
    const facts = await gatherRefFacts(tx, clock, {
      credential,
      place,
      mayPush: true,
      empty,
      door: wish.door,
      url: house.url,
    });
    for (const update of updates) {
      const rule = judgeRefUpdate(facts, update);
      if (rule) return err({ rule });
    }
    return ok(
      await insertPush(tx, {
        projectId,
        repositoryId: wish.repositoryId,
        userId: actingUser(credential)?.id ?? null,
        credentialId: credential.id,
        door: wish.actor.door,
        updates: wish.updates,
        options: wish.options,
        now: clock.now(),
      }),
    );
  });
}

function isForcedMove(house: RepositoryHouse, wish: PushWish, moved: MovedRef): Promise<boolean> {
  const [oldId, newId] = [moved.oldId as ObjectId, moved.newId as ObjectId];
  return isForced(house.repositories, wish.repositoryId, oldId, newId, wish.quarantine);
}

async function isInProtectedBranch(
  house: RepositoryHouse,
  wish: PushWish,
  commitId: ObjectId,
  protections: Parameters<typeof matchingProtections>[0],
): Promise<boolean> {
  // A commit that is still in its quarantine lies in no branch at all; git says so by knowing no such object.
  const refs = await refsContaining(house.repositories, wish.repositoryId, commitId).catch(() => []);
  return refs.some((ref) => ref.type === 'branch' && matchingProtections(protections, 'branch', ref.name).length > 0);
}

/**
 * The whole of a push for doors that move refs themselves (REST): judge, write the intent, `move`, complete. Gives the refusal,
 * or null when it is done. What `move` throws is thrown on, after the push was completed with what really moved.
 */
export async function withPush(
  house: RepositoryHouse,
  wish: PushWish,
  move: () => Promise<void>,
): Promise<PushRefusal | null> {
  const intended = await intendPush(house, wish);
  if (!intended.ok) return intended.error;
  try {
    await move();
  } finally {
    await completePush(house, intended.value, wish.actor);
  }
  return null;
}

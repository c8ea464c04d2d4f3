// Deeds on LFS locks: a user keeps a path of a repository to himself until he or a Maintainer lets it go (reference
// git-and-deploy 9.1). Locks are people's: a deploy key may see them and hold none.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { type LfsProof, repositoryOf } from './lfs-objects.ts';
import { deleteLock, findLock, insertLock, type LfsLock, listLocks } from './lfs-store.ts';

export type LfsLockHouse = Pick<House, 'db' | 'clock'>;

export interface LockPage {
  readonly path?: string;
  readonly id?: number;
  /** the id behind which the page begins */
  readonly after: number;
  readonly limit: number;
}

const NO_PERMISSION = 'You have no permissions';
const NOT_MAINTAINER = 'You must have maintainer access to force delete a lock';

/** Whether `path` can be a file of a repository: relative, without `..` and control bytes, at most 1024 bytes. */
export function isLockablePath(path: string): boolean {
  if (path === '' || Buffer.byteLength(path) > 1024 || /[\u0000-\u001f\u007f]/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Locks a path for the acting user. `taken` with the lock of whoever has it. 403 for what acts as no user. */
export async function lockPath(
  house: LfsLockHouse,
  actor: Actor,
  allowed: Allowed<'repository:push'>,
  path: string,
): Promise<{ readonly lock: LfsLock; readonly taken: boolean }> {
  const user = actingUser(actor.credential);
  if (user === null) fail({ code: 'forbidden', reason: NO_PERMISSION });
  const repositoryId = repositoryOf(allowed.place);
  return house.db.tx(async (tx) => {
    const id = await insertLock(tx, { repositoryId, path, userId: user.id, now: house.clock.now() });
    const [lock] = await listLocks(tx, repositoryId, { path, after: 0, limit: 1 });
    // It was let go between the two statements: as good as taken, and gone.
    if (!lock) return fail({ code: 'conflict', reason: 'the path was unlocked just now' });
    if (id === null) return { lock, taken: true };
    await audit(tx, house, actor, allowed, lock, 'Locked a path');
    return { lock, taken: false };
  });
}

/** One page of locks in the order of their ids. */
export function readLocks(house: Pick<House, 'db'>, allowed: LfsProof, page: LockPage): Promise<LfsLock[]> {
  return listLocks(house.db.read, repositoryOf(allowed.place), page);
}

/**
 * Lets a lock go: one's own, or anybody's with `force` and its proof (null: force was asked for, and he may not). 404 `Lock`; 403
 * for a lock of another.
 */
export async function unlockPath(
  house: LfsLockHouse,
  actor: Actor,
  allowed: Allowed<'repository:push'>,
  id: number,
  force?: { readonly proof: Allowed<'lfs_lock:force_delete'> | null },
): Promise<LfsLock> {
  const user = actingUser(actor.credential);
  if (user === null) fail({ code: 'forbidden', reason: NO_PERMISSION });
  const repositoryId = repositoryOf(allowed.place);
  const proof = force?.proof?.place.project.id === allowed.place.project.id ? force.proof : null;
  return house.db.tx(async (tx) => {
    const lock = await findLock(tx, repositoryId, id);
    if (!lock) return fail({ code: 'not_found', thing: 'Lock' });
    const foreign = force ? NOT_MAINTAINER : `${lock.path} is locked by GitLab User ${lock.user_id}`;
    if (!(await deleteLock(tx, repositoryId, id, proof ? null : user.id))) fail({ code: 'forbidden', reason: foreign });
    await audit(tx, house, actor, allowed, lock, lock.user_id === user.id ? 'Unlocked a path' : FORCED);
    return lock;
  });
}

const FORCED = 'Forced a lock open';

async function audit(
  tx: Tx,
  house: LfsLockHouse,
  actor: Actor,
  { place: { project } }: Allowed<'repository:push'>,
  lock: LfsLock,
  message: string,
): Promise<void> {
  await auditDeed(tx, house, actor, {
    action: message === FORCED ? 'lfs_lock:force_delete' : 'repository:push',
    entityType: 'Project',
    entityId: project.id,
    entityPath: project.full_path,
    targetType: 'LFS lock',
    targetId: lock.id,
    targetDetails: lock.path,
    message,
  });
}

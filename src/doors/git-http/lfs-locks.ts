// The lock routes in git-lfs' JSON (reference git-and-deploy 9.1). Pages follow each other by the id of their last lock.
import { decide } from '../../access/decide.ts';
import { atProject } from '../../access/place.ts';
import { actingUser } from '../../credentials/verified-credential.ts';
import { isoTime } from '../../kernel/clock.ts';
import { isLockablePath, type LockPage, lockPath, readLocks, unlockPath } from '../../repositories/lfs-locks.ts';
import type { LfsProof } from '../../repositories/lfs-objects.ts';
import type { LfsLock } from '../../repositories/lfs-store.ts';
import type { Services } from '../services.ts';
import { readLfsBody } from './lfs-body.ts';
import type { LfsCall } from './lfs-call.ts';
import { lfsReply, refuseLfs, sendLfs } from './lfs-replies.ts';

const PAGE = 100;

/** `POST /info/lfs/locks` */
export async function createLock(call: LfsCall<'repository:push'>): Promise<void> {
  const { services, exchange, actor, allowed } = call;
  const { path } = await readLfsBody(exchange);
  if (typeof path !== 'string' || !isLockablePath(path))
    return refuseLfs(exchange, services.url, lfsReply(422, 'path is invalid'));
  const { lock, taken } = await lockPath(services, actor, allowed, path);
  if (!taken) return sendLfs(exchange, 201, { lock: present(lock) });
  refuseLfs(exchange, services.url, lfsReply(409, 'already locked', { lock: present(lock) }));
}

/** `GET /info/lfs/locks` */
export async function listOfLocks(call: LfsCall<'repository:pull'>, query: URLSearchParams): Promise<void> {
  const { services, exchange, allowed } = call;
  const path = query.get('path');
  const id = query.get('id');
  const page = pageOf(query.get('cursor'), query.get('limit'));
  const { locks, ...next } = await readPage(services, allowed, {
    ...page,
    ...(path && { path }),
    // No lock has the id 0, as none has one that is no number.
    ...(id && { id: positive(id) ?? 0 }),
  });
  sendLfs(exchange, 200, { locks: locks.map(present), ...next });
}

/** `POST /info/lfs/locks/verify`: whose the locks are, for the client that is about to push. */
export async function verifyLocks(call: LfsCall<'repository:push'>): Promise<void> {
  const { services, exchange, allowed, credential } = call;
  const { cursor, limit } = await readLfsBody(exchange);
  const { locks, ...next } = await readPage(services, allowed, pageOf(cursor, limit));
  const own = actingUser(credential)?.id;
  sendLfs(exchange, 200, {
    ours: locks.filter((lock) => lock.user_id === own).map(present),
    theirs: locks.filter((lock) => lock.user_id !== own).map(present),
    ...next,
  });
}

/** `POST /info/lfs/locks/{id}/unlock` */
export async function unlock(call: LfsCall<'repository:push'>, id: number): Promise<void> {
  const { services, exchange, actor, allowed, credential } = call;
  const { force } = await readLfsBody(exchange);
  const forced = force === true || force === 'true' ? await mayForce(call) : undefined;
  const lock = await unlockPath(services, actor, allowed, id, forced);
  sendLfs(exchange, 200, { lock: present(lock) });

  async function mayForce({ allowed }: LfsCall<'repository:push'>) {
    const place = atProject(allowed.place.project.id);
    const decided = await decide(services.db.read, services.clock, credential, {
      action: 'lfs_lock:force_delete',
      place,
    });
    return { proof: decided.ok ? decided.value : null };
  }
}

function present(lock: LfsLock) {
  return {
    id: String(lock.id),
    path: lock.path,
    locked_at: isoTime(lock.locked_at),
    owner: { name: lock.owner },
  };
}

function pageOf(cursor: unknown, limit: unknown): LockPage {
  return { after: positive(cursor) ?? 0, limit: Math.min(positive(limit) ?? PAGE, PAGE) };
}

/** A page, and where the next one begins when there is one. */
async function readPage(
  services: Services,
  allowed: LfsProof,
  page: LockPage,
): Promise<{ readonly locks: readonly LfsLock[]; readonly next_cursor?: string }> {
  const found = await readLocks(services, allowed, { ...page, limit: page.limit + 1 });
  const locks = found.slice(0, page.limit);
  return { locks, ...(found.length > locks.length && { next_cursor: String(locks.at(-1)!.id) }) };
}

function positive(value: unknown): number | null {
  return /^[1-9][0-9]{0,14}$/.test(String(value)) ? Number(value) : null;
}

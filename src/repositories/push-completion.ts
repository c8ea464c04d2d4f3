// What follows a push: its row is ended with the refs that really moved, and the project learns of it (activity, default
// branch and its protection, audit) in that same transaction. It runs once for each push, here or at the next start.
import { loadNamespace } from '../access/facts-store.ts';
import { protectDefaultBranch } from '../access/protected-ref-store.ts';
import { branchProtectionOf } from '../access/ref-facts.ts';
import { recordAudit } from '../audit/record.ts';
import { type Actor, auditDeed, type Deed } from '../credentials/actor.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { findUser } from '../credentials/holder-store.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import { findProject, updateProject } from '../identity/project-store.ts';
import type { Project } from '../identity/records.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import { enqueue } from '../tasks/enqueue.ts';
import type { RepositoryHouse } from './house.ts';
import { MAINTENANCE_DELAY, MAINTENANCE_TASK } from './maintenance.ts';
import { endPush, findPush, type MovedRef, type PushRow, unfinishedPushes } from './push-store.ts';
import type { ObjectId, RefName } from './ref-names.ts';
import { defaultBranch, readRefs } from './refs.ts';

/**
 * Ends a push: compares what it meant with what the refs are now. Refs that did not move are left out; when none did, it is
 * abandoned. Does nothing when the push was ended before. Without an actor (reconcile) the audit names what the row remembers.
 */
export async function completePush(house: RepositoryHouse, pushId: number, actor: Actor | null): Promise<void> {
  const push = await findPush(house.db.read, pushId);
  if (push?.state !== 'intended') return;
  const moved = await movedRefs(house, push);
  const head = moved.length > 0 ? await newDefaultBranch(house, push, moved) : null;
  await house.db.tx(async (tx) => {
    const now = house.clock.now();
    const ended = await endPush(tx, pushId, moved, now);
    if (!ended || moved.length === 0) return;
    await enqueue(tx, {
      kind: MAINTENANCE_TASK,
      payload: { repositoryId: push.repository_id },
      now,
      runAt: now + MAINTENANCE_DELAY,
      uniqueKey: `${MAINTENANCE_TASK}:${push.repository_id}`,
    });
    const project = await updateProject(tx, push.project_id, { last_activity_at: now });
    if (!project) return;
    if (head !== null) {
      if (head !== project.default_branch) await updateProject(tx, project.id, { default_branch: head });
      const settings = await readSettings(tx);
      const namespace = await loadNamespace(tx, project.namespace_id, 'any');
      const level = settings.default_branch_protection;
      await protectDefaultBranch(tx, project.id, head, namespace ? branchProtectionOf(namespace, level) : level, now);
    }
    await audit(tx, house, actor, push, project, moved);
  });
}

/** Ends what an earlier process began and could not end. Run it at start, before doors open. Answers how many. */
export async function reconcilePushes(house: RepositoryHouse): Promise<number> {
  let count = 0;
  let after = 0;
  for (;;) {
    const rows = await unfinishedPushes(house.db.read, after, 100);
    for (const row of rows) {
      await completePush(house, row.id, null);
      after = row.id;
      count += 1;
    }
    if (rows.length === 0) return count;
  }
}

async function movedRefs(house: RepositoryHouse, push: PushRow): Promise<MovedRef[]> {
  if (!(await house.repositories.exists(push.repository_id))) return [];
  const updates = JSON.parse(push.updates) as MovedRef[];
  const current = await readRefs(
    house.repositories,
    push.repository_id,
    updates.map((update) => update.ref as RefName),
  );
  return updates.filter((update) => (current.get(update.ref as RefName) ?? null) === update.newId);
}

/**
 * The default branch that this push brought into being, or null when it brought none: the one the project names when it was
 * pushed, else the first branch of the push.
 */
async function newDefaultBranch(
  house: RepositoryHouse,
  push: PushRow,
  moved: readonly MovedRef[],
): Promise<string | null> {
  const made = moved.filter((update) => update.oldId === null && update.ref.startsWith('refs/heads/'));
  if (made.length === 0) return null;
  const project = await findProject(house.db.read, push.project_id);
  if (!project) return null;
  const named = project.default_branch ?? (await defaultBranch(house.repositories, push.repository_id)) ?? 'main';
  const namedRef = `refs/heads/${named}`;
  if (made.some((update) => update.ref === namedRef)) return named;
  const there = await readRefs(house.repositories, push.repository_id, [namedRef as RefName]);
  if ((there.get(namedRef as RefName) ?? (null as ObjectId | null)) !== null) return null;
  const first = made[0]!.ref.slice('refs/heads/'.length);
  await house.repositories.setHead(push.repository_id, first);
  return first;
}

async function audit(
  tx: Tx,
  house: RepositoryHouse,
  actor: Actor | null,
  push: PushRow,
  project: Project,
  moved: readonly MovedRef[],
): Promise<void> {
  const shown = moved.slice(0, 50);
  const deed: Deed = {
    action: 'repository:push',
    entityType: 'Project',
    entityId: project.id,
    entityPath: project.full_path,
    targetType: 'Push',
    targetId: push.id,
    targetDetails: shown.map((update) => update.ref).join(' '),
    message: `Pushed ${moved.length === 1 ? moved[0]!.ref : `${moved.length} refs`}`,
    details: { refs: shown, count: moved.length, ...deployTokenName(actor?.credential) },
  };
  if (actor) return auditDeed(tx, house, actor, deed);
  const user = push.user_id === null ? null : await findUser(tx, push.user_id);
  const credential = push.credential_id === null ? null : await findCredential(tx, push.credential_id);
  await recordAudit(tx, {
    ...deed,
    createdAt: house.clock.now(),
    authorId: push.user_id,
    authorName: user?.username ?? credential?.username ?? credential?.name ?? 'unknown',
    credentialId: push.credential_id,
    credentialKind: credential?.kind ?? null,
    credentialName: credential?.name ?? null,
    door: push.door,
    ipAddress: null,
  });
}

function deployTokenName(credential: VerifiedCredential | undefined): Record<string, string> {
  return credential?.holder.type === 'deploy_token' ? { username: credential.holder.username } : {};
}

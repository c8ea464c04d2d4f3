// Deeds on the rules that protect branches and tags: add, change, take away. Who may do so the proof says; what a rule may list
// is checked here (reference git-and-deploy 11.3).
import type { Allowed } from '../access/allowed.ts';
import { loadNamespace } from '../access/facts-store.ts';
import {
  deleteEntry,
  deleteProtection,
  type EntryWish,
  findProtection,
  insertEntry,
  insertProtection,
  type ProtectionWish,
  updateEntry,
  updateProtection,
  writingDeployKeys,
} from '../access/protected-ref-store.ts';
import type { LevelOperation, ProtectedRefType, Protection } from '../access/protections.ts';
import { gatherRefFacts } from '../access/ref-facts.ts';
import { mayUnprotect } from '../access/ref-rules.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import { findUser } from '../credentials/holder-store.ts';
import { fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';

type Proof = Allowed<'protected_ref:manage'>;

/** A change of a rule's entries: with `id` one that is there, with `destroy` to remove it, without `id` a new one. */
export interface EntryChange extends EntryWish {
  readonly id?: number | undefined;
  readonly destroy?: boolean | undefined;
}

export interface ProtectionChange {
  readonly allowForcePush?: boolean | undefined;
  readonly codeOwnerApprovalRequired?: boolean | undefined;
  readonly entries: Partial<Record<LevelOperation, readonly EntryChange[]>>;
}

const WORDS = { branch: 'Protected branch', tag: 'Protected tag' } as const;

/** Adds a rule. Fails with `conflict` for a name that has one, `unprocessable` for a key, user or group that it may not list. */
export async function protect(
  house: House,
  actor: Actor,
  allowed: Proof,
  type: ProtectedRefType,
  wish: ProtectionWish,
): Promise<Protection> {
  const { project } = allowed.place;
  return house.db.tx(async (tx) => {
    for (const entry of Object.values(wish.levels).flat()) await checkEntry(tx, project.id, entry);
    const id = await insertProtection(tx, project.id, type, wish, house.clock.now());
    if (id === null) fail({ code: 'conflict', reason: `${WORDS[type]} '${wish.name}' already exists` });
    await audit(tx, house, actor, allowed, type, wish.name, 'Protected');
    return (await findProtection(tx, project.id, type, wish.name))!;
  });
}

/** Changes a rule; null when there is none of that name. */
export async function changeProtection(
  house: House,
  actor: Actor,
  allowed: Proof,
  type: ProtectedRefType,
  name: string,
  change: ProtectionChange,
): Promise<Protection | null> {
  const { project } = allowed.place;
  return house.db.tx(async (tx) => {
    const rule = await findProtection(tx, project.id, type, name);
    if (rule === null) return null;
    const switches: { allowForcePush?: boolean; codeOwnerApprovalRequired?: boolean } = {};
    if (change.allowForcePush !== undefined) switches.allowForcePush = change.allowForcePush;
    if (change.codeOwnerApprovalRequired !== undefined)
      switches.codeOwnerApprovalRequired = change.codeOwnerApprovalRequired;
    await updateProtection(tx, rule.id, switches);
    for (const operation of ['push', 'merge', 'unprotect', 'create'] as const)
      for (const entry of change.entries[operation] ?? []) await changeEntry(tx, project.id, rule.id, operation, entry);
    await audit(tx, house, actor, allowed, type, name, 'Changed the protection of');
    return findProtection(tx, project.id, type, name);
  });
}

async function changeEntry(
  tx: Tx,
  projectId: number,
  ruleId: number,
  operation: LevelOperation,
  entry: EntryChange,
): Promise<void> {
  const gone = () => fail({ code: 'not_found', thing: null });
  if (entry.id !== undefined && entry.destroy) {
    if (!(await deleteEntry(tx, ruleId, operation, entry.id))) gone();
    return;
  }
  await checkEntry(tx, projectId, entry);
  if (entry.id === undefined) await insertEntry(tx, ruleId, operation, entry);
  else if (!(await updateEntry(tx, ruleId, operation, entry.id, entry))) gone();
}

/** Takes a rule away; false when there is none. Fails with `forbidden` when the rule names who may and the caller is not among them. */
export async function unprotect(
  house: House,
  actor: Actor,
  allowed: Proof,
  type: ProtectedRefType,
  name: string,
): Promise<boolean> {
  const { project } = allowed.place;
  return house.db.tx(async (tx) => {
    const rule = await findProtection(tx, project.id, type, name);
    if (rule === null) return false;
    const facts = await gatherRefFacts(tx, house.clock, {
      credential: actor.credential,
      place: allowed.place,
      mayPush: true,
      empty: false,
      door: 'web',
      url: house.url,
    });
    if (!mayUnprotect(facts, rule)) fail({ code: 'forbidden', reason: null });
    if ((await deleteProtection(tx, project.id, type, name)) === null) return false;
    await audit(tx, house, actor, allowed, type, name, 'Unprotected');
    return true;
  });
}

async function checkEntry(tx: Tx, projectId: number, entry: EntryWish): Promise<void> {
  if (
    entry.deployKeyId != null &&
    !(await writingDeployKeys(tx, projectId, [entry.deployKeyId])).has(entry.deployKeyId)
  )
    fail({ code: 'unprocessable', reason: 'Push access levels deploy key is not enabled for this project' });
  if (entry.userId != null && (await findUser(tx, entry.userId))?.state !== 'active')
    fail({ code: 'unprocessable', reason: 'Push access levels user is not a member of the project' });
  if (entry.groupId != null && !(await loadNamespace(tx, entry.groupId, 'group')))
    fail({ code: 'unprocessable', reason: 'Push access levels group does not have access to the project' });
}

async function audit(
  tx: Tx,
  house: House,
  actor: Actor,
  allowed: Proof,
  type: ProtectedRefType,
  name: string,
  verb: string,
): Promise<void> {
  const { project } = allowed.place;
  await auditDeed(tx, house, actor, {
    action: 'protected_ref:manage',
    entityType: 'Project',
    entityId: project.id,
    entityPath: project.full_path,
    targetType: type === 'branch' ? 'ProtectedBranch' : 'ProtectedTag',
    targetId: name,
    targetDetails: name,
    message: `${verb} the ${type} ${name}`,
  });
}

// Keeps the rules that protect branches and tags. It stores what it is told; which levels are sound its callers check.
import { sql } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { LevelOperation, ProtectedRefType, Protection, ProtectionEntry } from './protections.ts';

/** A new entry; what is absent is null. */
export type EntryWish = Partial<Omit<ProtectionEntry, 'id'>>;

export interface ProtectionWish {
  readonly name: string;
  readonly allowForcePush?: boolean;
  readonly codeOwnerApprovalRequired?: boolean;
  readonly levels: Partial<Record<LevelOperation, readonly EntryWish[]>>;
}

interface RefRow {
  readonly id: number;
  readonly ref_type: ProtectedRefType;
  readonly name: string;
  readonly allow_force_push: 0 | 1;
  readonly code_owner_approval_required: 0 | 1;
}

async function complete(q: Queryable, rows: readonly RefRow[]): Promise<Protection[]> {
  if (rows.length === 0) return [];
  const entries = await q
    .selectFrom('protected_ref_levels')
    .selectAll()
    .where(
      'protected_ref_id',
      'in',
      rows.map((row) => row.id),
    )
    .orderBy('id')
    .execute();
  return rows.map((row) => {
    const levels: Record<LevelOperation, ProtectionEntry[]> = { push: [], merge: [], unprotect: [], create: [] };
    for (const entry of entries)
      if (entry.protected_ref_id === row.id)
        levels[entry.operation].push({
          id: entry.id,
          accessLevel: entry.access_level,
          userId: entry.user_id,
          groupId: entry.group_id,
          deployKeyId: entry.deploy_key_id,
        });
    return {
      id: row.id,
      type: row.ref_type,
      name: row.name,
      allowForcePush: row.allow_force_push === 1,
      codeOwnerApprovalRequired: row.code_owner_approval_required === 1,
      levels,
    };
  });
}

/** All rules of a project, oldest first. */
export async function listProtections(q: Queryable, projectId: number): Promise<Protection[]> {
  const rows = await q
    .selectFrom('protected_refs')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('id')
    .execute();
  return complete(q, rows);
}

/** One page of a project's rules whose name contains `search` (letter case ignored), and how many there are. */
export async function pageProtections(
  q: Queryable,
  projectId: number,
  type: ProtectedRefType,
  search: string,
  page: { readonly offset: number; readonly perPage: number },
): Promise<{ items: Protection[]; total: number }> {
  let query = q.selectFrom('protected_refs').where('project_id', '=', projectId).where('ref_type', '=', type);
  if (search !== '') {
    const pattern = `%${search.toLowerCase().replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
    query = query.where(sql<boolean>`lower(name) like ${pattern} escape '\\'`);
  }
  const { total } = await query.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  const rows = await query.selectAll().orderBy('name').limit(page.perPage).offset(page.offset).execute();
  return { items: await complete(q, rows), total: Number(total) };
}

/** The rule with exactly this name, or null. */
export async function findProtection(
  q: Queryable,
  projectId: number,
  type: ProtectedRefType,
  name: string,
): Promise<Protection | null> {
  const rows = await q
    .selectFrom('protected_refs')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('ref_type', '=', type)
    .where('name', '=', name)
    .execute();
  return (await complete(q, rows))[0] ?? null;
}

/** Adds a rule and gives its id; null when the project has one of that name. `now` in milliseconds. */
export async function insertProtection(
  tx: Tx,
  projectId: number,
  type: ProtectedRefType,
  wish: ProtectionWish,
  now: number,
): Promise<number | null> {
  const row = await tx
    .insertInto('protected_refs')
    .values({
      project_id: projectId,
      ref_type: type,
      name: wish.name,
      allow_force_push: wish.allowForcePush ? 1 : 0,
      code_owner_approval_required: wish.codeOwnerApprovalRequired ? 1 : 0,
      created_at: now,
    })
    .onConflict((conflict) => conflict.columns(['project_id', 'ref_type', 'name']).doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!row) return null;
  for (const operation of ['push', 'merge', 'unprotect', 'create'] as const)
    for (const entry of wish.levels[operation] ?? []) await insertEntry(tx, row.id, operation, entry);
  return row.id;
}

/** Adds one entry to a rule. */
export async function insertEntry(
  tx: Tx,
  protectionId: number,
  operation: LevelOperation,
  entry: EntryWish,
): Promise<void> {
  await tx
    .insertInto('protected_ref_levels')
    .values(entryValues(protectionId, operation, entry))
    .execute();
}

function entryValues(protectionId: number, operation: LevelOperation, entry: EntryWish) {
  return {
    protected_ref_id: protectionId,
    operation,
    access_level: entry.accessLevel ?? null,
    user_id: entry.userId ?? null,
    group_id: entry.groupId ?? null,
    deploy_key_id: entry.deployKeyId ?? null,
  };
}

/** Changes who an entry admits; false when the rule has no such entry for that operation. */
export async function updateEntry(
  tx: Tx,
  protectionId: number,
  operation: LevelOperation,
  id: number,
  entry: EntryWish,
): Promise<boolean> {
  const row = await tx
    .updateTable('protected_ref_levels')
    .set(entryValues(protectionId, operation, entry))
    .where('id', '=', id)
    .where('protected_ref_id', '=', protectionId)
    .where('operation', '=', operation)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Removes an entry; false when the rule has no such entry for that operation. */
export async function deleteEntry(
  tx: Tx,
  protectionId: number,
  operation: LevelOperation,
  id: number,
): Promise<boolean> {
  const row = await tx
    .deleteFrom('protected_ref_levels')
    .where('id', '=', id)
    .where('protected_ref_id', '=', protectionId)
    .where('operation', '=', operation)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Sets the rule's switches that are given. */
export async function updateProtection(
  tx: Tx,
  protectionId: number,
  change: { readonly allowForcePush?: boolean; readonly codeOwnerApprovalRequired?: boolean },
): Promise<void> {
  const set: { allow_force_push?: 0 | 1; code_owner_approval_required?: 0 | 1 } = {};
  if (change.allowForcePush !== undefined) set.allow_force_push = change.allowForcePush ? 1 : 0;
  if (change.codeOwnerApprovalRequired !== undefined)
    set.code_owner_approval_required = change.codeOwnerApprovalRequired ? 1 : 0;
  if (Object.keys(set).length === 0) return;
  await tx.updateTable('protected_refs').set(set).where('id', '=', protectionId).execute();
}

/** Removes the rule of that name with its entries; null when there is none, else its id. */
export async function deleteProtection(
  tx: Tx,
  projectId: number,
  type: ProtectedRefType,
  name: string,
): Promise<number | null> {
  const row = await tx
    .deleteFrom('protected_refs')
    .where('project_id', '=', projectId)
    .where('ref_type', '=', type)
    .where('name', '=', name)
    .returning('id')
    .executeTakeFirst();
  return row?.id ?? null;
}

const DEFAULT_LEVELS: Readonly<Record<number, { push: number; merge: number }>> = {
  1: { push: 30, merge: 30 },
  2: { push: 40, merge: 40 },
  3: { push: 40, merge: 30 },
  4: { push: 40, merge: 40 },
};

/**
 * Protects a project's default branch as the setting `default_branch_protection` says (reference git-and-deploy 11.1); 0 and
 * an existing rule of that name change nothing. `now` in milliseconds.
 */
export async function protectDefaultBranch(
  tx: Tx,
  projectId: number,
  branch: string,
  level: number,
  now: number,
): Promise<void> {
  const levels = DEFAULT_LEVELS[level];
  if (!levels) return;
  await insertProtection(
    tx,
    projectId,
    'branch',
    { name: branch, levels: { push: [{ accessLevel: levels.push }], merge: [{ accessLevel: levels.merge }] } },
    now,
  );
}

/** Title of deploy keys that are enabled with write access in a project, of those named; what a rule may list. */
export async function writingDeployKeys(
  q: Queryable,
  projectId: number,
  keyIds: readonly number[],
): Promise<Map<number, string>> {
  if (keyIds.length === 0) return new Map();
  const rows = await q
    .selectFrom('deploy_key_projects as d')
    .innerJoin('credentials as c', 'c.id', 'd.credential_id')
    .select(['c.id', 'c.name'])
    .where('d.project_id', '=', projectId)
    .where('d.can_push', '=', 1)
    .where('c.id', 'in', [...keyIds])
    .execute();
  return new Map(rows.map((row) => [row.id, row.name]));
}

/** Whether a deploy key may push in a project; false when it is not enabled there. */
export async function deployKeyCanPush(q: Queryable, projectId: number, keyId: number): Promise<boolean> {
  return (await writingDeployKeys(q, projectId, [keyId])).has(keyId);
}

/** Names of users and groups that entries speak of, for presenters. */
export async function entryNames(
  q: Queryable,
  ids: { readonly userIds: readonly number[]; readonly groupIds: readonly number[] },
): Promise<{ users: Map<number, string>; groups: Map<number, string> }> {
  const users = ids.userIds.length
    ? await q
        .selectFrom('users')
        .select(['id', 'name'])
        .where('id', 'in', [...ids.userIds])
        .execute()
    : [];
  const groups = ids.groupIds.length
    ? await q
        .selectFrom('namespaces')
        .select(['id', 'name'])
        .where('id', 'in', [...ids.groupIds])
        .execute()
    : [];
  return {
    users: new Map(users.map((row) => [row.id, row.name])),
    groups: new Map(groups.map((row) => [row.id, row.name])),
  };
}

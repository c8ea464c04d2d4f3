// The table `deploy_key_projects`: in which projects a deploy key is enabled, and where it may push (reference git-and-deploy
// 6.1). With the queries that need it beside the keys. Who may change it is for the deeds.
import { type Selectable, type SqlBool, sql } from 'kysely';
import type { KeyAtProject } from '../credentials/live-uses.ts';
import type { SshPublicKey } from '../credentials/ssh-key.ts';
import { asSshKeys, type SshKeyRow, sshKeys } from '../credentials/ssh-key-store.ts';
import { fullNames } from '../identity/namespace-store.ts';
import type { Project } from '../identity/records.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import { pageOf } from '../storage/page-store.ts';
import type { DeployKeyProjectTable } from '../storage/schema.ts';
import type { Condition } from './visible-store.ts';

/** One key enabled in one project. */
export type DeployKeyGrant = Selectable<DeployKeyProjectTable>;

/** A deploy key as it stands in one project. */
export type EnabledDeployKey = SshKeyRow & { readonly can_push: 0 | 1 };

/** A key by id, or by its whole text, comment included; its body is what finds it. */
export type WhichKey = { readonly id: number } | Pick<SshPublicKey, 'text' | 'sha256'>;

const isKey = (which: WhichKey) =>
  'id' in which
    ? sql<SqlBool>`c.id = ${which.id}`
    : sql<SqlBool>`(c.fingerprint = ${which.sha256} and k.key_text = ${which.text})`;

interface Slice {
  readonly offset: number;
  readonly perPage: number;
}

/** Where and how the key is enabled; null when it is not. */
export async function findGrant(q: Queryable, keyId: number, projectId: number): Promise<DeployKeyGrant | null> {
  const row = await q
    .selectFrom('deploy_key_projects')
    .selectAll()
    .where('credential_id', '=', keyId)
    .where('project_id', '=', projectId)
    .executeTakeFirst();
  return row ?? null;
}

/** A grant with its project, as lists show it. */
export interface GrantedProject extends DeployKeyGrant {
  readonly project: Project;
  /** `Group / Subgroup` */
  readonly namespaceName: string;
}

/** Every project in which some keys are enabled, deleted ones left out; oldest grant first. */
export async function grantsOf(q: Queryable, keyIds: readonly number[]): Promise<GrantedProject[]> {
  if (keyIds.length === 0) return [];
  const granted = q
    .selectFrom('deploy_key_projects as d')
    .innerJoin('projects as p', 'p.id', 'd.project_id')
    .where('d.credential_id', 'in', [...keyIds])
    .where('p.deleted_at', 'is', null);
  const rows = await granted.selectAll('d').orderBy('d.id').execute();
  // A public key may be enabled in more projects than a statement takes parameters.
  const projects = await q.selectFrom('projects').selectAll().where('id', 'in', granted.select('p.id')).execute();
  const namespaces = await q
    .selectFrom('namespaces')
    .selectAll()
    .where('id', 'in', granted.select('p.namespace_id'))
    .execute();
  const names = await fullNames(q, namespaces);
  const byId = new Map(projects.map((project) => [project.id, project]));
  return rows.flatMap((row) => {
    const project = byId.get(row.project_id);
    return project ? [{ ...row, project, namespaceName: names.get(project.namespace_id) ?? '' }] : [];
  });
}

/** One page of the keys enabled in a project, by id, and how many there are. */
export async function listEnabledKeys(
  q: Queryable,
  projectId: number,
  slice: Slice,
): Promise<{ rows: EnabledDeployKey[]; total: number }> {
  const counted = await q
    .selectFrom('deploy_key_projects')
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .where('project_id', '=', projectId)
    .executeTakeFirstOrThrow();
  const rows = await enabledIn(q, projectId).orderBy('c.id').limit(slice.perPage).offset(slice.offset).execute();
  return { rows: asEnabled(rows), total: Number(counted.total) };
}

/** A key as it is enabled in a project, by id or by its whole text; null when it is not. */
export async function findEnabledKey(
  q: Queryable,
  projectId: number,
  which: WhichKey,
): Promise<EnabledDeployKey | null> {
  const rows = await enabledIn(q, projectId).where(isKey(which)).execute();
  return asEnabled(rows)[0] ?? null;
}

const enabledIn = (q: Queryable, projectId: number) =>
  sshKeys(q)
    .innerJoin('deploy_key_projects as d', 'd.credential_id', 'c.id')
    .select('d.can_push')
    .where('d.project_id', '=', projectId);

function asEnabled(rows: Awaited<ReturnType<ReturnType<typeof enabledIn>['execute']>>): EnabledDeployKey[] {
  const keys = asSshKeys(rows);
  return rows.map((row, index) => ({ ...keys[index]!, can_push: row.can_push }));
}

const isEnabledWhere = (conditions: readonly Condition[]) =>
  sql<SqlBool>`exists (select 1 from deploy_key_projects d join projects p on p.id = d.project_id
    join namespaces n on n.id = p.namespace_id where d.credential_id = c.id
    and ${sql.join(conditions, sql` and `)})`;

/**
 * A deploy key, by id or by its whole text, that is public or enabled in a project of `condition` (over `p` and `n`); null for
 * others.
 */
export async function findAccessibleKey(
  q: Queryable,
  which: WhichKey,
  condition: Condition,
): Promise<SshKeyRow | null> {
  const query = sshKeys(q)
    .where('c.kind', '=', 'deploy_key')
    .where(isKey(which))
    .where((eb) => eb.or([eb('k.public', '=', 1), isEnabledWhere([condition])]));
  const row = await query.executeTakeFirst();
  return row ? asSshKeys([row])[0]! : null;
}

/** One page of deploy keys by id: all, only public ones, or those enabled in a project for which all of `enabledWhere` holds (over `p` and `n`). */
export async function listDeployKeys(
  q: Queryable,
  filter: { readonly publicOnly?: boolean; readonly enabledWhere?: readonly Condition[] },
  slice: Slice,
): Promise<{ rows: SshKeyRow[]; total: number }> {
  let query = sshKeys(q).where('c.kind', '=', 'deploy_key');
  if (filter.publicOnly) query = query.where('k.public', '=', 1);
  if (filter.enabledWhere) query = query.where(isEnabledWhere(filter.enabledWhere));
  const { rows, total } = await pageOf(q, query, query.orderBy('c.id'), slice);
  return { rows: asSshKeys(rows), total };
}

/** Whether a key is enabled in a project, not deleted, for which a condition (over `p` and `n`) holds or fails; or in another one. */
export async function isEnabledSomewhere(
  q: Queryable,
  keyId: number,
  where: { readonly holds: Condition } | { readonly fails: Condition } | { readonly besides: number },
): Promise<boolean> {
  const row = await q
    .selectFrom('deploy_key_projects as d')
    .innerJoin('projects as p', 'p.id', 'd.project_id')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .select('d.id')
    .where('d.credential_id', '=', keyId)
    .where('p.deleted_at', 'is', null)
    .where(conditionOf(where))
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

function conditionOf(where: Parameters<typeof isEnabledSomewhere>[2]) {
  if ('holds' in where) return sql<SqlBool>`${where.holds}`;
  return 'fails' in where ? sql<SqlBool>`not ${where.fails}` : sql<SqlBool>`p.id <> ${where.besides}`;
}

/** The ids of the deploy keys enabled in some projects; for the inventory of those who manage them. */
export async function keysEnabledIn(q: Queryable, projectIds: readonly number[]): Promise<number[]> {
  if (projectIds.length === 0) return [];
  const rows = await q
    .selectFrom('deploy_key_projects')
    .select('credential_id')
    .distinct()
    .where('project_id', 'in', [...projectIds])
    .execute();
  return rows.map((row) => row.credential_id);
}

/** Enables a key in a project; false when it was enabled there already, and then nothing changes. */
export async function insertGrant(
  tx: Tx,
  grant: { readonly keyId: number; readonly projectId: number; readonly canPush: boolean },
  now: number,
): Promise<boolean> {
  const row = await tx
    .insertInto('deploy_key_projects')
    .values({
      credential_id: grant.keyId,
      project_id: grant.projectId,
      can_push: grant.canPush ? 1 : 0,
      created_at: now,
      updated_at: now,
    })
    .onConflict((oc) => oc.columns(['credential_id', 'project_id']).doNothing())
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Says whether a key may push in one project, the others untouched; false when it is not enabled there. */
export async function setGrantPush(
  tx: Tx,
  keyId: number,
  projectId: number,
  canPush: boolean,
  now: number,
): Promise<boolean> {
  const row = await tx
    .updateTable('deploy_key_projects')
    .set({ can_push: canPush ? 1 : 0, updated_at: now })
    .where('credential_id', '=', keyId)
    .where('project_id', '=', projectId)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** Of these pairs of key and project, those in which the key is not enabled (any more). */
export async function notGranted(q: Queryable, pairs: readonly KeyAtProject[]): Promise<KeyAtProject[]> {
  const ids = (pick: (pair: KeyAtProject) => number) => [...new Set(pairs.map(pick))];
  if (pairs.length === 0) return [];
  const rows = await q
    .selectFrom('deploy_key_projects')
    .select(['credential_id', 'project_id'])
    .where(
      'credential_id',
      'in',
      ids((pair) => pair.credentialId),
    )
    .where(
      'project_id',
      'in',
      ids((pair) => pair.projectId),
    )
    .execute();
  const granted = new Set(rows.map((row) => `${row.credential_id} ${row.project_id}`));
  return pairs.filter((pair) => !granted.has(`${pair.credentialId} ${pair.projectId}`));
}

/** Takes keys out of projects, with what protected refs there said of them. Gives what was enabled where. */
export async function deleteGrants(
  tx: Tx,
  which: { readonly projectIds: readonly number[]; readonly keyId?: number } | { readonly keyId: number },
): Promise<KeyAtProject[]> {
  const projectIds = 'projectIds' in which ? [...which.projectIds] : null;
  if (projectIds?.length === 0) return [];
  let grants = tx.deleteFrom('deploy_key_projects');
  if (projectIds) grants = grants.where('project_id', 'in', projectIds);
  if (which.keyId !== undefined) grants = grants.where('credential_id', '=', which.keyId);
  const gone = await grants.returning(['credential_id', 'project_id']).execute();
  for (const grant of gone)
    await tx
      .deleteFrom('protected_ref_levels')
      .where('deploy_key_id', '=', grant.credential_id)
      .where('protected_ref_id', 'in', (eb) =>
        eb.selectFrom('protected_refs').select('id').where('project_id', '=', grant.project_id),
      )
      .execute();
  return gone.map((grant) => ({ credentialId: grant.credential_id, projectId: grant.project_id }));
}

/** Those of some keys that belong to no project any more and are not public: nothing can use or list them. */
export async function strandedKeys(q: Queryable, keyIds: readonly number[]): Promise<number[]> {
  if (keyIds.length === 0) return [];
  const rows = await q
    .selectFrom('ssh_keys as k')
    .select('k.credential_id')
    .where('k.credential_id', 'in', [...keyIds])
    .where('k.public', '=', 0)
    .where(sql<SqlBool>`not exists (select 1 from deploy_key_projects d where d.credential_id = k.credential_id)`)
    .execute();
  return rows.map((row) => row.credential_id);
}

// The tables `projects`, `repositories` (the row alone: the folder is the repositories room's) and `path_redirects`. Single
// projects and their changes; lists are in project-list-store.ts. It knows no rights.
import type { Insertable, Updateable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { ProjectTable } from '../storage/schema.ts';
import type { Namespace, Project } from './records.ts';

/** A project that is not deleted, by id. */
export async function findProject(q: Queryable, id: number): Promise<Project | null> {
  if (!Number.isSafeInteger(id)) return null;
  const query = q.selectFrom('projects').selectAll().where('id', '=', id).where('deleted_at', 'is', null);
  return (await query.executeTakeFirst()) ?? null;
}

/** What is taken in a namespace of a wished path and name: of the fields, those that clash. */
export async function takenFields(
  q: Queryable,
  namespace: Namespace,
  wish: { readonly path?: string | undefined; readonly name?: string | undefined },
  exceptProjectId = 0,
): Promise<('path' | 'name')[]> {
  const taken: ('path' | 'name')[] = [];
  if (wish.name !== undefined) {
    const { name } = wish;
    const row = await q
      .selectFrom('projects')
      .select('id')
      .where('namespace_id', '=', namespace.id)
      .where((eb) => eb(eb.fn<string>('lower', ['name']), '=', eb.fn<string>('lower', [eb.val(name)])))
      .where('deleted_at', 'is', null)
      .where('id', '<>', exceptProjectId)
      .executeTakeFirst();
    if (row) taken.push('name');
  }
  if (wish.path !== undefined) {
    const lower = `${namespace.full_path}/${wish.path}`.toLowerCase();
    const project = await q
      .selectFrom('projects')
      .select('id')
      .where('full_path_lower', '=', lower)
      .where('id', '<>', exceptProjectId)
      .executeTakeFirst();
    const group = await q.selectFrom('namespaces').select('id').where('full_path_lower', '=', lower).executeTakeFirst();
    if (project || group) taken.push('path');
  }
  return taken;
}

/**
 * Inserts a project into `namespace` (locked by `lockTrees`) together with its repository's row; null when path or name is
 * taken. An old path that leads elsewhere ends here.
 */
export async function insertProject(
  tx: Tx,
  namespace: Namespace,
  values: Omit<Insertable<ProjectTable>, 'namespace_id' | 'full_path' | 'full_path_lower' | 'repository_id'>,
): Promise<Project | null> {
  const fullPath = `${namespace.full_path}/${values.path}`;
  const project = await tx
    .insertInto('projects')
    .values({ ...values, namespace_id: namespace.id, full_path: fullPath, full_path_lower: fullPath.toLowerCase() })
    .onConflict((oc) => oc.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!project) return null;
  await forgetRedirect(tx, fullPath);
  const repository = await tx
    .insertInto('repositories')
    .values({ project_id: project.id, created_at: values.created_at, trashed_at: null })
    .returning('id')
    .executeTakeFirstOrThrow();
  return tx
    .updateTable('projects')
    .set({ repository_id: repository.id })
    .where('id', '=', project.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Changes what does not touch the path; null when the project is gone. A taken name throws UniqueViolation. */
export async function updateProject(
  tx: Tx,
  id: number,
  patch: Omit<
    Updateable<ProjectTable>,
    'id' | 'namespace_id' | 'path' | 'full_path' | 'full_path_lower' | 'deleted_at'
  >,
): Promise<Project | null> {
  const query = tx.updateTable('projects').set(patch).where('id', '=', id).where('deleted_at', 'is', null);
  return (await query.returningAll().executeTakeFirst()) ?? null;
}

/** Gives a project another path, another namespace or both; its old path keeps leading to it. The trees must be locked. */
export async function moveProject(
  tx: Tx,
  project: Project,
  to: { readonly namespace: Namespace; readonly path: string; readonly now: number },
): Promise<Project | null> {
  const fullPath = `${to.namespace.full_path}/${to.path}`;
  const lower = fullPath.toLowerCase();
  if (project.full_path_lower !== null && project.full_path_lower !== lower) {
    const target = { project_id: project.id, namespace_id: null, created_at: to.now };
    await tx
      .insertInto('path_redirects')
      .values({ full_path_lower: project.full_path_lower, ...target })
      .onConflict((oc) => oc.column('full_path_lower').doUpdateSet(target))
      .execute();
  }
  await forgetRedirect(tx, fullPath);
  const row = await tx
    .updateTable('projects')
    .set({
      namespace_id: to.namespace.id,
      path: to.path,
      full_path: fullPath,
      full_path_lower: lower,
      updated_at: to.now,
    })
    .where('id', '=', project.id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

/** Marks a project as deleted and frees its path; null when it was already. */
export async function deleteProjectRow(tx: Tx, id: number, now: number): Promise<Project | null> {
  const row = await tx
    .updateTable('projects')
    .set({ deleted_at: now, full_path_lower: null })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .returningAll()
    .executeTakeFirst();
  return row ?? null;
}

async function forgetRedirect(tx: Tx, fullPath: string): Promise<void> {
  await tx.deleteFrom('path_redirects').where('full_path_lower', '=', fullPath.toLowerCase()).execute();
}

/** The repositories of these projects that are not in the trash. */
export async function repositoriesOf(q: Queryable, projectIds: readonly number[]): Promise<number[]> {
  if (projectIds.length === 0) return [];
  const query = q.selectFrom('repositories').select('id').where('project_id', 'in', projectIds);
  return (await query.where('trashed_at', 'is', null).execute()).map((row) => row.id);
}

/** Notes that a repository's folder is in the trash; false when it was noted before. */
export async function markTrashed(tx: Tx, repositoryId: number, now: number): Promise<boolean> {
  const row = await tx
    .updateTable('repositories')
    .set({ trashed_at: now })
    .where('id', '=', repositoryId)
    .where('trashed_at', 'is', null)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** How many live forks each of these projects has; those without are missing. */
export async function forkCounts(q: Queryable, projectIds: readonly number[]): Promise<Map<number, number>> {
  if (projectIds.length === 0) return new Map();
  const rows = await q
    .selectFrom('projects')
    .select((eb) => ['forked_from_project_id as id', eb.fn.countAll<number>().as('count')])
    .where('forked_from_project_id', 'in', projectIds)
    .where('deleted_at', 'is', null)
    .groupBy('forked_from_project_id')
    .execute();
  return new Map(rows.map((row) => [row.id!, Number(row.count)]));
}

// The table `namespaces`: personal namespaces and groups in one tree with one space of paths. What changes the tree first
// locks the roots it touches, so that a path written beside a rename can never be left behind. It knows no rights.
import { type Insertable, sql, type Updateable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { NamespaceTable } from '../storage/schema.ts';
import { lineageIds, type Namespace } from './records.ts';

/** A namespace that is not deleted, by id. */
export async function findNamespace(q: Queryable, id: number): Promise<Namespace | null> {
  if (!Number.isSafeInteger(id)) return null;
  const query = q.selectFrom('namespaces').selectAll().where('id', '=', id).where('deleted_at', 'is', null);
  return (await query.executeTakeFirst()) ?? null;
}

/** A namespace that is not deleted, by full path in any letter case. */
export async function findNamespaceByPath(q: Queryable, fullPath: string): Promise<Namespace | null> {
  const query = q.selectFrom('namespaces').selectAll().where('full_path_lower', '=', fullPath.toLowerCase());
  return (await query.executeTakeFirst()) ?? null;
}

/** A user's personal namespace; bots and the ghost have none. */
export async function personalNamespace(q: Queryable, userId: number): Promise<Namespace | null> {
  const query = q.selectFrom('namespaces').selectAll().where('owner_user_id', '=', userId);
  return (await query.where('deleted_at', 'is', null).executeTakeFirst()) ?? null;
}

/** The namespaces of these ids, deleted ones left out, by id. */
export async function namespacesById(q: Queryable, ids: Iterable<number>): Promise<Map<number, Namespace>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const query = q.selectFrom('namespaces').selectAll().where('id', 'in', wanted).where('deleted_at', 'is', null);
  return new Map((await query.execute()).map((row) => [row.id, row]));
}

/** The names of namespaces with those above them, `Group / Subgroup`, by id. */
export async function fullNames(q: Queryable, namespaces: readonly Namespace[]): Promise<Map<number, string>> {
  const above = await namespacesById(
    q,
    namespaces.flatMap((namespace) => lineageIds(namespace.lineage)),
  );
  const named = (id: number) => above.get(id)?.name ?? '';
  return new Map(namespaces.map(({ id, lineage }) => [id, lineageIds(lineage).map(named).join(' / ')]));
}

/**
 * Locks the trees in which these namespaces lie until the transaction ends, and gives the namespaces as they are then,
 * in the order asked; null for one that is gone. Roots are locked in the order of their ids, so two calls cannot deadlock.
 */
export async function lockTrees(tx: Tx, ids: readonly number[]): Promise<(Namespace | null)[]> {
  for (;;) {
    const before = await namespacesById(tx, ids);
    const roots = [...new Set([...before.values()].map(rootOf))].sort((a, b) => a - b);
    for (const root of roots)
      await tx
        .updateTable('namespaces')
        .set((eb) => ({ lineage: eb.ref('lineage') }))
        .where('id', '=', root)
        .execute();
    const after = await namespacesById(tx, ids);
    // Moved to another tree between look and lock: that tree must be locked too.
    if ([...after.values()].every((row) => roots.includes(rootOf(row)))) return ids.map((id) => after.get(id) ?? null);
  }
}

function rootOf(namespace: Namespace): number {
  return lineageIds(namespace.lineage)[0]!;
}

/** Whether a live project or namespace has this full path. */
export async function isPathTaken(q: Queryable, fullPath: string): Promise<boolean> {
  const lower = fullPath.toLowerCase();
  const namespace = await q
    .selectFrom('namespaces')
    .select('id')
    .where('full_path_lower', '=', lower)
    .executeTakeFirst();
  if (namespace) return true;
  const project = await q.selectFrom('projects').select('id').where('full_path_lower', '=', lower).executeTakeFirst();
  return project !== undefined;
}

/**
 * Inserts a namespace below `parent` (locked by `lockTrees`) or at the top; null when the path is taken by a namespace.
 * A subgroup's path may also be a project's: ask `isPathTaken` first, under the same lock.
 */
export async function insertNamespace(
  tx: Tx,
  parent: Namespace | null,
  values: Omit<Insertable<NamespaceTable>, 'parent_id' | 'full_path' | 'full_path_lower' | 'lineage'>,
): Promise<Namespace | null> {
  const fullPath = parent ? `${parent.full_path}/${values.path}` : values.path;
  const row = await tx
    .insertInto('namespaces')
    .values({
      ...values,
      parent_id: parent?.id ?? null,
      full_path: fullPath,
      full_path_lower: fullPath.toLowerCase(),
      lineage: '',
    })
    .onConflict((oc) => oc.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!row) return null;
  return tx
    .updateTable('namespaces')
    .set({ lineage: `${parent?.lineage ?? '/'}${row.id}/` })
    .where('id', '=', row.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Changes what does not touch the tree; null when it is gone. */
export async function updateNamespace(
  tx: Tx,
  id: number,
  patch: Pick<Updateable<NamespaceTable>, 'name' | 'visibility' | 'description' | 'settings' | 'updated_at'>,
): Promise<Namespace | null> {
  const query = tx.updateTable('namespaces').set(patch).where('id', '=', id).where('deleted_at', 'is', null);
  return (await query.returningAll().executeTakeFirst()) ?? null;
}

/**
 * Gives a namespace another path, another parent or both, and rewrites the paths and lineages of everything below it. The
 * projects' old paths keep leading to them. The trees must be locked. A taken path throws UniqueViolation.
 */
export async function moveNamespace(
  tx: Tx,
  namespace: Namespace,
  to: { readonly parent: Namespace | null; readonly path: string; readonly now: number },
): Promise<Namespace> {
  const fullPath = to.parent ? `${to.parent.full_path}/${to.path}` : to.path;
  const lineage = `${to.parent?.lineage ?? '/'}${namespace.id}/`;
  const below = `${namespace.lineage}%`;
  const tail = namespace.full_path.length + 1;
  await rememberPaths(tx, below, to.now);
  await tx
    .updateTable('namespaces')
    .set({
      full_path: sql`${fullPath} || substr(full_path, ${tail})`,
      full_path_lower: sql`${fullPath.toLowerCase()} || substr(full_path_lower, ${tail})`,
      lineage: sql`${lineage} || substr(lineage, ${namespace.lineage.length + 1})`,
    })
    .where('lineage', 'like', below)
    .where('deleted_at', 'is', null)
    .execute();
  await tx
    .updateTable('projects')
    .set({
      full_path: sql`${fullPath} || substr(full_path, ${tail})`,
      full_path_lower: sql`${fullPath.toLowerCase()} || substr(full_path_lower, ${tail})`,
    })
    .where('deleted_at', 'is', null)
    .where('namespace_id', 'in', (eb) =>
      eb.selectFrom('namespaces').select('id').where('lineage', 'like', `${lineage}%`),
    )
    .execute();
  await forgetShadowedPaths(tx, lineage);
  return tx
    .updateTable('namespaces')
    .set({ path: to.path, parent_id: to.parent?.id ?? null, updated_at: to.now })
    .where('id', '=', namespace.id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Writes the present paths of all live projects below as redirects. */
async function rememberPaths(tx: Tx, below: string, now: number): Promise<void> {
  await tx
    .insertInto('path_redirects')
    .columns(['full_path_lower', 'project_id', 'namespace_id', 'created_at'])
    .expression((eb) =>
      eb
        .selectFrom('projects as p')
        .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
        .select((s) => [
          s.ref('p.full_path_lower').$notNull().as('full_path_lower'),
          s.ref('p.id').as('project_id'),
          sql<null>`null`.as('namespace_id'),
          sql<number>`${sql.lit(now)}`.as('created_at'),
        ])
        .where('n.lineage', 'like', below)
        .where('p.deleted_at', 'is', null),
    )
    .onConflict((oc) =>
      oc.column('full_path_lower').doUpdateSet((eb) => ({
        project_id: eb.ref('excluded.project_id'),
        created_at: eb.ref('excluded.created_at'),
      })),
    )
    .execute();
}

/** Drops redirects that a live project below `lineage` now answers itself. */
async function forgetShadowedPaths(tx: Tx, lineage: string): Promise<void> {
  await tx
    .deleteFrom('path_redirects')
    .where('full_path_lower', 'in', (eb) =>
      eb
        .selectFrom('projects as p')
        .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
        .select((s) => s.ref('p.full_path_lower').$notNull().as('path'))
        .where('n.lineage', 'like', `${lineage}%`)
        .where('p.full_path_lower', 'is not', null),
    )
    .execute();
}

/** The subtree of a namespace and the live projects in it. */
export async function subtree(
  q: Queryable,
  namespace: Namespace,
): Promise<{ groupIds: number[]; projectIds: number[] }> {
  const groups = await q
    .selectFrom('namespaces')
    .select('id')
    .where('lineage', 'like', `${namespace.lineage}%`)
    .where('deleted_at', 'is', null)
    .execute();
  const projects = await q
    .selectFrom('projects as p')
    .innerJoin('namespaces as n', 'n.id', 'p.namespace_id')
    .select('p.id')
    .where('n.lineage', 'like', `${namespace.lineage}%`)
    .where('p.deleted_at', 'is', null)
    .execute();
  return { groupIds: groups.map((row) => row.id), projectIds: projects.map((row) => row.id) };
}

/** Marks a namespace and all below it as deleted and frees every path. The tree must be locked. Null when it was gone. */
export async function deleteSubtree(
  tx: Tx,
  namespace: Namespace,
  now: number,
): Promise<{ groupIds: number[]; projectIds: number[] } | null> {
  const below = await subtree(tx, namespace);
  if (!below.groupIds.includes(namespace.id)) return null;
  await tx
    .updateTable('projects')
    .set({ deleted_at: now, full_path_lower: null })
    .where('deleted_at', 'is', null)
    .where('namespace_id', 'in', (eb) =>
      eb.selectFrom('namespaces').select('id').where('lineage', 'like', `${namespace.lineage}%`),
    )
    .execute();
  await tx
    .updateTable('namespaces')
    .set({ deleted_at: now, full_path_lower: null })
    .where('lineage', 'like', `${namespace.lineage}%`)
    .where('deleted_at', 'is', null)
    .execute();
  return below;
}

// Lowers visibilities in a whole subtree at once, after it moved below something less visible.
import type { Tx } from '../storage/database.ts';
import type { Visibility } from '../storage/schema.ts';

/** Everything below `lineage` whose visibility is not among `allowed` becomes `to`. */
export async function capVisibilityBelow(
  tx: Tx,
  lineage: string,
  allowed: readonly Visibility[],
  to: Visibility,
): Promise<void> {
  await tx
    .updateTable('namespaces')
    .set({ visibility: to })
    .where('lineage', 'like', `${lineage}%`)
    .where('visibility', 'not in', allowed)
    .execute();
  await tx
    .updateTable('projects')
    .set({ visibility: to })
    .where('visibility', 'not in', allowed)
    .where('namespace_id', 'in', (eb) =>
      eb.selectFrom('namespaces').select('id').where('lineage', 'like', `${lineage}%`),
    )
    .execute();
}

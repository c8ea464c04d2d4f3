// Whether the place of a key is still there when the key is made. A group or project that is deleted meanwhile ends the keys it
// finds; one that came after it would outlive its place.

import type { CredentialRow } from '../credentials/credential-rows.ts';
import { lockTrees } from '../identity/namespace-store.ts';
import { findProject } from '../identity/project-store.ts';
import type { Namespace, Project } from '../identity/records.ts';
import { fail } from '../kernel/faults.ts';
import type { Tx } from '../storage/database.ts';

/** A place as a proof carries it, as far as this file needs it. */
type ProvenPlace =
  | { readonly type: 'project'; readonly project: Pick<Project, 'id'>; readonly namespace: Pick<Namespace, 'id'> }
  | { readonly type: 'group'; readonly group: Pick<Namespace, 'id'> };

/** Holds the tree of the place until the transaction ends, so that nobody deletes it; 404 when somebody was quicker. */
export async function holdPlace(tx: Tx, place: ProvenPlace): Promise<void> {
  const [namespace] = await lockTrees(tx, [place.type === 'project' ? place.namespace.id : place.group.id]);
  if (place.type === 'group') {
    if (!namespace) fail({ code: 'not_found', thing: 'Group' });
    return;
  }
  if (!namespace || !(await findProject(tx, place.project.id))) fail({ code: 'not_found', thing: 'Project' });
}

/**
 * The same for a key that is rotated, known by its row. A place that is gone needs no word of its own: its end has ended the key,
 * which the rotation sees once it holds the place.
 */
export async function holdPlaceOfKey(tx: Tx, key: Pick<CredentialRow, 'project_id' | 'group_id'>): Promise<void> {
  const id = key.project_id === null ? key.group_id : (await findProject(tx, key.project_id))?.namespace_id;
  if (id != null) await lockTrees(tx, [id]);
}

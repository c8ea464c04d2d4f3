// The audit row of a deed on a deploy key: at the project where it was done, or at the instance; the key is its target.
import type { Action } from '../access/actions.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { Project } from '../identity/records.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';

/** Writes what was done to a deploy key; `project` null for deeds of the instance. */
export async function auditDeployKey(
  tx: Tx,
  house: House,
  actor: Actor,
  action: Action,
  deed: {
    readonly project: Project | null;
    readonly key: { readonly id: number; readonly name: string };
    readonly message: string;
    readonly details?: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const { project, key, message, details } = deed;
  await auditDeed(tx, house, actor, {
    action,
    ...(project
      ? { entityType: 'Project', entityId: project.id, entityPath: project.full_path }
      : { entityType: 'Gitlab::Audit::InstanceScope', entityId: null, entityPath: null }),
    targetType: 'deploy_key',
    targetId: key.id,
    targetDetails: key.name,
    message,
    details,
  });
}

// How deeds on people and places name them in their audit rows.
import type { EntityType } from '../audit/record.ts';
import type { Namespace, Project, User } from '../identity/records.ts';

interface Entity {
  readonly entityType: EntityType;
  readonly entityId: number | null;
  readonly entityPath: string | null;
}

export const ofProject = (project: Project): Entity => ({
  entityType: 'Project',
  entityId: project.id,
  entityPath: project.full_path,
});
export const ofGroup = (group: Namespace): Entity => ({
  entityType: 'Group',
  entityId: group.id,
  entityPath: group.full_path,
});
export const ofUser = (user: User): Entity => ({
  entityType: 'User',
  entityId: user.id,
  entityPath: user.username,
});
export const OF_INSTANCE: Entity = {
  entityType: 'Gitlab::Audit::InstanceScope',
  entityId: null,
  entityPath: null,
};

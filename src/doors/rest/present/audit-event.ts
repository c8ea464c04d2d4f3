// Audit events as JSON (reference git-and-deploy 12.10), with what we add inside `details`.
import type { AuditEvent } from '../../../audit/record.ts';
import { isoTime } from '../../../kernel/clock.ts';

/** An event; `authorEmail` is null for authors that are no users, or no longer. */
export function presentAuditEvent(event: AuditEvent, authorEmail: string | null) {
  return {
    id: event.id,
    author_id: event.authorId ?? -1,
    entity_id: event.entityId,
    entity_type: event.entityType,
    details: {
      ...event.details,
      custom_message: event.message,
      author_name: event.authorName,
      author_email: authorEmail,
      target_id: event.targetId,
      target_type: event.targetType,
      target_details: event.targetDetails,
      ip_address: event.ipAddress,
      entity_path: event.entityPath,
      credential_id: event.credentialId,
      credential_kind: event.credentialKind,
      door: event.door,
      action: event.action,
      result: event.result,
    },
    created_at: isoTime(event.createdAt),
  };
}

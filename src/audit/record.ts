// Who did what with which key: written in the deed's own transaction, so that there is no deed without its row and no
// row without its deed. It knows nothing of rights; it stores what it is told, and callers tell it no secrets.
import type { Queryable, Tx } from '../storage/database.ts';
import {
  type AuditFilters,
  type AuditPage,
  type AuditRow,
  countEvents,
  findEvent,
  insertEvent,
  selectEvents,
} from './audit-store.ts';

export type { AuditFilters, AuditPage } from './audit-store.ts';

export type EntityType = 'User' | 'Group' | 'Project' | 'Gitlab::Audit::InstanceScope';

export interface AuditInput {
  readonly createdAt: number;
  readonly authorId: number | null;
  readonly authorName: string;
  readonly credentialId: number | null;
  readonly credentialKind: string | null;
  readonly credentialName: string | null;
  readonly door: string;
  /** An action of access/actions.ts. */
  readonly action: string;
  /** `allowed` when left out. */
  readonly result?: AuditRow['result'];
  /** The place it happened in (reference git-and-deploy 12.10). */
  readonly entityType: EntityType;
  readonly entityId: number | null;
  readonly entityPath?: string | null;
  readonly targetType?: string | null;
  readonly targetId?: string | number | null;
  readonly targetDetails?: string | null;
  readonly ipAddress: string | null;
  /** A sentence for people. */
  readonly message: string;
  /** What else matters; never a secret. */
  readonly details?: Readonly<Record<string, unknown>> | null;
}

/** An event as it was recorded, with its id. */
export interface AuditEvent extends Required<Omit<AuditInput, 'entityType' | 'targetId'>> {
  readonly id: number;
  readonly entityType: string;
  readonly targetId: string | null;
}

function eventOf(row: AuditRow): AuditEvent {
  return {
    id: row.id,
    createdAt: row.created_at,
    authorId: row.author_id,
    authorName: row.author_name,
    credentialId: row.credential_id,
    credentialKind: row.credential_kind,
    credentialName: row.credential_name,
    door: row.door,
    action: row.action,
    result: row.result,
    entityType: row.entity_type,
    entityId: row.entity_id,
    entityPath: row.entity_path,
    targetType: row.target_type,
    targetId: row.target_id,
    targetDetails: row.target_details,
    ipAddress: row.ip_address,
    message: row.message,
    details: row.details === null ? null : (JSON.parse(row.details) as Record<string, unknown>),
  };
}

/** Writes the row of a deed and gives its id. */
export async function recordAudit(tx: Tx, event: AuditInput): Promise<number> {
  return insertEvent(tx, {
    created_at: event.createdAt,
    author_id: event.authorId,
    author_name: event.authorName,
    credential_id: event.credentialId,
    credential_kind: event.credentialKind,
    credential_name: event.credentialName,
    door: event.door,
    action: event.action,
    result: event.result ?? 'allowed',
    entity_type: event.entityType,
    entity_id: event.entityId,
    entity_path: event.entityPath ?? null,
    target_type: event.targetType ?? null,
    target_id: event.targetId === undefined || event.targetId === null ? null : String(event.targetId),
    target_details: event.targetDetails ?? null,
    ip_address: event.ipAddress,
    message: event.message,
    details: event.details ? JSON.stringify(event.details) : null,
  });
}

/** A page of events, newest first, and how many match in all: null above 10,000 (reference access-tokens 3.3). */
export async function listAudit(
  q: Queryable,
  filters: AuditFilters,
  page: AuditPage,
): Promise<{ events: AuditEvent[]; total: number | null }> {
  const rows = await selectEvents(q, filters, page);
  return { events: rows.map(eventOf), total: await countEvents(q, filters) };
}

/** One event by its id; null when there is none. */
export async function getAudit(q: Queryable, id: number): Promise<AuditEvent | null> {
  const row = await findEvent(q, id);
  return row === undefined ? null : eventOf(row);
}

// Audit events over REST (reference git-and-deploy 12.10), with filters of our own beside GitLab's.

import { MAX_COUNTED } from '../../../audit/audit-store.ts';
import { type AuditEvent, getAudit, listAudit } from '../../../audit/record.ts';
import { usersToShow } from '../../../identity/user-store.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import type { Services } from '../../services.ts';
import { presentAuditEvent } from '../present/audit-event.ts';
import { json, paged, type Route, route } from '../route.ts';
import { datetime, integer, none, object, oneOf, optional, text } from '../schema.ts';

async function presentAll(services: Services, events: readonly AuditEvent[]) {
  const authors = await usersToShow(
    services.db.read,
    events.map((event) => event.authorId),
  );
  return events.map((event) => {
    const author = event.authorId === null ? undefined : authors.get(event.authorId);
    return presentAuditEvent(event, author && author.id === event.authorId ? author.email : null);
  });
}

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/audit_events',
    action: 'audit:read',
    params: object({
      created_after: optional(datetime('At or after')),
      created_before: optional(datetime('At or before')),
      entity_type: optional(
        oneOf(['User', 'Group', 'Project', 'Gitlab::Audit::InstanceScope'], 'The kind of place it happened in'),
      ),
      entity_id: optional(integer('The place; needs entity_type')),
      author_id: optional(integer('Who did it')),
      credential_id: optional(integer('With which key')),
      credential_kind: optional(text('With which kind of key')),
      door: optional(text('Through which door')),
      action: optional(text('What was done')),
      result: optional(oneOf(['allowed', 'refused', 'failed'], 'How it ended')),
    }),
    summary: 'Lists audit events, newest first',
    paged: true,
    async handler({ services, input, page }) {
      if (input.entity_id !== undefined && input.entity_type === undefined)
        fail({ code: 'invalid_parameters', texts: ['entity_type is missing'] });
      const filters = {
        createdAfter: input.created_after,
        createdBefore: input.created_before,
        entityType: input.entity_type,
        entityId: input.entity_id,
        authorId: input.author_id,
        credentialId: input.credential_id,
        credentialKind: input.credential_kind,
        door: input.door,
        action: input.action,
        result: input.result,
      };
      const { events, total } = await listAudit(services.db.list, filters, page);
      // Beyond what is counted the pager only knows that there is more.
      return paged(await presentAll(services, events), total ?? MAX_COUNTED + 1 + page.offset + page.perPage);
    },
  }),
  route({
    method: 'GET',
    path: '/audit_events/:event_id',
    action: 'audit:read',
    params: none,
    summary: 'Shows an audit event',
    async handler({ services, path }) {
      const id = parseId(path['event_id']!);
      const event = id === null ? null : await getAudit(services.db.read, id);
      if (!event) fail({ code: 'not_found', thing: 'Audit Event' });
      return json((await presentAll(services, [event]))[0]);
    },
  }),
];

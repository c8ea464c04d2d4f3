// A user's status as JSON (reference git-and-deploy 12.5). The message is plain text; its HTML form is that text, escaped.
import type { Status } from '../../../directory/account.ts';
import { isoTime } from '../../../kernel/clock.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** `{emoji,message,availability,message_html,clear_status_at}`. */
export function presentStatus(status: Status) {
  return {
    emoji: status.emoji,
    message: status.message,
    availability: status.availability,
    message_html: (status.message ?? '').replace(/[&<>"']/g, (sign) => ENTITIES[sign]!),
    clear_status_at: isoTime(status.clear_status_at),
  };
}

// The mails that were not handed to a mail server: all of them where none is set. Administrators read them here, so that no
// notice is lost. Mails carry no secrets.
import type { Allowed } from '../access/allowed.ts';
import { type Mail, readMail } from '../mail/smtp.ts';
import type { House } from '../storage/house.ts';
import { listTasks } from '../tasks/task-store.ts';

export interface WaitingMail extends Mail {
  readonly id: number;
  readonly createdAt: number;
  /** how often it was tried, and what the mail server said last */
  readonly attempts: number;
  readonly lastError: string | null;
}

/** One page of the waiting mails, oldest first. */
export async function listWaitingMails(
  house: House,
  _allowed: Allowed<'mail:list'>,
  slice: { readonly offset: number; readonly perPage: number },
): Promise<{ mails: WaitingMail[]; total: number }> {
  const { rows, total } = await listTasks(house.db.list, 'mail', slice);
  const mails = rows.map((row) => ({
    id: row.id,
    ...readMail(JSON.parse(row.payload)),
    createdAt: row.created_at,
    attempts: row.attempts,
    lastError: row.last_error,
  }));
  return { mails, total };
}

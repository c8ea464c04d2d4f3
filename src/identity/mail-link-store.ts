// The table `mail_links`: what opens when its text comes back from a mail. It keeps digests, one link a purpose and address, and a
// used link is gone. Who may ask for one, and what a link does, is told elsewhere.
import type { Selectable } from 'kysely';
import type { Queryable, Tx } from '../storage/database.ts';
import type { MailLinkPurpose, MailLinkTable } from '../storage/schema.ts';
import type { UserEmail } from './user-email-store.ts';

export type MailLink = Selectable<MailLinkTable>;

/**
 * Keeps a link in the place of the one before it of the same purpose and address; false when that one is younger than `notAfter`
 * (milliseconds), so that nobody's mail box is flooded. Expired ones of everybody go on the way.
 */
export async function putMailLink(
  tx: Tx,
  link: Omit<MailLink, 'id'>,
  notAfter: number = Number.MAX_SAFE_INTEGER,
): Promise<boolean> {
  await tx.deleteFrom('mail_links').where('expires_at', '<=', link.created_at).execute();
  const { digest, created_at, expires_at } = link;
  const row = await tx
    .insertInto('mail_links')
    .values(link)
    .onConflict((oc) =>
      oc
        .columns(['email_id', 'purpose'])
        .doUpdateSet({ digest, created_at, expires_at })
        .where('mail_links.created_at', '<=', notAfter),
    )
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

/** A link with one of `digests` that is still good at `now`, with its address; null when there is none. Looking does not use it. */
export async function findMailLink(
  q: Queryable,
  purpose: MailLinkPurpose,
  digests: readonly string[],
  now: number,
): Promise<{ readonly link: MailLink; readonly email: UserEmail } | null> {
  const link = await q
    .selectFrom('mail_links')
    .selectAll()
    .where('purpose', '=', purpose)
    .where('digest', 'in', digests)
    .where('expires_at', '>', now)
    .executeTakeFirst();
  if (!link) return null;
  const email = await q.selectFrom('user_emails').selectAll().where('id', '=', link.email_id).executeTakeFirst();
  return email ? { link, email } : null;
}

/** Uses a link up; false when somebody was quicker. */
export async function takeMailLink(tx: Tx, id: number, digest: string): Promise<boolean> {
  const row = await tx
    .deleteFrom('mail_links')
    .where('id', '=', id)
    .where('digest', '=', digest)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

// Other people's addresses over REST, for administrators (`/users/:id/emails` as GitLab has it). The own ones are in account.ts.
import { addUserEmail, listUserEmails, removeUserEmail } from '../../../directory/user-emails.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { presentEmail } from '../present/user.ts';
import { created, noContent, paged, type Route, route } from '../route.ts';
import { boolean, none, object, optional, text } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';

const numbered = (text: string | undefined, thing: string) => parseId(text ?? '') ?? fail({ code: 'not_found', thing });

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/users/:id/emails',
    action: 'user_email:list',
    params: none,
    paged: true,
    summary: 'Lists the addresses of a user beside the primary one',
    async handler({ services, allowed, path, page }) {
      const emails = await listUserEmails(services, allowed, numbered(path['id'], 'User'));
      return paged(emails.slice(page.offset, page.offset + page.perPage).map(presentEmail), emails.length);
    },
  }),
  route({
    method: 'POST',
    path: '/users/:id/emails',
    action: 'user:administer',
    params: object({
      email: text('E-mail address', { notEmpty: true }),
      skip_confirmation: optional(boolean('The address counts as confirmed and gets no mail')),
    }),
    summary: 'Adds an address to a user',
    async handler({ services, actor, allowed, path, input }) {
      const wish = { email: input.email, confirmed: input.skip_confirmation ?? false };
      return created(presentEmail(await addUserEmail(services, actor, allowed, numbered(path['id'], 'User'), wish)));
    },
  }),
  route({
    method: 'DELETE',
    path: '/users/:id/emails/:email_id',
    action: 'user:administer',
    params: none,
    summary: 'Removes an address of a user',
    async handler({ services, actor, allowed, path, headers }) {
      await removeUserEmail(services, actor, allowed, {
        userId: numbered(path['id'], 'User'),
        id: numbered(path['email_id'], 'Email'),
        unchangedSince: unchangedSince(headers),
      });
      return noContent();
    },
  }),
];

// Links that came by mail, over REST: asking for one that sets a password, setting it, and confirming an address. For people before
// they sign in; the pages that the links lead to do the same.
import { Secret } from '../../../kernel/secret.ts';
import { addressByLink, askForLink, passwordByLink } from '../../http/mail-link-use.ts';
import { json, noContent, type Route, route } from '../route.ts';
import { object, text } from '../schema.ts';

const token = text('The token of the link', { notEmpty: true, maxLength: 255 });

export const routes: Route[] = [
  route({
    method: 'POST',
    path: '/keyward/password_resets',
    action: 'account:recover',
    params: object({ email: text('A confirmed address of the account', { notEmpty: true, maxLength: 255 }) }),
    summary:
      'Asks for a mail with a link that sets a new password; the answer is the same whether there is such an account or not',
    async handler({ services, actor, allowed, input }) {
      await askForLink(services, actor, allowed, input.email);
      return json(
        {
          message: 'If this address is confirmed for an account, a mail with a link for a new password is on its way.',
        },
        202,
      );
    },
  }),
  route({
    method: 'PUT',
    path: '/keyward/password_resets',
    action: 'account:recover',
    params: object({ reset_password_token: token, password: text('The new password', { notEmpty: true }) }),
    summary: 'Sets a password with the token of a link',
    async handler({ services, actor, allowed, input }) {
      const wish = { token: new Secret(input.reset_password_token), password: new Secret(input.password) };
      await passwordByLink(services, actor, allowed, wish);
      return noContent();
    },
  }),
  route({
    method: 'POST',
    path: '/keyward/email_confirmations',
    action: 'account:recover',
    params: object({ confirmation_token: token }),
    summary: 'Confirms an address with the token of a link',
    async handler({ services, actor, allowed, input }) {
      const email = await addressByLink(services, actor, allowed, new Secret(input.confirmation_token));
      return json({ email });
    },
  }),
];

// The own account over REST (reference git-and-deploy 12.5): addresses, preferences, status, picture, profile and password.
import {
  addOwnEmail,
  CLEAR_AFTER,
  changeAvatar,
  changePassword,
  changePreferences,
  changeProfile,
  changeStatus,
  ownUser,
  preferencesOf,
  removeOwnEmail,
  resendConfirmation,
  statusOf,
} from '../../../directory/account.ts';
import { findAvatar } from '../../../directory/avatar-store.ts';
import { findSecondaryEmail, listSecondaryEmails } from '../../../identity/user-email-store.ts';
import { fail } from '../../../kernel/faults.ts';
import { parseId } from '../../../kernel/names.ts';
import { Secret } from '../../../kernel/secret.ts';
import { presentStatus } from '../present/status.ts';
import { avatarUrl, presentEmail, presentUser } from '../present/user.ts';
import { created, json, noContent, paged, type Route, route } from '../route.ts';
import { boolean, file, none, nullable, object, oneOf, optional, text } from '../schema.ts';
import { unchangedSince } from '../unchanged-since.ts';

const clearAfter = Object.keys(CLEAR_AFTER) as (keyof typeof CLEAR_AFTER)[];
const statusParams = object({
  emoji: optional(nullable(text('Name of an emoji'))),
  message: optional(nullable(text('At most 100 characters'))),
  availability: optional(oneOf(['not_set', 'busy'], 'Whether busy')),
  clear_status_after: optional(oneOf(clearAfter, 'When the status ends by itself')),
});
const emailId = (text: string) => parseId(text) ?? fail({ code: 'not_found', thing: 'Email' });

const changingStatus = (method: 'PUT' | 'PATCH') =>
  route({
    method,
    path: '/user/status',
    action: 'account:update',
    params: statusParams,
    summary: 'Sets the own status',
    async handler({ services, actor, allowed, input }) {
      return json(presentStatus(await changeStatus(services, actor, allowed, input, method === 'PATCH')));
    },
  });

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/user/emails',
    action: 'account:read',
    params: none,
    summary: 'Lists the own addresses beside the primary one',
    paged: true,
    async handler({ services, allowed, page }) {
      const emails = await listSecondaryEmails(services.db.read, ownUser(allowed).id);
      return paged(emails.slice(page.offset, page.offset + page.perPage).map(presentEmail), emails.length);
    },
  }),
  route({
    method: 'GET',
    path: '/user/emails/:email_id',
    action: 'account:read',
    params: none,
    summary: 'Shows an own address',
    async handler({ services, allowed, path }) {
      const id = emailId(path['email_id']!);
      const email = await findSecondaryEmail(services.db.read, ownUser(allowed).id, id);
      return json(presentEmail(email ?? fail({ code: 'not_found', thing: 'Email' })));
    },
  }),
  route({
    method: 'POST',
    path: '/user/emails',
    action: 'account:update',
    params: object({ email: text('E-mail address', { notEmpty: true }) }),
    summary: 'Adds an own address, which gets a mail with a link that confirms it',
    async handler({ services, actor, allowed, input }) {
      return created(presentEmail(await addOwnEmail(services, actor, allowed, input.email)));
    },
  }),
  route({
    method: 'DELETE',
    path: '/user/emails/:email_id',
    action: 'account:update',
    params: none,
    summary: 'Removes an own address',
    async handler({ services, actor, allowed, path, headers }) {
      await removeOwnEmail(services, actor, allowed, emailId(path['email_id']!), unchangedSince(headers));
      return noContent();
    },
  }),
  route({
    method: 'POST',
    path: '/user/emails/:email_id/resend_confirmation',
    action: 'account:update',
    params: none,
    summary: 'Sends the link that confirms an own address again',
    async handler({ services, allowed, path }) {
      await resendConfirmation(services, allowed, emailId(path['email_id']!));
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/user/preferences',
    action: 'account:read',
    params: none,
    summary: 'Shows the own preferences',
    handler({ allowed }) {
      const user = ownUser(allowed);
      return json({ id: user.id, user_id: user.id, ...preferencesOf(user) });
    },
  }),
  route({
    method: 'PUT',
    path: '/user/preferences',
    action: 'account:update',
    params: object({
      view_diffs_file_by_file: optional(boolean('One file at a time')),
      show_whitespace_in_diffs: optional(boolean('Show changes of white space')),
      pass_user_identities_to_ci_jwt: optional(boolean('Name the own identities in job tokens')),
    }),
    summary: 'Changes the own preferences',
    async handler({ services, actor, allowed, input }) {
      const user = ownUser(allowed);
      return json({ id: user.id, user_id: user.id, ...(await changePreferences(services, actor, allowed, input)) });
    },
  }),
  route({
    method: 'GET',
    path: '/user/status',
    action: 'account:read',
    params: none,
    summary: 'Shows the own status',
    handler({ services, allowed }) {
      return json(presentStatus(statusOf(ownUser(allowed), services.clock.now())));
    },
  }),
  changingStatus('PUT'),
  changingStatus('PATCH'),
  route({
    method: 'PUT',
    path: '/user/avatar',
    action: 'account:update',
    params: object({ avatar: file('A picture of at most 200 KiB: PNG, JPEG, GIF or WebP') }),
    summary: 'Sets the own picture',
    async handler({ services, actor, allowed, files }) {
      const upload = files['avatar'] ?? fail({ code: 'invalid_parameters', texts: ['avatar is invalid'] });
      const user = await changeAvatar(services, actor, allowed, upload.data);
      return json({ avatar_url: avatarUrl(services, user) });
    },
  }),
  route({
    method: 'DELETE',
    path: '/user/avatar',
    action: 'account:update',
    params: none,
    summary: 'Removes the own picture',
    async handler({ services, actor, allowed }) {
      await changeAvatar(services, actor, allowed, null);
      return noContent();
    },
  }),
  route({
    method: 'GET',
    path: '/keyward/avatars/:key',
    action: 'user:list',
    params: none,
    summary: 'A picture by the random key in its address',
    async handler({ services, path }) {
      const avatar = await findAvatar(services.db.read, path['key']!);
      if (!avatar) fail({ code: 'not_found', thing: 'Avatar' });
      return {
        type: 'stream',
        status: 200,
        headers: {
          'content-type': avatar.media_type,
          'cache-control': 'public, max-age=31536000, immutable',
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
        },
        body: Buffer.from(avatar.data, 'base64'),
      };
    },
  }),
  route({
    method: 'PUT',
    path: '/keyward/account',
    action: 'account:update',
    params: object({ name: optional(text('Name')), bio: optional(text('Biography')) }),
    summary: 'Changes the own profile',
    async handler({ services, actor, allowed, input }) {
      return json(presentUser(services, await changeProfile(services, actor, allowed, input)));
    },
  }),
  route({
    method: 'PUT',
    path: '/keyward/account/password',
    action: 'account:change_password',
    params: object({
      current_password: text('The old password', { notEmpty: true }),
      password: text('The new password', { notEmpty: true }),
    }),
    summary: 'Changes the own password, in a browser session with the old one',
    async handler({ services, actor, allowed, input }) {
      const wish = { current: new Secret(input.current_password), next: new Secret(input.password) };
      await changePassword(services, actor, allowed, wish);
      return noContent();
    },
  }),
];

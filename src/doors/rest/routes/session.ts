// Signing in, "who am I", signing out, for browsers (reference access-tokens 3.6). The one place that sets a cookie, and it never
// does so for a token (security-lessons R4).
import { failureLimitOf } from '../../../credentials/failure-limit.ts';
import { csrfTokenOf, SESSION_COOKIE } from '../../../credentials/sessions.ts';
import { actingUser } from '../../../credentials/verified-credential.ts';
import { personalNamespace } from '../../../identity/namespace-store.ts';
import type { User } from '../../../identity/records.ts';
import { isoTime } from '../../../kernel/clock.ts';
import { fail } from '../../../kernel/faults.ts';
import { Secret } from '../../../kernel/secret.ts';
import { signIn, signOut } from '../../../keys/browser-sessions.ts';
import type { Services } from '../../services.ts';
import { presentFullUser } from '../present/user.ts';
import { isOwnPage, sessionCookie } from '../presentation.ts';
import { json, type RestReply, type Route, route } from '../route.ts';
import { none, object, text } from '../schema.ts';
import { API_VERSION } from '../version.ts';

const PATH = '/keyward/session';

export const routes: Route[] = [
  route({
    method: 'POST',
    path: PATH,
    action: 'session:open',
    params: object({
      login: text('User name or e-mail address', { notEmpty: true, maxLength: 255 }),
      password: text('Password', { notEmpty: true }),
    }),
    summary: 'Sign in',
    async handler({ services, actor, allowed, input, headers }) {
      // Another site's form could sign a browser in as somebody else.
      if (!isOwnPage(headers, services.url)) fail({ code: 'unauthorized' });
      const limit = failureLimitOf(services);
      const ip = actor.ip ?? '';
      const wait = await limit.blockedFor(ip);
      if (wait !== null) fail({ code: 'too_many_requests', retryAfter: wait });
      const proved = await services.verifier.password(input.login, new Secret(input.password));
      const late = await limit.judged(ip, proved.ok);
      if (late !== null) fail({ code: 'too_many_requests', retryAfter: late });
      if (!proved.ok) {
        services.refusals?.countRefusal({ ip, door: 'rest', code: proved.error.code });
        // Wrong, blocked and locked sound alike.
        fail({ code: 'unauthorized' });
      }
      const session = await signIn(services, actor, allowed, proved.value);
      const cookie = setCookie(services, session.cookie.reveal(), session.maxAgeSeconds);
      return json(await aboutMe(services, session.user, session.csrf), 201, { 'set-cookie': cookie });
    },
  }),
  route({
    method: 'GET',
    path: PATH,
    action: 'session:read',
    params: none,
    summary: 'Who is signed in',
    refusals: { kind_not_allowed: { code: 'unauthorized' } },
    async handler({ services, credential, headers }): Promise<RestReply> {
      const cookie = sessionCookie(headers);
      const user = actingUser(credential);
      if (cookie === null || user === null) fail({ code: 'unauthorized' });
      return json(await aboutMe(services, user, csrfTokenOf(services.keys, cookie)[0]!));
    },
  }),
  route({
    method: 'DELETE',
    path: PATH,
    action: 'session:close',
    params: none,
    summary: 'Sign out',
    refusals: { kind_not_allowed: { code: 'unauthorized' } },
    async handler({ services, actor, allowed }): Promise<RestReply> {
      await signOut(services, actor, allowed);
      return { type: 'empty', status: 204, headers: { 'set-cookie': setCookie(services, '', 0) } };
    },
  }),
];

async function aboutMe(services: Services, user: User, csrf: Secret): Promise<unknown> {
  const namespace = await personalNamespace(services.db.read, user.id);
  return {
    user: presentFullUser(services, user, { namespaceId: namespace?.id ?? null, forAdmin: true }),
    csrf_token: csrf.reveal(),
    instance: { url: services.url, version: API_VERSION, server_time: isoTime(services.clock.now()) },
  };
}

function setCookie(services: Services, value: string, maxAge: number): string {
  const secure = services.url.startsWith('https:') ? '; Secure' : '';
  return `${SESSION_COOKIE}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAge}${secure}`;
}

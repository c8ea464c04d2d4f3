// The pages that links in mails lead to: plain forms that work in any browser and without a script. Opening a link changes nothing,
// for mail scanners open links too and would confirm addresses that nobody owns; the button does (decided).
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Allowed } from '../../access/allowed.ts';
import { decide } from '../../access/decide.ts';
import type { Actor } from '../../credentials/actor.ts';
import { anonymous } from '../../credentials/verified-credential.ts';
import { isResetLink } from '../../directory/mail-links.ts';
import { type Fault, FaultError } from '../../kernel/faults.ts';
import { Secret } from '../../kernel/secret.ts';
import type { Services } from '../services.ts';
import { addressByLink, askForLink, passwordByLink } from './mail-link-use.ts';

const BODY_LIMIT = 4096;
const STALE = 'This link is not good: it was used, is too old, or was replaced by a newer one.';
const ASK_AGAIN = '<p><a href="/users/password/new">Ask for a new link</a></p>';

interface Page {
  readonly title: string;
  /** HTML; what came from outside is escaped */
  readonly body: string;
  readonly status?: number;
  readonly retryAfter?: number;
}

/** One request: what it names, and the proof that anybody may. */
interface Visit {
  readonly fields: URLSearchParams;
  readonly actor: Actor;
  readonly allowed: Allowed<'account:recover'>;
}

type Answer = (services: Services, visit: Visit) => Promise<Page> | Page;

const PAGES: readonly (readonly ['GET' | 'POST', string, Answer])[] = [
  ['GET', '/users/confirmation', showConfirmation],
  ['POST', '/users/confirmation', confirm],
  ['GET', '/users/password/new', () => askPage()],
  ['POST', '/users/password/new', ask],
  ['GET', '/users/password/edit', showPassword],
  ['POST', '/users/password/edit', setPassword],
];

/** Registers the pages. */
export function registerMailLinkPages(app: FastifyInstance, services: Services): void {
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string', bodyLimit: BODY_LIMIT },
    (_request, body, done) => done(null, body),
  );
  for (const [method, url, answer] of PAGES)
    app.route({ method, url, handler: (request, reply) => serve(services, answer, request, reply) });
}

async function serve(services: Services, answer: Answer, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const query = request.url.includes('?') ? request.url.slice(request.url.indexOf('?') + 1) : '';
  const fields = new URLSearchParams(request.method === 'GET' ? query : String(request.body ?? ''));
  const credential = anonymous();
  const decided = await decide(services.db.read, services.clock, credential, { action: 'account:recover' });
  if (!decided.ok) throw new Error('nobody may open a link from a mail');
  const actor: Actor = { credential, door: 'web', ip: request.ip };
  let page: Page;
  try {
    page = await answer(services, { fields, actor, allowed: decided.value });
  } catch (thrown) {
    if (!(thrown instanceof FaultError)) throw thrown;
    page = failed(thrown.fault, fields);
  }
  await reply
    .code(page.status ?? 200)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      // The address of the page holds the link's secret.
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      ...(page.retryAfter === undefined ? {} : { 'retry-after': String(page.retryAfter) }),
    })
    .send(
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
        `<title>${page.title}</title></head><body><main><h1>${page.title}</h1>${page.body}</main></body></html>\n`,
    );
}

/** Text that came from outside, for a place between tags or inside quotes. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

const secretOf = (fields: URLSearchParams, name: string) => new Secret((fields.get(name) ?? '').slice(0, 255));

function failed(fault: Fault, fields: URLSearchParams): Page {
  if (fault.code === 'too_many_requests')
    return { title: 'Too many tries', body: '<p>Try again later.</p>', status: 429, retryAfter: fault.retryAfter };
  if (fault.code !== 'invalid_record') throw new FaultError(fault);
  const wrong = fault.fields['password'];
  if (wrong) return { ...passwordPage(secretOf(fields, 'reset_password_token'), `Password ${wrong[0]}.`), status: 400 };
  const more = 'reset_password_token' in fault.fields ? ASK_AGAIN : '';
  return { title: 'Link not valid', body: `<p>${STALE}</p>${more}`, status: 400 };
}

function showConfirmation(_services: Services, { fields }: Visit): Page {
  const token = escaped(secretOf(fields, 'confirmation_token').reveal());
  return {
    title: 'Confirm your e-mail address',
    body: `<form method="post" action="/users/confirmation"><input type="hidden" name="confirmation_token" value="${token}"><button>Confirm e-mail address</button></form>`,
  };
}

async function confirm(services: Services, { fields, actor, allowed }: Visit): Promise<Page> {
  const email = await addressByLink(services, actor, allowed, secretOf(fields, 'confirmation_token'));
  return { title: 'E-mail address confirmed', body: `<p>${escaped(email)} is now confirmed.</p>` };
}

function askPage(): Page {
  return {
    title: 'Reset password',
    body: '<form method="post" action="/users/password/new"><p><label>E-mail address <input type="email" name="email" autocomplete="email" required></label></p><button>Reset password</button></form>',
  };
}

async function ask(services: Services, { fields, actor, allowed }: Visit): Promise<Page> {
  const email = (fields.get('email') ?? '').trim().slice(0, 255);
  if (email === '') return { ...askPage(), status: 400 };
  await askForLink(services, actor, allowed, email);
  return {
    title: 'Check your mail',
    body: '<p>If this address is confirmed for an account, a mail with a link for a new password is on its way.</p>',
  };
}

async function showPassword(services: Services, { fields, allowed }: Visit): Promise<Page> {
  const token = secretOf(fields, 'reset_password_token');
  if (!(await isResetLink(services, allowed, token)))
    return { title: 'Link not valid', body: `<p>${STALE}</p>${ASK_AGAIN}`, status: 400 };
  return passwordPage(token, null);
}

function passwordPage(token: Secret, problem: string | null): Page {
  const alert = problem === null ? '' : `<p role="alert">${escaped(problem)}</p>`;
  return {
    title: 'Change your password',
    body: `${alert}<form method="post" action="/users/password/edit"><input type="hidden" name="reset_password_token" value="${escaped(token.reveal())}"><p><label>New password <input type="password" name="password" autocomplete="new-password" required></label></p><button>Change your password</button></form>`,
  };
}

async function setPassword(services: Services, { fields, actor, allowed }: Visit): Promise<Page> {
  // Longer than a password may be, so that a long one is told from a cut one.
  const password = new Secret((fields.get('password') ?? '').slice(0, 1024));
  await passwordByLink(services, actor, allowed, { token: secretOf(fields, 'reset_password_token'), password });
  return { title: 'Password changed', body: '<p>Your password has been changed. You can sign in with it now.</p>' };
}

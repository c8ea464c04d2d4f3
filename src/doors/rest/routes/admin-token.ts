// The administrator's token API: which key is this text, and end it (reference access-tokens 4.6).
import { Secret } from '../../../kernel/secret.ts';
import { endToken, identifyToken, previousOf, type TokenApiFailure } from '../../../keys/admin-token.ts';
import { presentRawToken } from '../present/credential.ts';
import { json, noContent, type RestReply, type Route, route } from '../route.ts';
import { object, text } from '../schema.ts';

const params = object({ token: text('The text of the token') });

function failed(failure: TokenApiFailure): RestReply {
  if (failure === 'unsupported') return json({ message: 'Token type not supported.' }, 422);
  // The message is an object on this route alone.
  return json({ message: { error: 'Not found' } }, 404);
}

export const routes: Route[] = [
  route({
    method: 'POST',
    path: '/admin/token',
    action: 'token:identify',
    params,
    summary: 'Says which key a text is',
    async handler({ services, allowed, input }) {
      const found = await identifyToken(services, allowed, new Secret(input.token));
      if (!found.ok) return failed(found.error);
      const previous = await previousOf(services, found.value);
      return json(presentRawToken(found.value, previous, services.clock.now()));
    },
  }),
  route({
    method: 'DELETE',
    path: '/admin/token',
    action: 'token:end',
    params,
    summary: 'Ends the key that a text is',
    async handler({ services, actor, allowed, input }) {
      const ended = await endToken(services, actor, allowed, new Secret(input.token));
      return ended.ok ? noContent() : failed(ended.error);
    },
  }),
];

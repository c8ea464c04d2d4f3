// `/{username}.keys`: the public SSH keys of a person as plain text, one a line, for scripts that fill an authorized_keys file
// (reference git-and-deploy 7). Comments are left out: they tell of people's machines.
import type { FastifyInstance } from 'fastify';
import { decide } from '../../access/decide.ts';
import { anonymous } from '../../credentials/verified-credential.ts';
import { signInKeysOf } from '../../keys/user-ssh-keys.ts';
import type { Services } from '../services.ts';

const SUFFIX = '.keys';

/** Registers the route. Unknown and deleted users are not found. */
export function registerUserKeys(app: FastifyInstance, services: Services): void {
  app.route<{ Params: { file: string } }>({
    method: ['GET', 'HEAD'],
    url: '/:file(^[^/]+\\.keys$)',
    async handler(request, reply) {
      const allowed = await decide(services.db.read, services.clock, anonymous(), { action: 'user_ssh_key:read' });
      const username = request.params.file.slice(0, -SUFFIX.length);
      const keys = allowed.ok ? await signInKeysOf(services, allowed.value, username) : null;
      if (keys === null) return reply.callNotFound();
      const lines = keys.map((key) => `${key.key_text.split(' ', 3).slice(0, 2).join(' ')}\n`);
      return reply.type('text/plain; charset=utf-8').send(lines.join(''));
    },
  });
}

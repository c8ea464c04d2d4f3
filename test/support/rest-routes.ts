// A tiny table of routes that answer with what the frame gave them: one for each thing that the frame does.
import { Readable } from 'node:stream';
import { holderName } from '../../src/credentials/verified-credential.ts';
import { json, noContent, paged, type Route, route } from '../../src/doors/rest/route.ts';
import {
  boolean,
  date,
  integer,
  listOf,
  none,
  nullable,
  object,
  oneOf,
  optional,
  stringList,
  text,
  withDefault,
} from '../../src/doors/rest/schema.ts';
import { fail } from '../../src/kernel/faults.ts';

export const testRoutes: Route[] = [
  route({
    method: 'GET',
    path: '/whoami',
    action: 'self:read',
    params: none,
    summary: 'Who asks',
    handler: ({ credential }) => json({ name: holderName(credential), kind: credential.kind }),
  }),
  route({
    method: 'GET',
    path: '/itself',
    action: 'own_token:read',
    params: none,
    summary: 'Any scope opens it',
    handler: ({ credential }) => json({ id: credential.id }),
  }),
  route({
    method: 'POST',
    path: '/projects/:id/echo',
    action: 'project:update',
    params: object({
      name: text('A name', { notEmpty: true }),
      scopes: stringList('Scopes', { oneOf: ['api', 'read_api'] }),
      count: optional(integer('How many', { minimum: 1, maximum: 10 })),
      flag: optional(boolean('Yes or no')),
      state: optional(oneOf(['active', 'inactive'], 'Which')),
      expires_at: optional(nullable(date('When'))),
      per: withDefault(integer('Level'), 7),
      nested: optional(object({ deep: text('Inside') })),
      actions: optional(listOf(object({ action: oneOf(['create', 'delete'], 'What') }), 'Actions')),
    }),
    summary: 'Gives the parameters back',
    handler: ({ input, files }) =>
      json({
        input,
        files: Object.fromEntries(
          Object.entries(files).map(([name, file]) => [name, { filename: file.filename, size: file.data.length }]),
        ),
      }),
  }),
  route({
    method: 'GET',
    path: '/projects/:id',
    action: 'project:read',
    params: none,
    summary: 'A project',
    handler: ({ allowed }) => json({ id: allowed.place.project.id, path: allowed.place.project.full_path }),
  }),
  route({
    method: 'PUT',
    path: '/projects/:id',
    action: 'project:update',
    params: object({ name: text('A name') }),
    summary: 'Change a project',
    refusals: { role_too_low: { code: 'bad_request', reason: 'not on this route' } },
    handler: () => noContent(),
  }),
  route({
    method: 'DELETE',
    path: '/projects/:id',
    action: 'project:delete',
    params: none,
    summary: 'Delete a project',
    handler: () => noContent(),
  }),
  route({
    method: 'GET',
    path: '/projects/:id/files/*path',
    action: 'project:read',
    params: none,
    summary: 'A file by its path',
    handler: ({ path }) => json(path),
  }),
  route({
    method: 'GET',
    path: '/groups/:id',
    action: 'group:read',
    params: none,
    summary: 'A group',
    handler: ({ allowed }) => json({ id: allowed.place.group.id }),
  }),
  route({
    method: 'GET',
    path: '/list',
    action: 'project:list',
    params: object({ total: integer('How many there are'), search: optional(text('Words')) }),
    paged: true,
    summary: 'Numbers',
    handler: ({ input, page }) => {
      const here = Math.max(0, Math.min(page.perPage, input.total - page.offset));
      return paged(
        Array.from({ length: here }, (_, index) => page.offset + index + 1),
        input.total,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/keyset',
    action: 'project:list',
    params: none,
    summary: 'Numbers by key',
    handler: () => ({ type: 'keyset', items: [1, 2], next: { id_after: '2' } }),
  }),
  route({
    method: 'GET',
    path: '/stream',
    action: 'project:list',
    params: none,
    summary: 'Bytes',
    handler: () => ({
      type: 'stream',
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      body: Readable.from(['one', 'two']),
    }),
  }),
  route({
    method: 'GET',
    path: '/wait',
    action: 'self:read',
    params: none,
    summary: 'Ends when the key does',
    handler: ({ signal }) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(json({ aborted: true })))),
  }),
  route({
    method: 'POST',
    path: '/fault',
    action: 'project:list',
    params: object({ code: text('Which') }),
    summary: 'Fails as told',
    handler: ({ input }) => {
      switch (input.code) {
        case 'bad_request':
          return fail({ code: 'bad_request', reason: 'Token already revoked' });
        case 'unprocessable':
          return fail({ code: 'unprocessable', reason: 'no' });
        case 'invalid_record':
          return fail({ code: 'invalid_record', fields: { expires_at: ['must be before 2027-03-01'] } });
        case 'not_found':
          return fail({ code: 'not_found', thing: null });
        case 'user_not_found':
          return fail({ code: 'not_found', thing: 'User' });
        case 'conflict':
          return fail({ code: 'conflict', reason: '409 Conflict' });
        case 'method_not_allowed':
          return fail({ code: 'method_not_allowed', reason: null });
        case 'precondition_failed':
          return fail({ code: 'precondition_failed' });
        case 'insufficient_scope':
          return fail({ code: 'insufficient_scope', scopes: ['sudo'] });
        case 'too_many_requests':
          return fail({ code: 'too_many_requests', retryAfter: 9 });
        default:
          throw new Error('the secret cause glpat-CrashCrashCrashCrash1');
      }
    },
  }),
  route({
    method: 'POST',
    path: '/personal_access_tokens/self/rotate',
    action: 'own_token:rotate',
    params: none,
    summary: 'Where a revoked token kills its family',
    handler: () => noContent(),
  }),
];

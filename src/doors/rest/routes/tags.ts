// Tags (reference git-and-deploy 12.7).
import { listProtections } from '../../../access/protected-ref-store.ts';
import { tagRef } from '../../../repositories/ref-names.ts';
import { deleteTag, getTag, listTags, resolve } from '../../../repositories/refs.ts';
import { prepareTag } from '../../../repositories/tags.ts';
import { asForbidden, codeRoute, pushOverRest, sentence, signatureOf } from '../code.ts';
import { presentTag } from '../present/refs.ts';
import { created, json, noContent, paged, type Route } from '../route.ts';
import { none, object, oneOf, optional, text, withDefault } from '../schema.ts';

export const routes: Route[] = [
  codeRoute({
    method: 'GET',
    path: '/projects/:id/repository/tags',
    action: 'repository:read',
    params: object({
      order_by: withDefault(oneOf(['name', 'updated', 'version'], 'What they are sorted by'), 'updated'),
      sort: withDefault(oneOf(['asc', 'desc'], 'Direction'), 'desc'),
      search: optional(text('Part of the name; `^x` and `x$` anchor it')),
    }),
    summary: 'The tags of a project',
    paged: true,
    handler: async (context, { place, id }) => {
      const { services, input, page } = context;
      const key = input.order_by === 'updated' ? 'updated' : 'name';
      const { items, total } = await listTags(services.repositories, id, {
        sort: input.sort === 'desc' ? `-${key}` : key,
        ...(input.search === undefined ? {} : { search: input.search }),
        offset: page.offset,
        limit: page.perPage,
      });
      const protections = await listProtections(services.db.read, place.project.id);
      return paged(
        items.map((tag) => presentTag(services, place.project, tag, protections)),
        total,
      );
    },
  }),
  codeRoute({
    method: 'GET',
    path: '/projects/:id/repository/tags/:tag',
    action: 'repository:read',
    params: none,
    summary: 'One tag',
    handler: async ({ services, path }, { place, id }) => {
      const tag = await getTag(services.repositories, id, path['tag']!);
      return json(presentTag(services, place.project, tag, await listProtections(services.db.read, place.project.id)));
    },
  }),
  codeRoute({
    method: 'POST',
    path: '/projects/:id/repository/tags',
    action: 'tag:create',
    params: object({
      tag_name: text('Its name', { notEmpty: true }),
      ref: text('What it names', { notEmpty: true }),
      message: optional(text('Makes it an annotated tag')),
    }),
    summary: 'Make a tag',
    handler: async (context, opened) => {
      const { services, input } = context;
      const { repositories } = services;
      if ((await resolve(repositories, opened.id, input.ref)) === null)
        return sentence(`Target ${input.ref} is invalid`);
      const prepared = await prepareTag(repositories, opened.id, {
        name: input.tag_name,
        revision: input.ref,
        ...(input.message ? { message: input.message } : {}),
        tagger: signatureOf(context),
      });
      try {
        if ((await resolve(repositories, opened.id, prepared.name, 'tag')) !== null)
          return sentence(`Tag ${prepared.name} already exists`);
        const updates = [{ ref: tagRef(prepared.name), oldId: null, newId: prepared.newId }];
        const refused = await pushOverRest(context, opened, 'tag:create', updates, prepared.publish, asForbidden);
        if (refused) return refused;
      } finally {
        await prepared.discard();
      }
      const { project } = opened.place;
      const tag = await getTag(repositories, opened.id, prepared.name);
      return created(presentTag(services, project, tag, await listProtections(services.db.read, project.id)));
    },
  }),
  codeRoute({
    method: 'DELETE',
    path: '/projects/:id/repository/tags/:tag',
    action: 'tag:delete',
    params: none,
    summary: 'Remove a tag',
    handler: async (context, opened) => {
      const { repositories } = context.services;
      const tag = await getTag(repositories, opened.id, context.path['tag']!);
      const updates = [{ ref: tagRef(tag.name), oldId: tag.target, newId: null }];
      const move = () => deleteTag(repositories, opened.id, tag.name);
      return (await pushOverRest(context, opened, 'tag:delete', updates, move, asForbidden)) ?? noContent();
    },
  }),
];

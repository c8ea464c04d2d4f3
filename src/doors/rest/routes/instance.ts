// What the instance says of itself: version, metadata and the document of this API (reference git-and-deploy 12.10).
import { openApiDocument } from '../openapi.ts';
import { json, type Route, route } from '../route.ts';
import { none } from '../schema.ts';
import { API_VERSION, REVISION } from '../version.ts';

/** Routes of the instance; `all` gives the whole table once it is put together. */
export function instanceRoutes(all: () => readonly Route[]): Route[] {
  let document: unknown;
  return [
    route({
      method: 'GET',
      path: '/version',
      action: 'instance:read',
      params: none,
      summary: 'The version',
      handler: () => json({ version: API_VERSION, revision: REVISION }),
    }),
    route({
      method: 'GET',
      path: '/metadata',
      action: 'instance:read',
      params: none,
      summary: 'The version and what is switched on',
      handler: () =>
        json({
          version: API_VERSION,
          revision: REVISION,
          kas: { enabled: false, externalUrl: null, externalK8sProxyUrl: null, version: null },
          enterprise: false,
        }),
    }),
    route({
      method: 'GET',
      path: '/openapi.json',
      action: 'openapi:read',
      params: none,
      summary: 'This document',
      handler: ({ services }) => {
        document ??= openApiDocument(all(), services.url);
        return json(document);
      },
    }),
  ];
}

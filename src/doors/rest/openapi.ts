// The OpenAPI document, made from the same table that serves: what it says of a parameter is what is checked.
import { ruleOf } from '../../access/actions.ts';
import { kindSets } from '../../access/kind-sets.ts';
import type { Route } from './route.ts';
import { API_VERSION } from './version.ts';

type Json = Record<string, unknown>;

interface Described extends Json {
  readonly description?: string;
  readonly default?: unknown;
}

const PAGE_PARAMETERS = [
  { name: 'page', in: 'query', schema: { type: 'integer', minimum: 1, default: 1 } },
  { name: 'per_page', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 } },
];

/** The document of `routes`, for the instance at `url`. */
export function openApiDocument(routes: readonly Route[], url: string): Json {
  const paths: Record<string, Json> = {};
  for (const route of [...routes].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))) {
    const path = route.path.replace(/[:*]([A-Za-z_]*)/g, (_match, name: string) => `{${name || 'path'}}`);
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Keyward',
      version: API_VERSION,
      description: 'A forge whose heart is its keys; GitLab-compatible.',
    },
    servers: [{ url: `${url}/api/v4` }],
    security: [{ privateToken: [] }, { bearer: [] }],
    components: {
      securitySchemes: {
        privateToken: { type: 'apiKey', in: 'header', name: 'PRIVATE-TOKEN' },
        bearer: { type: 'http', scheme: 'bearer' },
        session: { type: 'apiKey', in: 'cookie', name: '_gitlab_session' },
      },
    },
    paths,
  };
}

function operation(route: Route): Json {
  const rule = ruleOf(route.action);
  const schema = route.params as unknown as {
    properties?: Record<string, Described>;
    required?: string[];
  };
  const properties = Object.entries(schema.properties ?? {});
  const required = (name: string, property: Described): boolean =>
    (schema.required?.includes(name) ?? false) && property.default === undefined;
  const inPath = [...route.path.matchAll(/[:*]([A-Za-z_]*)/g)].map((match) => ({
    name: match[1] || 'path',
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
  const inQuery = properties.map(([name, property]) => ({
    name: property['type'] === 'array' ? `${name}[]` : name,
    in: 'query',
    required: required(name, property),
    description: property.description,
    schema: clean(property),
  }));
  const reads = route.method === 'GET' || route.method === 'DELETE';
  const body = {
    content: {
      'application/json': {
        schema: {
          type: 'object',
          properties: Object.fromEntries(properties.map(([name, property]) => [name, clean(property)])),
          required: properties.filter(([name, property]) => required(name, property)).map(([name]) => name),
        },
      },
    },
  };
  return {
    summary: route.summary,
    operationId: `${route.method.toLowerCase()}${route.path.replace(/[^A-Za-z0-9]+/g, '_')}`,
    parameters: [...inPath, ...(reads ? inQuery : []), ...(route.paged ? PAGE_PARAMETERS : [])],
    ...(!reads && properties.length > 0 ? { requestBody: body } : {}),
    ...(kindSets[rule.kinds].anonymous ? { security: [{}, { privateToken: [] }, { bearer: [] }] } : {}),
    'x-action': route.action,
    'x-scopes': rule.scopes === 'any' ? [] : rule.scopes,
    responses: { default: { description: 'As GitLab answers' } },
  };
}

/** Our own keywords are not OpenAPI's. */
function clean(schema: Described): Json {
  const { 'x-param': _kind, 'x-not-empty': _empty, 'x-nullable': nullable, ...rest } = schema;
  if (typeof rest['type'] === 'string' && nullable) rest['type'] = [rest['type'], 'null'];
  for (const key of ['items'] as const)
    if (typeof rest[key] === 'object' && rest[key] !== null) rest[key] = clean(rest[key] as Described);
  if (typeof rest['properties'] === 'object' && rest['properties'] !== null)
    rest['properties'] = Object.fromEntries(
      Object.entries(rest['properties'] as Record<string, Described>).map(([name, value]) => [name, clean(value)]),
    );
  return rest;
}

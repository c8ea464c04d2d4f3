// Finds the route of a decoded path: fixed segments before parameters, a final `*` last. It decodes nothing and knows no rights.
import type { Method, Route } from './route.ts';

export interface Match {
  readonly route: Route;
  readonly path: Readonly<Record<string, string>>;
}

export interface RouteTable {
  /** The route of these segments; the methods that are there when only the method is wrong; null when nothing is there. */
  find(method: Method | null, segments: readonly string[]): Match | { readonly methods: readonly Method[] } | null;
}

interface Node {
  readonly fixed: Map<string, Node>;
  parameter: Node | null;
  readonly here: Map<Method, Route>;
  readonly rest: Map<Method, Route>;
}

const newNode = (): Node => ({ fixed: new Map(), parameter: null, here: new Map(), rest: new Map() });

/** Builds the table. Two routes of the same method and shape are a mistake in the code and throw. */
export function routeTable(routes: readonly Route[]): RouteTable {
  const root = newNode();
  for (const route of routes) {
    let node = root;
    const parts = route.path.split('/').filter(Boolean);
    const wild = parts.at(-1)?.startsWith('*') ?? false;
    for (const part of wild ? parts.slice(0, -1) : parts) {
      if (part.startsWith(':')) node = node.parameter ??= newNode();
      else {
        if (!node.fixed.has(part)) node.fixed.set(part, newNode());
        node = node.fixed.get(part)!;
      }
    }
    const leaves = wild ? node.rest : node.here;
    if (leaves.has(route.method)) throw new Error(`two REST routes are ${route.method} ${route.path}`);
    leaves.set(route.method, route);
  }
  return {
    find(method, segments) {
      const methods = new Set<Method>();
      const route = walk(root, method, segments, 0, methods);
      if (route) return { route, path: pathOf(route, segments) };
      return methods.size > 0 ? { methods: [...methods] } : null;
    },
  };
}

/** Walks with backtracking: where the fixed branch leads to no route of this method, the parameter branch is tried. */
function walk(
  node: Node,
  method: Method | null,
  segments: readonly string[],
  at: number,
  methods: Set<Method>,
): Route | null {
  const pick = (leaves: Map<Method, Route>): Route | null => {
    for (const known of leaves.keys()) methods.add(known);
    return method === null ? null : (leaves.get(method) ?? null);
  };
  if (at === segments.length) return pick(node.here);
  const fixed = node.fixed.get(segments[at]!);
  return (
    (fixed && walk(fixed, method, segments, at + 1, methods)) ||
    (node.parameter && walk(node.parameter, method, segments, at + 1, methods)) ||
    pick(node.rest)
  );
}

function pathOf(route: Route, segments: readonly string[]): Record<string, string> {
  const path: Record<string, string> = {};
  for (const [index, part] of route.path.split('/').filter(Boolean).entries()) {
    if (part.startsWith(':')) path[part.slice(1)] = segments[index]!;
    else if (part.startsWith('*')) path[part.slice(1) || '*'] = segments.slice(index).join('/');
  }
  return path;
}

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
  readonly here: Map<Method, Leaf>;
  readonly rest: Map<Method, Leaf>;
}

interface Leaf {
  readonly route: Route;
  /** which segments are parameters, and under which name; the last one of a wild route takes all that is left */
  readonly parameters: readonly { readonly at: number; readonly name: string; readonly takesRest: boolean }[];
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
    leaves.set(route.method, { route, parameters: parametersOf(parts) });
  }
  return {
    find(method, segments) {
      const leaf = method === null ? null : walk(root, segments, 0, (leaves) => leaves.get(method) ?? null);
      if (leaf) return { route: leaf.route, path: pathOf(leaf, segments) };
      const methods = new Set<Method>();
      walk(root, segments, 0, (leaves) => {
        for (const known of leaves.keys()) methods.add(known);
        return null;
      });
      return methods.size > 0 ? { methods: [...methods] } : null;
    },
  };
}

/** Walks with backtracking: where the fixed branch leads to nothing that `pick` takes, the parameter branch is tried. */
function walk(
  node: Node,
  segments: readonly string[],
  at: number,
  pick: (leaves: ReadonlyMap<Method, Leaf>) => Leaf | null,
): Leaf | null {
  if (at === segments.length) return pick(node.here);
  const fixed = node.fixed.get(segments[at]!);
  return (
    (fixed && walk(fixed, segments, at + 1, pick)) ||
    (node.parameter && walk(node.parameter, segments, at + 1, pick)) ||
    pick(node.rest)
  );
}

function parametersOf(parts: readonly string[]): Leaf['parameters'] {
  return parts
    .map((part, at) => ({ at, name: part.slice(1) || '*', takesRest: part.startsWith('*'), part }))
    .filter(({ part }) => /^[:*]/.test(part));
}

function pathOf({ parameters }: Leaf, segments: readonly string[]): Record<string, string> {
  const path: Record<string, string> = {};
  for (const { at, name, takesRest } of parameters)
    path[name] = takesRest ? segments.slice(at).join('/') : segments[at]!;
  return path;
}

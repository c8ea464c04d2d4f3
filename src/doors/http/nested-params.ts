// Reads `a=1&b[]=2&b[]=3&c[d]=4` into a tree, the way Rack does, so that query strings, forms and multipart fields mean the
// same. It knows no schema: every leaf is a text, and a name that came twice keeps both.
import { decodeOnce } from './raw-path.ts';

/** A plain name that was sent more than once: lists take all, single values the last. */
export class Repeated {
  readonly values: string[];

  constructor(values: string[]) {
    this.values = values;
  }
}

export type Tree = { [name: string]: unknown };

const MAX_PAIRS = 5000;
const MAX_DEPTH = 10;

/** An empty tree without inherited names, so that `__proto__` is a name like any other. */
export function emptyTree(): Tree {
  return Object.create(null) as Tree;
}

/** The pairs of a query string or form, decoded; null when an escape is broken or there are more than 5,000. */
export function readPairs(text: string): [string, string][] | null {
  const pairs: [string, string][] = [];
  for (const part of text.split('&')) {
    if (part === '') continue;
    if (pairs.length >= MAX_PAIRS) return null;
    const equals = part.indexOf('=');
    const name = decodeOnce((equals === -1 ? part : part.slice(0, equals)).replaceAll('+', ' '));
    const value = equals === -1 ? '' : decodeOnce(part.slice(equals + 1).replaceAll('+', ' '));
    if (name === null || value === null) return null;
    pairs.push([name, value]);
  }
  return pairs;
}

/** Puts one field into the tree by its name: `a`, `a[]`, `a[b]`, `a[][b]`, at most ten deep. */
export function assign(tree: Tree, name: string, value: string): void {
  const open = name.indexOf('[');
  if (open <= 0) {
    put(tree, name, [], value);
    return;
  }
  const keys = [...name.slice(open).matchAll(/\[([^\]]*)\]/g)].map((match) => match[1]!);
  if (keys.length <= MAX_DEPTH) put(tree, name.slice(0, open), keys, value);
}

function put(into: Tree, name: string, keys: readonly string[], value: string): void {
  const there = into[name];
  if (keys.length === 0) {
    if (typeof there === 'string') into[name] = new Repeated([there, value]);
    else if (there instanceof Repeated) there.values.push(value);
    else into[name] = value;
    return;
  }
  const [first, ...rest] = keys as [string, ...string[]];
  if (first !== '') {
    if (!isTree(there)) into[name] = emptyTree();
    put(into[name] as Tree, first, rest, value);
    return;
  }
  if (!Array.isArray(there)) into[name] = [];
  const list = into[name] as unknown[];
  if (rest.length === 0) list.push(value);
  else {
    // A name that the last element has already begins the next one.
    let last = list.at(-1);
    if (!isTree(last) || (rest.length === 1 && Object.hasOwn(last, rest[0]!))) {
      last = emptyTree();
      list.push(last);
    }
    put(last as Tree, rest[0]!, rest.slice(1), value);
  }
}

/** Whether it is a nested object, and not a list or a repeated name. */
export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Repeated);
}

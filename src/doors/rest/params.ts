// From the tree of texts that a request sent to the values that a route declared, with GitLab's wording of what is wrong
// (reference access-tokens 3.1, 3.2). It knows the schemas of schema.ts and neither HTTP nor rights.
import type { TObject, TSchema } from 'typebox';
import { parseDate, parseInstant } from '../../kernel/clock.ts';
import { err, ok, type Result } from '../../kernel/result.ts';
import { isTree, Repeated, type Tree } from '../http/nested-params.ts';
import type { ParamKind, ParamTags } from './schema.ts';

type Schema = ParamTags & {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly default?: unknown;
};

/** Raised inside one value; the text follows its name: `is invalid`. */
class Wrong {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const INVALID = new Wrong('is invalid');
const NOT_ALLOWED = new Wrong('does not have a valid value');
const EMPTY = new Wrong('is empty');

/** Reads what `schema` declares from `tree`; unknown names are ignored. The error holds every sentence, in declared order. */
export function readParams(schema: TObject, tree: Tree): Result<Record<string, unknown>, string[]> {
  const texts: string[] = [];
  const values = readObject(schema as unknown as Schema, tree, '', texts);
  return texts.length > 0 ? err(texts) : ok(values);
}

function readObject(schema: Schema, tree: Tree, prefix: string, texts: string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const name = prefix === '' ? key : `${prefix}[${key}]`;
    const raw = Object.hasOwn(tree, key) ? tree[key] : undefined;
    const value = present(property, raw);
    if (value === undefined) {
      if (property.default !== undefined) values[key] = property.default;
      else if (schema.required?.includes(key)) texts.push(`${name} is missing`);
    } else if (value === null) values[key] = null;
    else {
      const read = readValue(property, value, name, texts);
      if (read instanceof Wrong) texts.push(`${name} ${read.text}`);
      else values[key] = read;
    }
  }
  return values;
}

/** Null stands for "cleared", undefined for "not sent": an empty text is neither where text is meant. */
function present(schema: Schema, raw: unknown): unknown {
  const kind = kindOf(schema);
  if (kind === 'json') return raw;
  const single = raw instanceof Repeated && !isListKind(kind) ? raw.values.at(-1) : raw;
  const blank = single === null || (single === '' && kind !== 'text' && !isListKind(kind));
  if (!blank) return single;
  return schema['x-nullable'] ? null : undefined;
}

function isListKind(kind: ParamKind): boolean {
  return kind === 'string_list' || kind === 'integer_list' || kind === 'list';
}

function kindOf(schema: Schema): ParamKind {
  if (schema['x-param']) return schema['x-param'];
  switch (schema.type) {
    case 'integer':
    case 'number':
    case 'boolean':
    case 'object':
      return schema.type;
    case 'array':
      return 'list';
    case 'string':
      return 'text';
    default:
      return 'json';
  }
}

function readValue(schema: Schema, raw: unknown, name: string, texts: string[]): unknown {
  switch (kindOf(schema)) {
    case 'text':
      return readText(schema, raw);
    case 'integer':
      return inRange(schema, readNumber(raw, /^[+-]?\d{1,16}$/, Number.isSafeInteger));
    case 'number':
      return inRange(schema, readNumber(raw, /^[+-]?\d{1,300}(\.\d{1,300})?$/, Number.isFinite));
    case 'boolean':
      return readBoolean(raw);
    case 'date':
      return (typeof raw === 'string' ? parseDate(raw) : null) ?? INVALID;
    case 'datetime':
      return (typeof raw === 'string' ? parseInstant(raw) : null) ?? INVALID;
    case 'string_list':
    case 'integer_list':
      return readFlatList(schema, raw, kindOf(schema) === 'integer_list' ? 'integer' : 'text');
    case 'list':
      return readList(schema, raw, name, texts);
    case 'object':
      return isTree(raw) ? readObject(schema, raw, name, texts) : INVALID;
    case 'file':
      return typeof raw === 'string' ? raw : INVALID;
    case 'json':
      return raw;
  }
}

function readText(schema: Schema, raw: unknown): unknown {
  if (typeof raw !== 'string' && typeof raw !== 'number' && typeof raw !== 'boolean') return INVALID;
  const text = String(raw);
  // Neither can be stored, and both are a way around comparisons.
  if (text.includes('\0') || !text.isWellFormed()) return INVALID;
  if (schema['x-not-empty'] && text.trim() === '') return EMPTY;
  if (schema.maxLength !== undefined && text.length > schema.maxLength && [...text].length > schema.maxLength)
    return INVALID;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(text)) return INVALID;
  return schema.enum && !schema.enum.includes(text) ? NOT_ALLOWED : text;
}

function readNumber(raw: unknown, form: RegExp, holds: (value: number) => boolean): unknown {
  const value = typeof raw === 'string' && form.test(raw.trim()) ? Number(raw) : raw;
  return typeof value === 'number' && holds(value) ? value : INVALID;
}

function inRange(schema: Schema, value: unknown): unknown {
  if (typeof value !== 'number') return value;
  if (schema.enum && !schema.enum.includes(value)) return NOT_ALLOWED;
  return value < (schema.minimum ?? -Infinity) || value > (schema.maximum ?? Infinity) ? NOT_ALLOWED : value;
}

const TRUE = new Set(['true', '1', 't', 'on', 'yes']);
const FALSE = new Set(['false', '0', 'f', 'off', 'no']);

function readBoolean(raw: unknown): unknown {
  if (typeof raw === 'boolean') return raw;
  const text = String(raw).toLowerCase();
  if (typeof raw !== 'string' && typeof raw !== 'number') return INVALID;
  if (TRUE.has(text)) return true;
  return FALSE.has(text) ? false : INVALID;
}

function readFlatList(schema: Schema, raw: unknown, kind: 'text' | 'integer'): unknown {
  let parts: unknown;
  if (raw instanceof Repeated) parts = raw.values;
  else parts = typeof raw === 'string' ? raw.split(',') : typeof raw === 'number' ? [raw] : raw;
  if (!Array.isArray(parts)) return INVALID;
  const values: unknown[] = [];
  for (const part of parts) {
    const item = typeof part === 'string' ? part.trim() : part;
    // `scopes[]=` is how a form says "an empty list".
    if (item === '') continue;
    const rule: Schema = { ...schema.items };
    const value =
      kind === 'integer'
        ? inRange(rule, readNumber(item, /^[+-]?\d{1,16}$/, Number.isSafeInteger))
        : readText(rule, item);
    if (value instanceof Wrong) return value;
    values.push(value);
  }
  return schema['x-not-empty'] && values.length === 0 ? EMPTY : values;
}

function readList(schema: Schema, raw: unknown, name: string, texts: string[]): unknown {
  let parts: unknown = raw instanceof Repeated ? raw.values : raw;
  if (isTree(parts) && Object.keys(parts).every((key) => /^\d{1,4}$/.test(key))) parts = Object.values(parts);
  if (parts === '') parts = [];
  if (!Array.isArray(parts)) return INVALID;
  const values: unknown[] = [];
  for (const [index, part] of parts.entries()) {
    const value = readValue(schema.items ?? {}, part, `${name}[${index}]`, texts);
    if (value instanceof Wrong) return value;
    values.push(value);
  }
  return schema['x-not-empty'] && values.length === 0 ? EMPTY : values;
}

/** The declared names of a schema, for documents. */
export function declaredNames(schema: TSchema): string[] {
  return Object.keys((schema as unknown as Schema).properties ?? {});
}

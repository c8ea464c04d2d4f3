// The vocabulary in which routes declare their parameters: JSON schemas that also say how a text from a query or form becomes
// the value. It knows no request; params.ts reads one against these. The types are TypeBox's; the schemas are so plain that
// they are made here, for loading TypeBox's 370 modules took an eighth of the server's start and 20 MB of its memory.
//
//   params: object({
//     name: text('Name of the token', { notEmpty: true }),
//     scopes: stringList('Scopes', { oneOf: SCOPES }),
//     expires_at: optional(nullable(date('Date from which it is dead'))),
//     per_level: withDefault(integer('Level', { oneOf: [10, 20] }), 10),
//   })
import type { Static, TObject, TOptional, TProperties, TSchema, TUnsafe } from 'typebox';
import type { Visibility } from '../../storage/schema.ts';

/** How a parameter is read; the tag `x-param` of its schema. */
export type ParamKind =
  | 'text'
  | 'integer'
  | 'number'
  | 'boolean'
  | 'date'
  | 'datetime'
  | 'string_list'
  | 'integer_list'
  | 'list'
  | 'object'
  | 'json'
  | 'file';

/** The keywords of our own beside those of JSON Schema. */
export interface ParamTags {
  readonly 'x-param'?: ParamKind;
  /** an empty text is `X is empty` */
  readonly 'x-not-empty'?: boolean;
  /** null and an empty text are the value null; without it they count as absent */
  readonly 'x-nullable'?: boolean;
}

/** A parameter whose value reaches the handler as T. */
export type Param<T> = TUnsafe<T>;

/** The schemas of what may be left out. Not a keyword of the schema: an object says it in its `required`. */
const optionals = new WeakSet<object>();

function param<T>(kind: ParamKind, schema: Record<string, unknown>): Param<T> {
  const given = Object.fromEntries(Object.entries(schema).filter(([, value]) => value !== undefined));
  return { ...given, 'x-param': kind } as unknown as Param<T>;
}

/** Text. `notEmpty`: blank is `X is empty`; `maxLength` in characters and `pattern`: otherwise `X is invalid`. */
export function text(
  description: string,
  options: { notEmpty?: boolean; maxLength?: number; pattern?: RegExp } = {},
): Param<string> {
  return param('text', {
    type: 'string',
    description,
    maxLength: options.maxLength,
    // Compiled here so that a pattern that does not fit Unicode mode fails at start and not in a request.
    pattern: options.pattern && new RegExp(options.pattern.source, 'u').source,
    'x-not-empty': options.notEmpty,
  });
}

/**
 * A whole number. Anything else, and what overflows the safe integers, `X is invalid`; outside `minimum` and `maximum` or not
 * among `oneOf`, `X does not have a valid value`.
 */
export function integer(
  description: string,
  options: { minimum?: number; maximum?: number; oneOf?: readonly number[] } = {},
): Param<number> {
  const { minimum, maximum, oneOf: allowed } = options;
  return param('integer', { type: 'integer', description, minimum, maximum, enum: allowed && [...allowed] });
}

/** A number with or without a fraction. */
export function number(description: string, options: { minimum?: number; maximum?: number } = {}): Param<number> {
  return param('number', { type: 'number', description, ...options });
}

/** `true`, `false`, `1`, `0`, `t`, `f`, `on`, `off`, `yes`, `no`. */
export function boolean(description: string): Param<boolean> {
  return param('boolean', { type: 'boolean', description });
}

/** `YYYY-MM-DD`, a time behind it is cut off; the handler gets milliseconds at 00:00 UTC (reference access-tokens 3.2). */
export function date(description: string): Param<number> {
  return param('date', { type: 'string', format: 'date', description });
}

/** An ISO 8601 instant (a bare date is 00:00 UTC); the handler gets milliseconds. */
export function datetime(description: string): Param<number> {
  return param('datetime', { type: 'string', format: 'date-time', description });
}

/** One of these texts; another one `X does not have a valid value`. */
export function oneOf<const T extends string>(allowed: readonly T[], description: string): Param<T> {
  return param('text', { type: 'string', enum: [...allowed], description });
}

/** Who may see it: `private`, `internal`, `public`. */
export function visibility(description = 'Who may see it'): Param<Visibility> {
  return oneOf(['private', 'internal', 'public'], description);
}

/** Texts: an array, or one comma-separated string. With `oneOf`, another element is `X does not have a valid value`. */
export function stringList<const T extends string = string>(
  description: string,
  options: { oneOf?: readonly T[]; notEmpty?: boolean } = {},
): Param<T[]> {
  const items = options.oneOf ? { type: 'string', enum: [...options.oneOf] } : { type: 'string' };
  return param('string_list', { type: 'array', items, description, 'x-not-empty': options.notEmpty });
}

/** Whole numbers: an array, or one comma-separated string. */
export function integerList(description: string): Param<number[]> {
  return param('integer_list', { type: 'array', items: { type: 'integer' }, description });
}

/** An array of objects or other parameters, as JSON or as `a[][b]=c`. An element's error is named `a[0][b] is missing`. */
export function listOf<T extends TSchema>(item: T, description: string): Param<Static<T>[]> {
  return param('list', { type: 'array', items: item, description });
}

/** Any JSON value, handed on as it came. */
export function anything(description: string): Param<unknown> {
  return param('json', { description });
}

/** A file of a multipart body: present it must be, its bytes are in `context.files`. The value is its name. */
export function file(description: string): Param<string> {
  return param('file', { type: 'string', format: 'binary', description });
}

/** The parameters of a route, or a nested `a[b]=c`. */
export function object<T extends TProperties>(properties: T, description?: string): TObject<T> {
  const required = Object.keys(properties).filter((name) => !optionals.has(properties[name]!));
  return {
    type: 'object',
    properties,
    ...(required.length > 0 && { required }),
    ...(description !== undefined && { description }),
  } as unknown as TObject<T>;
}

/** It may be left out: the handler sees undefined. */
export function optional<T extends TSchema>(schema: T): TOptional<T> {
  const copy = { ...schema };
  optionals.add(copy);
  return copy as TOptional<T>;
}

/** Null, and for everything but text also an empty string, reach the handler as null (to clear a value). */
export function nullable<T>(schema: Param<T>): Param<T | null> {
  return { ...schema, 'x-nullable': true } as unknown as Param<T | null>;
}

/** It may be left out: the handler sees `value`. */
export function withDefault<T>(schema: Param<T>, value: T): Param<T> {
  return { ...schema, default: value } as Param<T>;
}

/** For routes without parameters. */
export const none = object({});

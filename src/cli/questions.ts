// What the commands read from their arguments: a place, a user, a date, an id, and the proof that the operator may do the deed.
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import { decide, type Question } from '../access/decide.ts';
import { atGroup, atProject, type PlaceRef } from '../access/place.ts';
import type { Services } from '../doors/services.ts';
import type { User } from '../identity/records.ts';
import { findUserByIdOrName } from '../identity/user-store.ts';
import { parseDate } from '../kernel/clock.ts';
import { fail } from '../kernel/faults.ts';
import { parseId } from '../kernel/names.ts';
import { type CommandArguments, operator, RefusedError, UsageError } from './operator.ts';

/** Asks whether the operator may; throws RefusedError when not. */
export async function prove<A extends Action>(services: Services, question: Question<A>): Promise<Allowed<A>> {
  const answer = await decide<A>(services.db.read, services.clock, operator.credential, question);
  if (!answer.ok) throw new RefusedError(answer.error);
  return answer.value;
}

/** The text of an option; undefined when it was not given. */
export function textOf(args: CommandArguments, name: string): string | undefined {
  const value = args.options[name];
  return typeof value === 'string' ? value : undefined;
}

/** The text of an option that must be there. */
export function requiredText(args: CommandArguments, name: string): string {
  return textOf(args, name) ?? missing(`--${name} is missing`);
}

/** An option that may be repeated, each also holding several values separated by commas. */
export function manyOf(args: CommandArguments, name: string): string[] {
  const value = args.options[name];
  const items = Array.isArray(value) ? value : typeof value === 'string' ? [value] : [];
  return items.flatMap((item) => item.split(',')).filter((item) => item !== '');
}

/**
 * 00:00 UTC of the date in option `name`; null when it was not given. The date is the end of a key: one that is dead at `now`
 * already was mistyped. (The API takes it, as GitLab does: reference access-tokens 6.)
 */
export function dateOf(args: CommandArguments, name: string, now: number): number | null {
  const text = textOf(args, name);
  if (text === undefined) return null;
  const date = parseDate(text) ?? missing(`--${name} must be a date, YYYY-MM-DD`);
  return date > now ? date : missing(`--${name} must be later than today (UTC): from that day on the key is dead`);
}

/** A whole number of at least 0 in option `name`; null when it was not given. */
export function numberOf(args: CommandArguments, name: string): number | null {
  const text = textOf(args, name);
  if (text === undefined) return null;
  return /^\d{1,9}$/.test(text) ? Number(text) : missing(`--${name} must be a whole number`);
}

/** The one id that a command takes. */
export function idOf(args: CommandArguments): number {
  const id = args.words.length === 1 ? parseId(args.words[0]!) : null;
  return id ?? missing('exactly one id of a key is needed; "keyward token list" shows them');
}

/** An id when all digits, else a path. */
export function placeRef(text: string): PlaceRef {
  return parseId(text) ?? text;
}

/** The project or group of the options; null when neither was given. */
export function placeOf(args: CommandArguments): ReturnType<typeof atProject> | ReturnType<typeof atGroup> | null {
  const project = textOf(args, 'project');
  const group = textOf(args, 'group');
  if (project !== undefined && group !== undefined) missing('--project and --group exclude each other');
  if (project !== undefined) return atProject(placeRef(project));
  return group === undefined ? null : atGroup(placeRef(group));
}

/** The user of a text: id or user name. Fault `not_found` when there is none. */
export async function userOf(services: Services, text: string): Promise<User> {
  return (await findUserByIdOrName(services.db.read, text)) ?? fail({ code: 'not_found', thing: 'User' });
}

/** Ends the command as wrongly typed. */
export function missing(sentence: string): never {
  throw new UsageError(sentence);
}

// Who works at the command line, what he typed, and the two ways in which a command ends before it has begun.
import type { Refusal } from '../access/refusal.ts';
import type { Actor } from '../credentials/actor.ts';
import { localOperator } from '../credentials/local.ts';

/** What was typed after the command's name: options by name, and what stood alone. */
export interface CommandArguments {
  readonly options: Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  readonly words: readonly string[];
}

/** The command line was wrong in a way that only the command itself could tell. */
export class UsageError extends Error {}

/** `decide` said no. */
export class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** Who works at the command line. */
export const operator: Actor = { credential: localOperator(), door: 'local', ip: null };

// What the parts of the LFS door work with.
import type { Actor } from '../../credentials/actor.ts';
import type { Services } from '../services.ts';
import type { Exchange } from './exchange.ts';
import type { LfsAction, LfsEntry } from './lfs-entry.ts';

/** One request of git-lfs, with its key as a live use. */
export interface LfsCall<A extends LfsAction = LfsAction> extends LfsEntry<A> {
  readonly services: Services;
  readonly exchange: Exchange;
  readonly actor: Actor;
  /** aborted when the key ends or the client leaves */
  readonly signal: AbortSignal;
}

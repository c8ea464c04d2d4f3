// What the doors are given: the house, and the rooms that hold state of their own (repositories on disk, the verifier with its
// limits, live uses). The composition root makes it once.
import type { RefusalCounter } from '../audit/refusals.ts';
import type { LiveUses } from '../credentials/live-uses.ts';
import type { Verifier } from '../credentials/verify.ts';
import type { Git } from '../repositories/git.ts';
import type { Repositories } from '../repositories/repository-files.ts';
import type { Blobs } from '../storage/blobs.ts';
import type { House } from '../storage/house.ts';

export interface Services extends House {
  readonly verifier: Verifier;
  readonly liveUses: LiveUses;
  readonly git: Git;
  readonly repositories: Repositories;
  readonly blobs: Blobs;
  /** refusals of strangers, counted instead of stored one by one */
  readonly refusals: RefusalCounter;
}

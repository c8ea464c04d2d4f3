// What the commands of an SSH session work with.
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { Services } from '../services.ts';
import type { DirectOutputs } from './direct-output.ts';
import type { SessionOpening } from './frames.ts';
import type { SessionStreams } from './session-streams.ts';

/** What a command of a session works with. */
export interface Session {
  readonly outputs: DirectOutputs;
  readonly services: Services;
  readonly opening: SessionOpening;
  readonly streams: SessionStreams;
  readonly credential: VerifiedCredential;
  /** aborted when the client left or its key was ended */
  readonly signal: AbortSignal;
  /** Says in which project it works, once it was let in there. */
  at(projectId: number): void;
}

// One session from its key to its exit code: is the key still alive, what does the client ask, may it, run it, say how it ended.
// The order is that of reference git-and-deploy 8.3; the holder comes from the key that signed and from nothing else.
import { FaultError } from '../../kernel/faults.ts';
import { GitBusy, RepositoryError } from '../../repositories/errors.ts';
import { BUSY, NO_REPOSITORY } from '../../repositories/refusal-texts.ts';
import type { Services } from '../services.ts';
import { readCommand, type SshCommand } from './command-line.ts';
import type { DirectOutputs } from './direct-output.ts';
import type { SessionOpening } from './frames.ts';
import { runGit } from './git-session.ts';
import { greet, whoIsIt } from './holder.ts';
import { type LfsAuthenticate, runLfsAuthenticate } from './lfs-authenticate.ts';
import { echo, KEY_ENDED, NO_TWO_FACTOR, NOT_AVAILABLE, refusalFrame, TOO_MANY_SESSIONS } from './messages.ts';
import type { Session } from './session.ts';
import { SessionRefusal } from './session-refusal.ts';
import type { SessionStreams } from './session-streams.ts';
import { runPersonalAccessToken } from './token-command.ts';

export interface SshOptions {
  /** how `git-lfs-authenticate` gets its token; null: this server has no LFS */
  readonly lfsAuthenticate: LfsAuthenticate | null;
}

interface SessionOptions extends SshOptions {
  readonly outputs: DirectOutputs;
}

/** A CI server fetches a lot at once; nobody needs more than this. */
const SESSIONS_PER_KEY = 50;

/** Makes the function that serves sessions; it counts those of each key. */
export function createSessions(services: Services, options: SessionOptions) {
  const open = new Map<string, number>();
  return async (opening: SessionOpening, streams: SessionStreams): Promise<void> => {
    const count = open.get(opening.fingerprint) ?? 0;
    open.set(opening.fingerprint, count + 1);
    try {
      if (count >= SESSIONS_PER_KEY) throw new SessionRefusal(TOO_MANY_SESSIONS);
      streams.exit(await serve(services, options, opening, streams));
    } catch (error) {
      if (!streams.left.aborted) streams.exit(sayWhy(services, opening, streams, error));
    } finally {
      const left = (open.get(opening.fingerprint) ?? 1) - 1;
      if (left === 0) open.delete(opening.fingerprint);
      else open.set(opening.fingerprint, left);
    }
  };
}

async function serve(
  services: Services,
  options: SessionOptions,
  opening: SessionOpening,
  streams: SessionStreams,
): Promise<number> {
  const command = readCommand(opening.command);
  const credential = await whoIsIt(services, opening, command);
  const use = services.liveUses.open(credential);
  try {
    const signal = AbortSignal.any([use.signal, streams.left]);
    const code = await run(
      command,
      { services, opening, streams, credential, signal, outputs: options.outputs, at: (id) => use.at(id) },
      options,
    );
    if (use.signal.aborted) throw new SessionRefusal(KEY_ENDED);
    return code;
  } catch (error) {
    throw use.signal.aborted ? new SessionRefusal(KEY_ENDED) : error;
  } finally {
    use.done();
  }
}

async function run(command: SshCommand, session: Session, options: SshOptions): Promise<number> {
  const { opening, streams, services, credential } = session;
  const ours = opening.transport === 'ssh2';
  switch (command.type) {
    case 'greeting':
      services.verifier.used(credential, opening.ip);
      streams.stdout.write(greet(credential));
      return 0;
    case 'git':
      return runGit(session, command.service, command.path);
    case 'lfs_authenticate':
      return runLfsAuthenticate(session, options.lfsAuthenticate, command.path, command.operation);
    case 'personal_access_token':
      return runPersonalAccessToken(session, command.words);
    case 'two_factor':
      throw new SessionRefusal(NO_TWO_FACTOR);
    case 'wrong_arguments':
      throw new SessionRefusal('Disallowed command');
    case 'unknown':
      throw ours
        ? new SessionRefusal(`Unknown command: ${echo(command.name)}`, 128)
        : new SessionRefusal('Disallowed command', 1, false);
    case 'unparsable': {
      const text = `Invalid SSH command: ${command.reason}`;
      throw ours ? new SessionRefusal(`Failed to parse command: ${text}`, 128) : new SessionRefusal(text, 1, false);
    }
  }
}

/** Tells the client why it ended, and gives the exit code. */
function sayWhy(services: Services, opening: SessionOpening, streams: SessionStreams, error: unknown): number {
  const refusal = refusalOf(error);
  if (refusal === null) services.log.error({ err: error }, 'an SSH session failed');
  else
    services.log.info({ ip: opening.ip, key: opening.fingerprint, why: refusal.message }, 'an SSH session was refused');
  const { message, exitCode, inFrame } = refusal ?? new SessionRefusal(NOT_AVAILABLE);
  streams.stderr.write(inFrame ? refusalFrame(message, opening.transport) : `${message}\n`);
  return exitCode;
}

function refusalOf(error: unknown): SessionRefusal | null {
  if (error instanceof SessionRefusal) return error;
  if (error instanceof GitBusy) return new SessionRefusal(BUSY);
  if (error instanceof RepositoryError && error.code === 'repository_missing') return new SessionRefusal(NO_REPOSITORY);
  if (error instanceof FaultError) {
    if (error.fault.code === 'too_many_requests' || error.fault.code === 'unavailable') return new SessionRefusal(BUSY);
  }
  return null;
}

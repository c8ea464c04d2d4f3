// Joins the local socket and the sessions: every connection that speaks frames is a session, or a question about a key.
import type { Socket } from 'node:net';
import type { Services } from '../services.ts';
import { DirectOutputs } from './direct-output.ts';
import { maySignIn } from './holder.ts';
import { createSessions, type SshOptions } from './serve-session.ts';
import { openStreams } from './session-streams.ts';

/** What this needs of the local socket. */
export interface StreamDoor {
  /** Says who takes connections that begin with STREAM_MARK; `first` is what came behind it. */
  stream(taker: (socket: Socket, first: Buffer) => void): void;
}

/** Serves sessions of both transports. */
export function answerSessions(door: StreamDoor, services: Services, options: SshOptions): void {
  const outputs = new DirectOutputs();
  const serve = createSessions(services, { ...options, outputs });
  door.stream((socket, first) =>
    openStreams(socket, first, (opening, streams) => {
      if (opening.ask === 'session') void serve(opening, streams);
      else if (opening.ask === 'output') outputs.arrive(opening.ticket, streams.release());
      else
        maySignIn(services, opening.fingerprint, opening.ip).then(streams.answer, (error: unknown) => {
          services.log.error({ err: error }, 'an SSH key could not be looked up');
          socket.destroy();
        });
    }),
  );
}

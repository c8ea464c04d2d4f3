// Clients that take a place among git's processes and hardly use it. While others wait for a place, whoever holds one and is the
// one waited for must move something, or his connection is cut; with nobody waiting he may be as slow as he likes. It knows no
// wire: bytes of a connection, either way.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { addressKey } from '../../credentials/failure-limit.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { Services } from '../services.ts';

/** Who is counted for a share of git's processes: a key, whoever presents it, or the address of somebody without one. */
export function slotKey({ id }: VerifiedCredential, ip: string | null): string {
  return id === null ? `address ${addressKey(ip ?? '')}` : `key ${id}`;
}

/** Watches a request that holds a slot of git's, until its answer is over. */
export function keepPace(services: Services, request: IncomingMessage, response: ServerResponse, ip: string): void {
  const { git } = services.repositories;
  const { window, least } = git.patience;
  const { socket } = request;
  const moved = () => socket.bytesRead + socket.bytesWritten;
  let before = moved();
  const timer = setInterval(() => {
    const now = moved();
    const isSlow = now - before < least;
    before = now;
    if (!isSlow || git.waiting() === 0 || !isWaitedFor(request, response)) return;
    services.log.info({ ip }, 'a slow client gave its place to those who wait');
    socket.destroy();
  }, window).unref();
  response.once('close', () => clearInterval(timer));
}

/** Whether it is the client's turn: answer lies ready that he does not take, or somebody reads a body that does not come. */
function isWaitedFor(request: IncomingMessage, response: ServerResponse): boolean {
  if (response.writableLength > 0) return true;
  return !request.complete && request.readableFlowing === true;
}

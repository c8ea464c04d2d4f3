// `git-lfs-authenticate`: the same decision as git's own command, and then a short-lived key for the LFS routes, as one line of
// JSON (reference git-and-deploy 10.4). Who makes that key is handed in; without it this server has no LFS.
import type { ProjectPlace } from '../../access/place.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import type { Services } from '../services.ts';
import { enterProject } from './git-session.ts';
import type { Session } from './session.ts';
import { SessionRefusal } from './session-refusal.ts';

/** Makes the answer for a key that may; null: nothing could be made, and git-lfs hears nothing. */
export type LfsAuthenticate = (
  services: Services,
  credential: VerifiedCredential,
  place: ProjectPlace,
  operation: 'download' | 'upload',
) => Promise<Readonly<Record<string, unknown>> | null>;

/** Runs the command. Gives the exit code; throws SessionRefusal when the key may not. */
export async function runLfsAuthenticate(
  session: Session,
  make: LfsAuthenticate | null,
  path: string,
  operation: 'download' | 'upload',
): Promise<number> {
  if (make === null) throw new SessionRefusal('Git LFS is not enabled on this GitLab server, contact your admin.');
  const { services, credential, streams, opening } = session;
  const place = await enterProject(session, operation === 'upload' ? 'repository:push' : 'repository:pull', path);
  services.verifier.used(credential, opening.ip);
  const answer = await make(services, credential, place, operation);
  if (answer !== null) streams.stdout.write(`${JSON.stringify(answer)}\n`);
  return 0;
}

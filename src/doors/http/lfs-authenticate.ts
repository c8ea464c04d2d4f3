// What a client is given to speak to the LFS routes: an `Authorization` header made from its key, and for `git-lfs-authenticate`
// the address to use it at (reference git-and-deploy 9.2, 10.4). Whether the key may is asked before, and again at each use.
import type { ProjectPlace } from '../../access/place.ts';
import { issueLfsToken, type LfsOperation } from '../../credentials/lfs-token.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import { SECOND } from '../../kernel/clock.ts';
import type { House } from '../../storage/house.ts';

type LfsHouse = Pick<House, 'keys' | 'clock' | 'url'>;

export interface LfsHeader {
  readonly authorization: string;
  /** seconds until it is of no use any more */
  readonly expiresIn: number;
}

/** A fresh header for one repository and operation; null for a key that can have none, or is dead within the second. */
export function lfsHeader(
  house: LfsHouse,
  credential: VerifiedCredential,
  { project }: ProjectPlace,
  operation: LfsOperation,
): LfsHeader | null {
  if (project.repository_id === null) return null;
  const token = issueLfsToken(house, credential, { operation, repositoryId: project.repository_id });
  if (token === null) return null;
  const expiresIn = Math.floor((token.expiresAt - house.clock.now()) / SECOND);
  if (expiresIn < 1) return null;
  const pair = Buffer.from(`${token.login}:${token.secret.reveal()}`).toString('base64');
  return { authorization: `Basic ${pair}`, expiresIn };
}

/** The address of a project's LFS routes. */
export function lfsUrl(house: Pick<House, 'url'>, { project }: ProjectPlace): string {
  return `${house.url}/${project.full_path}.git/info/lfs`;
}

/** The one line of JSON that `git-lfs-authenticate` prints; null when no token can be made. */
export async function lfsAuthenticate(
  house: LfsHouse,
  credential: VerifiedCredential,
  place: ProjectPlace,
  operation: LfsOperation,
): Promise<Readonly<Record<string, unknown>> | null> {
  const header = lfsHeader(house, credential, place, operation);
  if (header === null) return null;
  return { header: { Authorization: header.authorization }, href: lfsUrl(house, place), expires_in: header.expiresIn };
}

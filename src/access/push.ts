import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { House } from '../storage/house.ts';
import type { ProjectPlace } from './place.ts';

export async function judgePushTo(
  _house: House,
  _credential: VerifiedCredential,
  _place: ProjectPlace,
  _update: { ref: string; kind: 'create' | 'update' | 'delete'; forced: boolean; door: 'git' | 'web' },
): Promise<{ row: string; message: string } | null> {
  return null;
}

// The inventory: every key of every kind that the caller may know of. Administrators see all; others what they hold, what they
// made, and the keys of the places they manage (reference access-tokens 3.7). Hidden and missing read alike.
import type { Allowed } from '../access/allowed.ts';
import { decide } from '../access/decide.ts';
import { isEnabledSomewhere, keysEnabledIn } from '../access/deploy-key-store.ts';
import { atGroup, atProject } from '../access/place.ts';
import { visibleProjects } from '../access/visible-store.ts';
import { type CredentialFilter, listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { ISSUED_KINDS } from '../credentials/kinds.ts';
import { actingUser, type VerifiedCredential } from '../credentials/verified-credential.ts';
import { fail } from '../kernel/faults.ts';
import type { House } from '../storage/house.ts';
import { type KeyPlace, placeOfKey } from './holder-store.ts';
import { managedPlaces } from './inventory-store.ts';

type Looker = { readonly credential: VerifiedCredential; readonly asAdmin: boolean };

/** A page of the keys that the caller may know of. */
export async function listInventory(
  house: House,
  allowed: Allowed<'credential:list'>,
  filter: Omit<CredentialFilter, 'anyOf' | 'impersonation'>,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const now = house.clock.now();
  const kinds = filter.kinds ?? ISSUED_KINDS;
  if (allowed.asAdmin) return listCredentials(house.db.list, { ...filter, kinds, impersonation: 'any' }, slice, now);
  const userId = actingUser(allowed.credential)?.id ?? fail({ code: 'unauthorized' });
  const places = await managedPlaces(house.db.list, house.clock, allowed.credential);
  const ids = await keysEnabledIn(house.db.list, places.projectIds);
  return listCredentials(house.db.list, { ...filter, kinds, anyOf: { userId, ...places, ids } }, slice, now);
}

/** Whether the caller may know of a key. */
export async function mayKnow(house: House, looker: Looker, row: CredentialRow): Promise<boolean> {
  if (!ISSUED_KINDS.includes(row.kind)) return false;
  if (looker.asAdmin) return true;
  if (row.impersonation === 1) return false;
  const user = actingUser(looker.credential);
  if (user === null) return false;
  if (row.user_id === user.id || row.created_by_user_id === user.id) return true;
  if (row.kind === 'deploy_key') {
    const managed = visibleProjects(house.clock, looker.credential, 'project_deploy_key:list');
    return isEnabledSomewhere(house.db.read, row.id, { holds: managed });
  }
  const place = placeOfKey(row);
  return place !== null && manages(house, looker.credential, place);
}

async function manages(house: House, credential: VerifiedCredential, place: KeyPlace): Promise<boolean> {
  const answer =
    place.type === 'project'
      ? await decide(house.db.read, house.clock, credential, {
          action: 'project_access_token:list',
          place: atProject(place.id),
        })
      : await decide(house.db.read, house.clock, credential, {
          action: 'group_access_token:list',
          place: atGroup(place.id),
        });
  return answer.ok;
}

/** One key that the caller may know of; `not_found` for others and unknown ones alike. */
export async function getInventoryKey(house: House, looker: Looker, id: number): Promise<CredentialRow> {
  const row = await findCredential(house.db.read, id);
  return row && (await mayKnow(house, looker, row)) ? row : fail({ code: 'not_found', thing: null });
}

// Keys of every kind in one shape, for the inventory (reference access-tokens 3.7).
import { type CredentialRow, credentialState, scopesOf } from '../../../credentials/credential-rows.ts';
import { describeKind } from '../../../credentials/kinds.ts';
import { isoDate, isoTime } from '../../../kernel/clock.ts';
import { placeOfKey, type Surroundings } from '../../../keys/holder-store.ts';

function holderOf(row: CredentialRow, around: Surroundings) {
  const type = describeKind(row.kind).holder;
  switch (type) {
    case 'user': {
      const user = row.user_id === null ? undefined : around.users.get(row.user_id);
      return { type, id: row.user_id, name: user?.username ?? null };
    }
    case 'deploy_token':
      return { type, id: row.id, name: row.username };
    case 'runner':
      return { type, id: row.runner_id, name: row.name };
    default:
      return { type, id: row.id, name: row.name };
  }
}

function reachOf(row: CredentialRow, around: Surroundings) {
  const place = placeOfKey(row);
  if (place === null) return null;
  const paths = place.type === 'project' ? around.projects : around.groups;
  return { type: place.type, id: place.id, full_path: paths.get(place.id) ?? null };
}

/** One key of the inventory. */
export function presentCredential(row: CredentialRow, around: Surroundings, now: number) {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    description: row.description,
    state: credentialState(row, now),
    holder: holderOf(row, around),
    reach: reachOf(row, around),
    scopes: scopesOf(row),
    impersonation: row.impersonation === 1,
    created_at: isoTime(row.created_at),
    created_by: row.created_by_user_id,
    expires_at: isoDate(row.expires_at),
    ended_at: isoTime(row.ended_at),
    end_reason: row.end_reason,
    last_used_at: isoTime(row.last_used_at),
    last_used_ips: row.ips,
    family_id: row.family_id,
    successor_id: row.successor_id,
  };
}

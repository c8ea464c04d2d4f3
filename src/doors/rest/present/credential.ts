// Keys as JSON, each kind in the words of its own routes (reference access-tokens 1, git-and-deploy 5.5). The text of a key is put
// beside a record only by `withToken`, right after it was made.

import { type CredentialRow, isActive, scopesOf } from '../../../credentials/credential-rows.ts';
import type { User } from '../../../identity/records.ts';
import { isoDate, isoTime, startOfDay } from '../../../kernel/clock.ts';
import { placeOfKey } from '../../../keys/holder-store.ts';
import type { KeyMade } from '../../../keys/rotate-key.ts';

const isRevoked = (row: CredentialRow, now: number): boolean => row.ended_at !== null && row.ended_at <= now;

/** A personal access token, and what the `self` routes show of any access token. */
export function presentPersonalToken(row: CredentialRow, now: number) {
  return {
    id: row.id,
    name: row.name,
    revoked: isRevoked(row, now),
    created_at: isoTime(row.created_at),
    description: row.description,
    scopes: scopesOf(row),
    user_id: row.user_id,
    last_used_at: isoTime(row.last_used_at),
    active: isActive(row, now),
    expires_at: isoDate(row.expires_at),
    // Copied, for what is remembered is frozen, which JSON.stringify takes three times as long for.
    last_used_ips: [...row.ips],
  };
}

/** The same on the impersonation routes. */
export function presentImpersonationToken(row: CredentialRow, now: number) {
  return { ...presentPersonalToken(row, now), impersonation: true };
}

/** A project or group access token; `level` is the role it was given. */
export function presentResourceToken(row: CredentialRow, level: number, now: number) {
  const place = placeOfKey(row);
  return {
    ...presentPersonalToken(row, now),
    access_level: level,
    resource_type: place?.type ?? null,
    resource_id: place?.id ?? null,
  };
}

/** A deploy token. `expired` is true only when its date lies before today, although it is dead from that date on. */
export function presentDeployToken(row: CredentialRow, now: number) {
  return {
    id: row.id,
    name: row.name,
    username: row.username,
    expires_at: isoTime(row.expires_at),
    scopes: scopesOf(row),
    revoked: isRevoked(row, now),
    expired: row.expires_at !== null && row.expires_at < startOfDay(now),
  };
}

/** A record with the text of its key: only for the one answer that follows its making. */
export function withToken<T extends object>(record: T, made: Pick<KeyMade, 'secret'>): T & { readonly token: string } {
  return { ...record, token: made.secret.reveal() };
}

/** The raw record that the administrator's token API shows (reference access-tokens 4.6). */
export function presentRawToken(row: CredentialRow, previousId: number | null, now: number) {
  const common = {
    id: row.id,
    user_id: row.user_id,
    name: row.name,
    revoked: isRevoked(row, now),
    expires_at: isoDate(row.expires_at),
    created_at: isoTime(row.created_at),
    updated_at: isoTime(row.ended_at !== null && row.ended_at <= now ? row.ended_at : row.created_at),
    scopes: scopesOf(row),
  };
  if (row.kind === 'deploy_token')
    return { ...common, username: row.username, project_id: row.project_id, group_id: row.group_id };
  if (!row.kind.endsWith('access_token')) return { ...common, kind: row.kind, project_id: row.project_id };
  return {
    ...common,
    impersonation: row.impersonation === 1,
    expire_notification_delivered: false,
    last_used_at: isoTime(row.last_used_at),
    after_expiry_notification_delivered: false,
    previous_personal_access_token_id: previousId,
    advanced_scopes: null,
    organization_id: 1,
  };
}

/** A service account. */
export function presentServiceAccount(user: User) {
  return { id: user.id, username: user.username, name: user.name, email: user.email };
}

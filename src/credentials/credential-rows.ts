// A key as a row: its shape, and what can be told from the row alone (alive, rotating, dead). It asks no store.
import type { Selectable } from 'kysely';
import type { CredentialTable } from '../storage/schema.ts';

export type Credential = Selectable<CredentialTable>;

/** A credential with its use, as lists show it. */
export interface CredentialRow extends Credential {
  readonly last_used_at: number | null;
  /** the newest five addresses, newest first */
  readonly ips: string[];
  /** deploy tokens only */
  readonly username: string | null;
}

export type CredentialState = 'active' | 'rotating' | 'expired' | 'revoked';

/** The state of a key at `now`. `rotating`: already rotated, still alive until its overlap ends. Revoked outranks expired. */
export function credentialState(row: Pick<Credential, 'ended_at' | 'expires_at'>, now: number): CredentialState {
  if (row.ended_at !== null && row.ended_at <= now) return 'revoked';
  if (row.expires_at !== null && row.expires_at <= now) return 'expired';
  return row.ended_at !== null ? 'rotating' : 'active';
}

/** Whether a key may authenticate at `now`. Dead from the first instant of its date on (security-lessons R37). */
export function isActive(row: Pick<Credential, 'ended_at' | 'expires_at'>, now: number): boolean {
  const state = credentialState(row, now);
  return state === 'active' || state === 'rotating';
}

/** The scopes of a row, in the order given. */
export function scopesOf(row: Pick<Credential, 'scopes'>): string[] {
  return JSON.parse(row.scopes);
}

/** A row as it comes from the joined tables. */
export type JoinedRow = Credential & { last_used_at: number | null; ips: string | null; username: string | null };

/** The row with its addresses read. */
export function asRow(row: JoinedRow): CredentialRow {
  return { ...row, ips: row.ips === null ? [] : JSON.parse(row.ips) };
}

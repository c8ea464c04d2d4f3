// The tables `credentials` and `ssh_keys` together: SSH keys of people and deploy keys, which share one body each (reference
// git-and-deploy 6.1). It finds, adds and changes rows; in which projects a deploy key is enabled stands in access/.
import { sql } from 'kysely';
import type { User } from '../identity/records.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { SshKeyTable } from '../storage/schema.ts';
import type { Slice } from './credential-list-store.ts';
import type { Credential, CredentialRow } from './credential-rows.ts';
import { insertCredential } from './credential-store.ts';
import { findUser } from './holder-store.ts';
import type { SshPublicKey } from './ssh-key.ts';

export const USAGE_TYPES = ['auth', 'signing', 'auth_and_signing'] as const;
export type UsageType = (typeof USAGE_TYPES)[number];
export type SshKeyKind = 'deploy_key' | 'user_ssh_key';

/** An SSH key with all that is known of it; `user_id` is its owner. */
export type SshKeyRow = CredentialRow & Omit<SshKeyTable, 'credential_id'>;

type Joined = Omit<SshKeyRow, 'ips' | 'username'> & { ips: string | null };

const base = (q: Queryable) =>
  q
    .selectFrom('credentials as c')
    .innerJoin('ssh_keys as k', 'k.credential_id', 'c.id')
    .leftJoin('credential_uses as u', 'u.credential_id', 'c.id')
    .selectAll('c')
    .select(['u.last_used_at', 'u.ips'])
    .select(['k.title', 'k.key_text', 'k.fingerprint_md5', 'k.public', 'k.usage_type'])
    .where('c.forgotten_at', 'is', null)
    .where('c.ended_at', 'is', null);

function asRow(row: Joined): SshKeyRow {
  return { ...row, ips: row.ips === null ? [] : JSON.parse(row.ips), username: null };
}

/** The query behind every list of SSH keys, for stores above that add where the keys are enabled. Aliases: `c`, `k`, `u`. */
export const sshKeys = base;

/** Rows of a query over `sshKeys`, as the rest of the house reads them. */
export const asSshKeys = (rows: readonly Joined[]): SshKeyRow[] => rows.map(asRow);

/** A key by id; null when it is none of this kind. */
export async function findSshKey(q: Queryable, id: number, kind?: SshKeyKind): Promise<SshKeyRow | null> {
  if (!Number.isSafeInteger(id)) return null;
  let query = base(q).where('c.id', '=', id);
  if (kind) query = query.where('c.kind', '=', kind);
  const row = await query.executeTakeFirst();
  return row ? asRow(row) : null;
}

/** The key with this SHA-256 fingerprint (base64 without padding, with or without `SHA256:`), and its owner. One indexed look-up. */
export async function findByFingerprint(
  q: Queryable,
  fingerprint: string,
): Promise<{ row: SshKeyRow; user: User | null } | null> {
  const bare = fingerprint.startsWith('SHA256:') ? fingerprint.slice('SHA256:'.length) : fingerprint;
  const found = await base(q).where('c.fingerprint', '=', bare.replace(/=+$/, '')).executeTakeFirst();
  if (!found) return null;
  const row = asRow(found);
  return { row, user: row.user_id === null ? null : await findUser(q, row.user_id) };
}

/** The key with this MD5 fingerprint; for administrators who look one up, never to let anybody in. */
export async function findByMd5(q: Queryable, md5: string): Promise<SshKeyRow | null> {
  const row = await base(q).where('k.fingerprint_md5', '=', md5.toLowerCase()).orderBy('c.id').executeTakeFirst();
  return row ? asRow(row) : null;
}

/** One page of a person's own keys, by id, and how many there are. */
export async function listUserSshKeys(
  q: Queryable,
  userId: number,
  slice: Slice,
): Promise<{ rows: SshKeyRow[]; total: number }> {
  const query = base(q).where('c.user_id', '=', userId).where('c.kind', '=', 'user_ssh_key');
  const counted = await query
    .clearSelect()
    .select((eb) => eb.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow();
  const rows = await query.orderBy('c.id').limit(slice.perPage).offset(slice.offset).execute();
  return { rows: rows.map(asRow), total: Number(counted.total) };
}

/** Every key with which a person may sign in at `now`: neither expired nor for signing only. */
export async function authenticatingKeys(q: Queryable, userId: number, now: number): Promise<SshKeyRow[]> {
  const rows = await base(q)
    .where('c.user_id', '=', userId)
    .where('c.kind', '=', 'user_ssh_key')
    .where('k.usage_type', '!=', 'signing')
    .where((eb) => eb.or([eb('c.expires_at', 'is', null), eb('c.expires_at', '>', now)]))
    .orderBy('c.id')
    .execute();
  return rows.map(asRow);
}

export interface NewSshKey {
  readonly kind: SshKeyKind;
  readonly key: SshPublicKey;
  readonly title: string;
  readonly public: boolean;
  readonly usageType: UsageType;
  readonly userId: number | null;
  readonly expiresAt: number | null;
  readonly createdByUserId: number | null;
  readonly createdByCredentialId: number | null;
}

/** Registers a key. Throws UniqueViolation on `fingerprint` when its body is registered already, by whomever. */
export async function insertSshKey(tx: Tx, wish: NewSshKey, now: number): Promise<Credential> {
  const credential = await insertCredential(tx, {
    kind: wish.kind,
    secret_digest: null,
    digest_key: null,
    fingerprint: wish.key.sha256,
    user_id: wish.userId,
    runner_id: null,
    project_id: null,
    group_id: null,
    job_id: null,
    name: wish.title,
    description: null,
    scopes: '[]',
    impersonation: 0,
    created_at: now,
    created_by_user_id: wish.createdByUserId,
    created_by_credential_id: wish.createdByCredentialId,
    expires_at: wish.expiresAt,
    family_id: null,
  });
  await tx
    .insertInto('ssh_keys')
    .values({
      credential_id: credential.id,
      title: wish.title,
      key_text: wish.key.text,
      fingerprint_md5: wish.key.md5,
      public: wish.public ? 1 : 0,
      usage_type: wish.usageType,
    })
    .execute();
  return credential;
}

/** Renames a key. */
export async function setSshKeyTitle(tx: Tx, id: number, title: string): Promise<void> {
  await tx.updateTable('ssh_keys').set({ title }).where('credential_id', '=', id).execute();
  await tx.updateTable('credentials').set({ name: title }).where('id', '=', id).execute();
}

/** Gives a living deploy key to another owner; false when somebody else was first, or the key has gone. */
export async function setDeployKeyOwner(tx: Tx, id: number, from: number | null, to: number): Promise<boolean> {
  const row = await tx
    .updateTable('credentials')
    .set({ user_id: to })
    .where('id', '=', id)
    .where('kind', '=', 'deploy_key')
    .where('ended_at', 'is', null)
    .where(sql<boolean>`coalesce(user_id, 0) = ${from ?? 0}`)
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

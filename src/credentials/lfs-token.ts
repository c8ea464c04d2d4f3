// LFS tokens: short-lived texts made from a living key, for one repository and one operation (reference git-and-deploy 9.2). Not
// stored but signed with the instance keys; at each use the key behind it is verified as if it had been presented itself.
import { timingSafeEqual } from 'node:crypto';
import { isTokenBot, type User } from '../identity/records.ts';
import { MINUTE } from '../kernel/clock.ts';
import { Secret } from '../kernel/secret.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { findUser } from './holder-store.ts';
import { passwordCredential } from './password-credential.ts';
import type { Scope } from './scopes.ts';
import { proven, type VerifiedCredential } from './verified-credential.ts';
import type { Verifier } from './verify.ts';

export type LfsOperation = 'download' | 'upload';

export interface LfsToken {
  /** the user name that belongs to it: the account's, or `lfs+deploy-key-{id}` */
  readonly login: string;
  readonly secret: Secret;
  /** milliseconds; dead from then on, and before that with its parent */
  readonly expiresAt: number;
}

/** A token that was proven: the key behind it, narrowed to what the token is for. */
export interface LfsGrant {
  readonly credential: VerifiedCredential;
  readonly repositoryId: number;
  readonly operation: LfsOperation;
  readonly expiresAt: number;
}

/** How long one lives at most (reference git-and-deploy 9.2). */
export const LFS_TOKEN_LIFE = 30 * MINUTE;

const PREFIX = 'gllfs-';
const SHAPE = /^gllfs-([A-Za-z0-9_-]{1,400})\.([0-9a-f]{64})$/;
const PURPOSE = 'lfs-token';
const VERSION = 1;

/** What is signed: always an array of this very order, so two different tokens never have the same text. */
type Claims = readonly [
  version: number,
  operation: LfsOperation,
  repositoryId: number,
  expiresAt: number,
  parent: readonly ['key', number] | readonly ['password', number, string],
];

type Keys = Pick<House, 'keys'>;

/**
 * Makes a token from `credential`. Null for what can have none: nobody, deploy tokens (their own text is used), sessions. It
 * never outlives its parent.
 */
export function issueLfsToken(
  house: Pick<House, 'keys' | 'clock'>,
  credential: VerifiedCredential,
  wish: { readonly operation: LfsOperation; readonly repositoryId: number },
): LfsToken | null {
  const login = lfsLogin(credential);
  const parent = parentOf(house, credential);
  if (login === null || parent === null) return null;
  const life = house.clock.now() + LFS_TOKEN_LIFE;
  const expiresAt = credential.expiresAt === null ? life : Math.min(life, credential.expiresAt);
  const claims: Claims = [VERSION, wish.operation, wish.repositoryId, expiresAt, parent];
  const payload = Buffer.from(JSON.stringify(claims)).toString('base64url');
  return { login, secret: new Secret(`${PREFIX}${payload}.${house.keys.digest(PURPOSE, payload)}`), expiresAt };
}

/** Whether a presented text is meant to be an LFS token; nothing else is tried with it then. */
export function looksLikeLfsToken(text: Secret): boolean {
  return text.reveal().startsWith(PREFIX);
}

/**
 * Proves a token that was presented under `login`. Null when it is forged, expired, presented under another name, or when the
 * key behind it is dead. The grant's credential opens less than its parent, never more.
 */
export async function verifyLfsToken(
  house: House,
  verifier: Pick<Verifier, 'byId'>,
  login: string,
  text: Secret,
): Promise<LfsGrant | null> {
  const claims = readClaims(house, text);
  if (claims === null) return null;
  const [, operation, repositoryId, expiresAt, parent] = claims;
  if (expiresAt <= house.clock.now()) return null;
  const credential = parent[0] === 'key' ? await livingKey(verifier, parent[1]) : await password(house, parent);
  if (credential === null || lfsLogin(credential) !== login) return null;
  return { credential: narrowed(credential, operation), repositoryId, operation, expiresAt };
}

async function livingKey(verifier: Pick<Verifier, 'byId'>, id: number): Promise<VerifiedCredential | null> {
  const parent = await verifier.byId(id);
  return parent.ok ? parent.value : null;
}

/** A password is its own parent: a token made with it dies when it is changed, and with the setting that lets it in. */
async function password(
  house: House,
  parent: readonly ['password', number, string],
): Promise<VerifiedCredential | null> {
  const user = await findUser(house.db.read, parent[1]);
  if (user?.state !== 'active' || isTokenBot(user)) return null;
  const settings = await readSettings(house.db.read);
  if (!settings.password_authentication_enabled_for_git) return null;
  return passwordMarks(house, user).some((mark) => same(mark, parent[2])) ? passwordCredential(user) : null;
}

function readClaims(house: Keys, text: Secret): Claims | null {
  const match = SHAPE.exec(text.reveal());
  if (!match) return null;
  const [, payload = '', signature = ''] = match;
  const genuine = house.keys
    .versions()
    .some((version) => same(house.keys.digest(PURPOSE, payload, version), signature));
  if (!genuine) return null;
  // Ours, so its shape is ours; the version tells texts of a later program apart.
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
  return claims[0] === VERSION ? claims : null;
}

function parentOf(house: Keys, credential: VerifiedCredential): Claims[4] | null {
  if (credential.id !== null) return ['key', credential.id];
  if (credential.kind !== 'password' || credential.holder.type !== 'user') return null;
  const mark = passwordMarks(house, credential.holder.user)[0];
  return mark === undefined ? null : ['password', credential.holder.user.id, mark];
}

/** Names the present password without telling anything of it, newest instance key first. */
function passwordMarks({ keys }: Keys, user: User): string[] {
  if (user.password_digest === null) return [];
  const text = JSON.stringify([user.id, user.password_digest]);
  return keys.versions().map((version) => keys.digest('lfs-password', text, version).slice(0, 32));
}

function lfsLogin(credential: VerifiedCredential): string | null {
  const { holder, kind } = credential;
  if (holder.type === 'deploy_key') return credential.id === null ? null : `lfs+deploy-key-${credential.id}`;
  return holder.type === 'user' && kind !== 'session' ? holder.user.username : null;
}

const READS: readonly Scope[] = ['api', 'read_api', 'read_repository', 'write_repository'];
const WRITES: readonly Scope[] = ['api', 'write_repository'];

/** The parent with only what the operation needs of its scopes: a read-only key gives a token that only reads. */
function narrowed(parent: VerifiedCredential, operation: LfsOperation): VerifiedCredential {
  const has = (wanted: readonly Scope[]) => parent.scopes.some((scope) => wanted.includes(scope));
  const scopes: Scope[] = [];
  if (has(READS)) scopes.push('read_repository');
  if (operation === 'upload' && has(WRITES)) scopes.push('write_repository');
  return proven({ ...parent, scopes });
}

function same(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

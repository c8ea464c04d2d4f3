// verify: from a presented text to a proven credential, or to the reason why it is none. It reads and never writes; a dead key
// is told apart inside the process only. What the key may do is not asked here.

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { checkDecoy, checkPassword } from '../identity/passwords.ts';
import { isTokenBot, type User } from '../identity/records.ts';
import { clearFailures, countFailure, findByLogin, lockedUntil } from '../identity/sign-in-store.ts';
import { MINUTE, SECOND } from '../kernel/clock.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Secret } from '../kernel/secret.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { remember } from '../storage/memory.ts';
import { type CredentialRow, scopesOf } from './credential-rows.ts';
import { findByDigest, findCredential, updateDigest } from './credential-store.ts';
import type { DeadCode, DeadCredential } from './dead.ts';
import { findUser } from './holder-store.ts';
import { DIGEST_PURPOSE } from './issue.ts';
import { describeKind } from './kinds.ts';
import { passwordCredential } from './password-credential.ts';
import { isScope, type Scope } from './scopes.ts';
import { csrfTokenOf, isSoundCookie, SESSION_PURPOSE } from './sessions.ts';
import { findByFingerprint } from './ssh-key-store.ts';
import { tokenShape } from './token-text.ts';
import { UseWriter } from './uses.ts';
import { type CredentialReach, type Holder, proven, type VerifiedCredential } from './verified-credential.ts';

type Verified = Result<VerifiedCredential, DeadCredential>;

/** What the rows say of a key: the same at every request until something is committed. */
interface Known {
  readonly row: CredentialRow;
  readonly timeless: Verified;
}

export interface Verifier {
  /** A token's text, of any kind that has one. */
  token(text: Secret): Promise<Verified>;
  /** An account's password, for git and sign-in. A checked one is remembered for five minutes under a keyed digest. */
  password(login: string, password: Secret): Promise<Verified>;
  /** A browser's cookie; without its CSRF text the session may only read. */
  session(cookie: Secret, csrf: Secret | null): Promise<Verified>;
  /**
   * An SSH key whose signature was checked, by the SHA-256 fingerprint of its body (base64 without padding). One for signing only
   * is unknown. Expired keys and those of blocked people come back dead and identified: the SSH door lets them in as far as its
   * refusal (reference git-and-deploy 10.3).
   */
  sshKey(fingerprint: string): Promise<Verified>;
  /** A key by its id, as if it had been presented: for `explain` and reach. */
  byId(credentialId: number): Promise<Verified>;
  /** Notes that the key was used and let in. */
  used(credential: VerifiedCredential, ip: string | null): void;
  /** Writes what notes of use are pending (shutdown, tests). */
  flush(): Promise<void>;
}

const UNKNOWN: DeadCredential = { code: 'unknown', identified: null };
const MALFORMED: DeadCredential = { code: 'malformed', identified: null };
const REMEMBER = 5 * MINUTE;

/** Makes the verifier of a process. */
export function createVerifier(house: House): Verifier {
  const { db, keys, clock } = house;
  const uses = new UseWriter(house);
  const digestsOf = (purpose: string, text: string) =>
    keys.versions().map((version) => keys.digest(purpose, text, version));
  // A presented text must not lie in memory as it is, not even as the name of an answer; this process alone can make the name.
  const salt = randomBytes(32).toString('hex');
  const memoryKey = (purpose: string, text: string) => hash('sha256', `${purpose} ${salt} ${text}`, 'base64');
  const rememberedPasswords = new Map<string, number>();

  const dead = (row: CredentialRow, code: DeadCode): Verified => err({ code, identified: identify(row) });

  /** The verdict at this instant on what the rows say. */
  function judgeNow({ row, timeless }: Known): Verified {
    const now = clock.now();
    if (row.forgotten_at !== null) return err(UNKNOWN);
    // Expired first: a token both expired and revoked reports expired (reference access-tokens 2.3).
    if (row.expires_at !== null && row.expires_at <= now) return dead(row, 'expired');
    if (row.ended_at !== null && row.ended_at <= now) return dead(row, 'revoked');
    return timeless;
  }

  /** A key's row with what it is worth as long as it is alive, whatever the time. */
  async function know(row: CredentialRow, user: User | null): Promise<Known> {
    return { row, timeless: await judgeRow(row, user) };
  }

  async function judgeRow(row: CredentialRow, user: User | null): Promise<Verified> {
    const settings = await readSettings(db.read);
    if (row.impersonation === 1 && !settings.impersonation_enabled) return dead(row, 'impersonation_disabled');
    const holder = holderOf(row, user);
    if (holder === null) return dead(row, 'revoked');
    if (holder.type === 'user' && holder.user.state !== 'active')
      return dead(row, holder.user.state === 'deleted' ? 'revoked' : 'holder_blocked');
    // A deploy key outlives a creator who has gone, not one who is kept out (reference git-and-deploy 6.5).
    if (holder.type === 'deploy_key' && holder.creator && !['active', 'deleted'].includes(holder.creator.state))
      return dead(row, 'holder_blocked');
    let scopes = [...scopesOf(row), ...describeKind(row.kind).impliedScopes].filter(isScope);
    if (row.kind === 'deploy_token' && !settings.deploy_token_write_repository)
      scopes = scopes.filter((scope) => scope !== 'write_repository');
    return ok(fromRow(row, holder, scopes));
  }

  async function findToken(value: string): Promise<Known | null> {
    const digests = digestsOf(DIGEST_PURPOSE, value);
    const found = await findByDigest(db.read, digests);
    if (!found || found.row.kind === 'session') return null;
    const { row } = found;
    if (row.digest_key !== keys.current && row.secret_digest !== null)
      await db.tx((tx) => updateDigest(tx, row.id, row.secret_digest!, digests[0]!, keys.current));
    return know(row, found.user);
  }

  return {
    async token(text) {
      const value = text.reveal();
      if (tokenShape(value) === 'malformed') return err(MALFORMED);
      const known = await remember(db.read, memoryKey('token', value), () => findToken(value));
      return known === null ? err(UNKNOWN) : judgeNow(known);
    },

    async password(login, password) {
      const settings = await readSettings(db.read);
      const now = clock.now();
      const user = login === '' || password.reveal() === '' ? null : await findByLogin(db.read, login);
      if (!user || user.password_digest === null || isTokenBot(user) || user.state === 'deleted') {
        await checkDecoy(password);
        return err(UNKNOWN);
      }
      if ((await lockedUntil(db.read, user.id, now)) !== null) return err(UNKNOWN);
      const memory = keys.digest('password-memory', JSON.stringify([user.id, user.password_digest, password.reveal()]));
      const remembered = rememberedPasswords.get(memory);
      if (remembered === undefined || remembered <= now) {
        if (!(await checkPassword(user.password_digest, password))) {
          const period = settings.password_lock_period * SECOND;
          await db.tx((tx) => countFailure(tx, user.id, now, settings.password_lock_attempts, period));
          return err(UNKNOWN);
        }
        // Others may have guessed wrong while this one waited for its turn: the lock counts whoever is right after it.
        if ((await lockedUntil(db.read, user.id, now)) !== null) return err(UNKNOWN);
        if (rememberedPasswords.size > 10_000) rememberedPasswords.clear();
        rememberedPasswords.set(memory, now + REMEMBER);
        await db.tx((tx) => clearFailures(tx, user.id));
      }
      if (user.state !== 'active') return err({ code: 'holder_blocked', identified: null });
      return ok(passwordCredential(user));
    },

    async session(cookie, csrf) {
      const text = cookie.reveal();
      if (!isSoundCookie(keys, text)) return err(MALFORMED);
      const found = await findByDigest(db.read, digestsOf(SESSION_PURPOSE, text));
      if (found?.row.kind !== 'session') return err(UNKNOWN);
      const verified = judgeNow(await know(found.row, found.user));
      if (!verified.ok) return verified;
      const csrfProven = csrf !== null && csrfTokenOf(keys, cookie).some((good) => isSameText(good, csrf));
      return ok(proven({ ...verified.value, csrfProven }));
    },

    async sshKey(fingerprint) {
      const found = await findByFingerprint(db.read, fingerprint);
      if (!found || (found.row.kind === 'user_ssh_key' && found.row.usage_type === 'signing')) return err(UNKNOWN);
      return judgeNow(await know(found.row, found.user));
    },

    async byId(credentialId) {
      const row = await findCredential(db.read, credentialId);
      if (!row) return err(UNKNOWN);
      return judgeNow(await know(row, row.user_id === null ? null : await findUser(db.read, row.user_id)));
    },

    used(credential, ip) {
      if (credential.id !== null && describeKind(credential.kind).tracksUse) uses.note(credential.id, ip);
    },

    flush: () => uses.flush(),
  };
}

/** Compares in a time that does not tell where the texts differ. */
function isSameText(one: Secret, other: Secret): boolean {
  const [a, b] = [Buffer.from(one.reveal()), Buffer.from(other.reveal())];
  return a.length === b.length && timingSafeEqual(a, b);
}

function identify(row: CredentialRow): DeadCredential['identified'] {
  return { id: row.id, kind: row.kind, familyId: row.family_id ?? row.id, userId: row.user_id, name: row.name };
}

function holderOf(row: CredentialRow, user: User | null): Holder | null {
  switch (describeKind(row.kind).holder) {
    case 'user':
      return user ? { type: 'user', user } : null;
    case 'deploy_token':
      return { type: 'deploy_token', username: row.username ?? '' };
    case 'deploy_key':
      return { type: 'deploy_key', creator: user };
    case 'runner':
      return row.runner_id === null ? null : { type: 'runner', runnerId: row.runner_id };
    default:
      return null;
  }
}

function reachOf(row: CredentialRow): CredentialReach {
  if (row.kind === 'deploy_key') return { type: 'enabled_projects' };
  if (row.project_id !== null) return { type: 'project', projectId: row.project_id };
  if (row.group_id !== null) return { type: 'group', groupId: row.group_id };
  return { type: 'everything' };
}

function fromRow(row: CredentialRow, holder: Holder, scopes: readonly Scope[]): VerifiedCredential {
  return proven({
    kind: row.kind,
    id: row.id,
    familyId: row.family_id ?? row.id,
    name: row.name,
    holder,
    scopes,
    reach: reachOf(row),
    impersonation: row.impersonation === 1,
    expiresAt: row.expires_at,
    jobId: row.job_id,
    sudoBy: null,
    csrfProven: false,
  });
}

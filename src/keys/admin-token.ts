// Deeds on a key of which an administrator has only the text, say from a leak: what is it, and end it (reference access-tokens
// 4.6). The text is recognised by its prefix, so a former prefix is not.
import type { Allowed } from '../access/allowed.ts';
import { type Actor, auditDeed } from '../credentials/actor.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findByDigest } from '../credentials/credential-store.ts';
import { endCredential } from '../credentials/end.ts';
import { DIGEST_PURPOSE, prefixFor } from '../credentials/issue.ts';
import { ACCESS_TOKEN_KINDS } from '../credentials/kinds.ts';
import { rotateCredential } from '../credentials/rotate.ts';
import { SESSION_PURPOSE } from '../credentials/sessions.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import type { Secret } from '../kernel/secret.ts';
import { type InstanceSettings, readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import type { StoredKind } from '../storage/schema.ts';
import { revokeKey } from './end-key.ts';
import { findPredecessor } from './holder-store.ts';
import { auditKey } from './key-audit.ts';

/** `unsupported`: no prefix that we know, or a kind that cannot be ended this way; `unknown`: no such key. */
export type TokenApiFailure = 'unsupported' | 'unknown';

const SESSION_PREFIX = '_gitlab_session=';
/** GitLab's kinds that Keyward does not issue: the prefix is known, the key never is. */
const FOREIGN = ['glft-', 'gloas-', 'glagent-', 'glrtr-', 'glffct-', 'glimt-'];

interface Family {
  readonly prefixes: readonly string[];
  readonly kinds: readonly StoredKind[];
}

function families(settings: InstanceSettings): readonly Family[] {
  const of = (kind: StoredKind, plain: string, kinds: readonly StoredKind[] = [kind]): Family => ({
    prefixes: [prefixFor(settings, kind), plain],
    kinds,
  });
  return [
    of('personal_access_token', 'glpat-', ACCESS_TOKEN_KINDS),
    of('deploy_token', 'gldt-'),
    of('runner_token', 'glrt-'),
    of('trigger_token', 'glptt-'),
    of('job_token', 'glcbt-'),
    { prefixes: FOREIGN, kinds: [] },
  ];
}

async function identify(house: House, text: Secret): Promise<Result<CredentialRow, TokenApiFailure>> {
  const value = text.reveal();
  const digests = (purpose: string, body: string) =>
    house.keys.versions().map((version) => house.keys.digest(purpose, body, version));
  if (value.startsWith(SESSION_PREFIX)) {
    const found = await findByDigest(house.db.read, digests(SESSION_PURPOSE, value.slice(SESSION_PREFIX.length)));
    return found?.row.kind === 'session' ? ok(found.row) : err('unknown');
  }
  const settings = await readSettings(house.db.read);
  // An empty prefix would recognise everything.
  const family = families(settings).find(({ prefixes }) =>
    prefixes.some((prefix) => prefix !== '' && value.startsWith(prefix)),
  );
  if (!family) return err('unsupported');
  const found = await findByDigest(house.db.read, digests(DIGEST_PURPOSE, value));
  return found && family.kinds.includes(found.row.kind) ? ok(found.row) : err('unknown');
}

/** Says which key a text is. */
export async function identifyToken(
  house: House,
  _allowed: Allowed<'token:identify'>,
  text: Secret,
): Promise<Result<CredentialRow, TokenApiFailure>> {
  return identify(house, text);
}

/** Ends the key of a text: revokes it, resets a runner's, signs a session out. A job's ends with its job only. */
export async function endToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'token:end'>,
  text: Secret,
): Promise<Result<null, TokenApiFailure>> {
  const found = await identify(house, text);
  if (!found.ok) return found;
  const key = found.value;
  if (key.kind === 'job_token') return err('unsupported');
  await house.db.tx(async (tx) => {
    if (key.kind === 'runner_token') {
      const by = { byUserId: actingUser(actor.credential)?.id ?? null, byCredentialId: actor.credential.id };
      const done = await rotateCredential(tx, house, {
        id: key.id,
        expiresAt: key.expires_at,
        overlapSeconds: 0,
        ...by,
      });
      if (done.ok) await auditKey(tx, house, actor, allowed.action, key, `Reset runner token ${key.name}`);
    } else if (key.kind === 'session') {
      if (await endCredential(tx, house, key.id, 'signed_out'))
        await auditDeed(tx, house, actor, {
          action: allowed.action,
          entityType: 'User',
          entityId: key.user_id,
          targetType: key.kind,
          targetId: key.id,
          message: 'Ended a session',
        });
    } else await revokeKey(tx, house, actor, allowed.action, key);
  });
  return ok(null);
}

/** The id of the key before this one in its chain of rotations; null for the first. */
export async function previousOf(house: House, key: CredentialRow): Promise<number | null> {
  return key.family_id === null ? null : findPredecessor(house.db.read, key.family_id, key.id);
}

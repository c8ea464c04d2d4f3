// Issuing a key: makes its text, keeps the digest, gives the text out once. One code for every kind whose text we make.
import { Secret } from '../kernel/secret.ts';
import { type InstanceSettings, readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import type { StoredKind } from '../storage/schema.ts';
import type { Credential } from './credential-rows.ts';
import { insertCredential, insertDeployToken } from './credential-store.ts';
import { describeKind } from './kinds.ts';
import { putSealed } from './sealed-store.ts';
import { makeFriendly, makeHex40, makeJobToken, makeRoutable } from './token-text.ts';

/** HMAC purpose of token digests. APPEND ONLY: changing it would end every key. */
export const DIGEST_PURPOSE = 'credential';

/** Purpose under which a secret that must be given out again is sealed. */
export const READABLE = 'secret';

/** The name that makes a deploy token the one that CI jobs are given (reference git-and-deploy 5.4). */
export const CI_DEPLOY_TOKEN_NAME = 'gitlab-deploy-token';

export interface Wish {
  readonly kind: StoredKind;
  readonly name: string;
  readonly description?: string | null;
  readonly scopes: readonly string[];
  /** 00:00 UTC of the date from which it is dead; null for never */
  readonly expiresAt: number | null;
  readonly userId?: number | null;
  readonly projectId?: number | null;
  readonly groupId?: number | null;
  readonly runnerId?: number | null;
  readonly jobId?: number | null;
  readonly impersonation?: boolean;
  /** project and group access tokens: the role of the bot */
  readonly accessLevel?: number | null;
  readonly createdByUserId: number | null;
  readonly createdByCredentialId: number | null;
  /** the family that it continues, on rotation */
  readonly familyId?: number | null;
  /** a text taken as given (the operator's root token); it must have passed `isAcceptableGivenToken` */
  readonly given?: Secret;
  /** deploy tokens: null or absent gives `gitlab+deploy-token-{id}` */
  readonly username?: string | null;
}

export interface Issued {
  readonly credential: Credential;
  /** to be shown once */
  readonly secret: Secret;
}

/** Makes a key inside `tx`. What may be asked for was decided before. */
export async function issueCredential(tx: Tx, house: House, wish: Wish): Promise<Issued> {
  const settings = await readSettings(tx);
  const secret = wish.given ?? makeText(house, settings, wish);
  const credential = await insertCredential(tx, {
    kind: wish.kind,
    secret_digest: house.keys.digest(DIGEST_PURPOSE, secret.reveal()),
    digest_key: house.keys.current,
    fingerprint: null,
    user_id: wish.userId ?? null,
    runner_id: wish.runnerId ?? null,
    project_id: wish.projectId ?? null,
    group_id: wish.groupId ?? null,
    job_id: wish.jobId ?? null,
    name: wish.name,
    description: wish.description ?? null,
    scopes: JSON.stringify(wish.scopes),
    impersonation: wish.impersonation ? 1 : 0,
    access_level: wish.accessLevel ?? null,
    created_at: house.clock.now(),
    created_by_user_id: wish.createdByUserId,
    created_by_credential_id: wish.createdByCredentialId,
    expires_at: wish.expiresAt,
    family_id: wish.familyId ?? null,
  });
  if (wish.kind === 'deploy_token')
    await insertDeployToken(tx, credential.id, wish.username ?? `gitlab+deploy-token-${credential.id}`);
  if (mustBeReadable(wish)) {
    const sealed = house.keys.seal(`credential ${credential.id} ${READABLE}`, secret);
    await putSealed(tx, { credentialId: credential.id, purpose: READABLE, ...sealed, dropAt: null });
  }
  return { credential, secret };
}

function mustBeReadable(wish: Wish): boolean {
  return wish.kind === 'trigger_token' || (wish.kind === 'deploy_token' && wish.name === CI_DEPLOY_TOKEN_NAME);
}

/** How the text of a new key of this kind begins now (reference access-tokens 5.4); existing keys keep working whatever it is. */
export function prefixFor(settings: InstanceSettings, kind: StoredKind): string {
  const { prefix, form } = describeKind(kind);
  if (prefix === null) return '';
  const instance = settings.instance_token_prefix;
  const mayHaveInstancePrefix = kind !== 'runner_token' && kind !== 'job_token';
  if (instance !== '' && mayHaveInstancePrefix) return `${instance}-${prefix}`;
  return form === 'routable' && kind !== 'runner_token' ? settings.personal_access_token_prefix : prefix;
}

function makeText(house: House, settings: InstanceSettings, wish: Wish): Secret {
  const prefix = prefixFor(settings, wish.kind);
  switch (describeKind(wish.kind).form) {
    case 'routable': {
      if (wish.kind === 'runner_token') {
        const type = wish.projectId != null ? 3 : wish.groupId != null ? 2 : 1;
        const routing = {
          o: 1,
          ...(wish.groupId != null && { g: wish.groupId }),
          ...(wish.projectId != null && { p: wish.projectId }),
        };
        return makeRoutable(`${prefix}t${type}_`, routing, house.random);
      }
      if (settings.token_format === 'legacy') return makeFriendly(prefix, house.random);
      return makeRoutable(prefix, { o: 1, ...(wish.userId != null && { u: wish.userId }) }, house.random);
    }
    case 'friendly':
      return makeFriendly(prefix, house.random);
    case 'hex40':
      return makeHex40(prefix, house.random);
    case 'job':
      return makeJobToken(prefix, house.random);
    case 'session':
      return new Secret(house.random(16).toString('hex'));
    case 'none':
      throw new Error(`a ${wish.kind} has no text of ours`);
  }
}

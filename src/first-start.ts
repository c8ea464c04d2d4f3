// What a new instance begins with: the Ghost User, and the first administrator with the operator's password and token. Later
// starts change nothing here, so a password or token that leaked through an old environment cannot come back.
import type { Config } from './config.ts';
import { auditDeed } from './credentials/actor.ts';
import { issueCredential } from './credentials/issue.ts';
import { localOperator } from './credentials/local.ts';
import { addUser, ensureGhost } from './identity/new-user.ts';
import { hashPassword } from './identity/passwords.ts';
import { listUsers } from './identity/user-store.ts';
import { DAY, startOfDay } from './kernel/clock.ts';
import { Secret } from './kernel/secret.ts';
import type { Database, Queryable } from './storage/database.ts';
import { type House, mailHost } from './storage/house.ts';

const ROOT_USERNAME = 'root';
const ROOT_TOKEN_SCOPES = ['api', 'sudo', 'admin_mode'];
/** The longest life a token may have (reference access-tokens 7.1). */
const ROOT_TOKEN_DAYS = 365;

/** Whether nobody has ever lived here. */
async function isNew(q: Queryable): Promise<boolean> {
  const { total } = await listUsers(q, { humans: true }, { offset: 0, perPage: 1 });
  return total === 0;
}

/**
 * Makes the Ghost User and, on a new instance, the administrator `root`. Answers the password that was made up for him, to be
 * shown once; null when one was given or he was there. Of two nodes that start together, one makes him.
 */
export async function prepareFirstStart(
  house: House,
  wish: Pick<Config, 'rootPassword' | 'rootToken'>,
): Promise<Secret | null> {
  await house.db.tx((tx) => ensureGhost(tx, house));
  if (!(await isNew(house.db.read))) return null;
  const password = wish.rootPassword ?? new Secret(house.random(18).toString('base64url'));
  const digest = await hashPassword(password);
  const isMade = await makeRoot(house.db, house, digest, wish.rootToken);
  return isMade && wish.rootPassword === null ? password : null;
}

async function makeRoot(db: Database, house: House, passwordDigest: string, token: Secret | null): Promise<boolean> {
  return db.tx(async (tx) => {
    if (!(await isNew(tx))) return false;
    const added = await addUser(tx, house, {
      type: 'human',
      username: ROOT_USERNAME,
      name: 'Administrator',
      email: `${ROOT_USERNAME}@${mailHost(house)}`,
      admin: true,
      passwordDigest,
    });
    if (!('user' in added)) return false;
    const { user } = added;
    const actor = { credential: localOperator(), door: 'local', ip: null } as const;
    const entity = { entityType: 'User', entityId: user.id, entityPath: user.username } as const;
    await auditDeed(tx, house, actor, {
      ...entity,
      action: 'user:administer',
      message: 'Made the first administrator',
    });
    if (token === null) return true;
    const { credential } = await issueCredential(tx, house, {
      kind: 'personal_access_token',
      name: 'KEYWARD_ROOT_TOKEN',
      description: 'given by the operator at the first start',
      scopes: ROOT_TOKEN_SCOPES,
      expiresAt: startOfDay(house.clock.now()) + ROOT_TOKEN_DAYS * DAY,
      userId: user.id,
      createdByUserId: user.id,
      createdByCredentialId: null,
      given: token,
    });
    await auditDeed(tx, house, actor, {
      ...entity,
      action: 'personal_access_token:create',
      targetType: 'PersonalAccessToken',
      targetId: credential.id,
      targetDetails: credential.name,
      message: 'Took the token of the first administrator as given',
    });
    return true;
  });
}

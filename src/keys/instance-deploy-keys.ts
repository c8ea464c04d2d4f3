// Deeds on deploy keys seen from the instance: the whole list, public keys, the keys that two people share projects with, and
// the end of a key everywhere (reference git-and-deploy 6.3).
import type { Allowed } from '../access/allowed.ts';
import { deleteGrants, type GrantedProject, grantsOf, listDeployKeys } from '../access/deploy-key-store.ts';
import { type Condition, heldProjects, visibleProjects } from '../access/visible-store.ts';
import type { Actor } from '../credentials/actor.ts';
import type { Slice } from '../credentials/credential-list-store.ts';
import { forgetCredentials } from '../credentials/credential-store.ts';
import { endCredential } from '../credentials/end.ts';
import { findSshKey, insertSshKey, type SshKeyRow } from '../credentials/ssh-key-store.ts';
import { asSudo } from '../credentials/sudo.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { MAINTAINER } from '../identity/roles.ts';
import { findUserByIdOrName } from '../identity/user-store.ts';
import { fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { auditDeployKey } from './deploy-key-audit.ts';
import { checkSshKeyWish, type SshKeyWish, TAKEN, unlessTaken } from './ssh-key-wish.ts';

/** A deploy key with every project in which it is enabled. */
export interface DeployKeyWithProjects {
  readonly key: SshKeyRow;
  readonly grants: readonly GrantedProject[];
}

/** A page of all deploy keys, or only of the public ones. */
export async function listAllDeployKeys(
  house: House,
  _allowed: Allowed<'deploy_key:list_all'>,
  publicOnly: boolean,
  slice: Slice,
): Promise<{ rows: DeployKeyWithProjects[]; total: number }> {
  const { rows, total } = await listDeployKeys(house.db.list, { publicOnly }, slice);
  const grants = await grantsOf(
    house.db.list,
    rows.map((row) => row.id),
  );
  const withProjects = rows.map((key) => ({ key, grants: grants.filter((grant) => grant.credential_id === key.id) }));
  return { rows: withProjects, total };
}

/** Registers a public key: the Maintainers of any project may enable it. 400 by field when it is unsound or taken. */
export async function createPublicDeployKey(
  house: House,
  actor: Actor,
  allowed: Allowed<'deploy_key:manage_all'>,
  wish: SshKeyWish & { readonly ownerId?: number | null },
): Promise<SshKeyRow> {
  const key = checkSshKeyWish(await readSettings(house.db.read), wish);
  if (!key.ok) return fail({ code: 'invalid_record', fields: key.error });
  const caller = actingUser(allowed.credential);
  const made = await unlessTaken(() =>
    house.db.tx(async (tx) => {
      const credential = await insertSshKey(
        tx,
        {
          kind: 'deploy_key',
          key: key.value,
          title: wish.title,
          public: true,
          usageType: 'auth_and_signing',
          userId: caller?.id ?? wish.ownerId ?? null,
          expiresAt: wish.expiresAt ?? null,
          createdByUserId: caller?.id ?? null,
          createdByCredentialId: allowed.credential.id,
        },
        house.clock.now(),
      );
      const message = `Added public deploy key ${wish.title}`;
      const details = { fingerprint: `SHA256:${key.value.sha256}` };
      await auditDeployKey(tx, house, actor, allowed.action, { project: null, key: credential, message, details });
      return (await findSshKey(tx, credential.id))!;
    }),
  );
  return made || fail({ code: 'invalid_record', fields: { fingerprint_sha256: [TAKEN] } });
}

/** Ends a deploy key in every project at once and forgets it, public or not; what it holds open is cut. */
export async function removeDeployKey(
  house: House,
  actor: Actor,
  allowed: Allowed<'deploy_key:manage_all'>,
  id: number,
): Promise<void> {
  await house.db.tx(async (tx) => {
    const key = await findSshKey(tx, id, 'deploy_key');
    if (!key || !(await endCredential(tx, house, id, 'revoked')))
      return fail({ code: 'not_found', thing: 'Deploy key' });
    await deleteGrants(tx, { keyId: id });
    await forgetCredentials(tx, [id], house.clock.now());
    const message = `Removed deploy key ${key.title} from everywhere`;
    await auditDeployKey(tx, house, actor, allowed.action, { project: null, key, message });
  });
}

/** A page of the keys enabled in projects that both the caller and the named user maintain. */
export async function listCommonDeployKeys(
  house: House,
  allowed: Allowed<'deploy_key:list_common'>,
  userText: string,
  slice: Slice,
): Promise<{ rows: SshKeyRow[]; total: number }> {
  const user = await findUserByIdOrName(house.db.read, userText);
  if (!user || user.deleted_at !== null) return fail({ code: 'not_found', thing: 'User' });
  const own: Condition = visibleProjects(house.clock, allowed.credential, 'project_deploy_key:list');
  const his = heldProjects(house.clock, asSudo(allowed.credential, user), MAINTAINER);
  return listDeployKeys(house.db.list, { enabledWhere: [own, his] }, slice);
}

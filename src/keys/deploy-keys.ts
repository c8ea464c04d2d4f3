// Deeds on deploy keys in one project: add, enable, change, take over, disable (reference git-and-deploy 6.3 to 6.5). Write access
// is a matter of each project; the key itself, its text and its date never change.
import type { Allowed } from '../access/allowed.ts';
import { disableDeployKeys } from '../access/deploy-key-places.ts';
import {
  type EnabledDeployKey,
  findAccessibleKey,
  findEnabledKey,
  findGrant,
  insertGrant,
  isEnabledSomewhere,
  listEnabledKeys,
  setGrantPush,
} from '../access/deploy-key-store.ts';
import { visibleProjects } from '../access/visible-store.ts';
import type { Actor } from '../credentials/actor.ts';
import type { Slice } from '../credentials/credential-list-store.ts';
import { parseSshKey } from '../credentials/ssh-key.ts';
import { insertSshKey, type SshKeyRow, setDeployKeyOwner, setSshKeyTitle } from '../credentials/ssh-key-store.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import type { User } from '../identity/records.ts';
import { SECOND } from '../kernel/clock.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { auditDeployKey } from './deploy-key-audit.ts';
import {
  checkSshKeyWish,
  type SshKeyErrors,
  type SshKeyWish,
  TAKEN,
  titleErrors,
  unlessTaken,
} from './ssh-key-wish.ts';

type Listing = Allowed<'project_deploy_key:list'>;
type Managing = Allowed<'project_deploy_key:manage'>;

const NOT_HERE: Fault = { code: 'not_found', thing: null };
const NO_KEY: Fault = { code: 'not_found', thing: 'Deploy key' };

/** Errors of a key that was added through a project are named after its grant: `deploy_key.key` (reference git-and-deploy 6.3). */
function addedErrors(errors: SshKeyErrors): Fault {
  const fields = Object.entries(errors).map(([field, texts]) => [`deploy_key.${field}`, texts]);
  return { code: 'invalid_record', fields: Object.fromEntries(fields) };
}

/** Projects in which the caller manages deploy keys, as a condition over `p` and `n`. */
const managed = (house: House, allowed: Managing) =>
  visibleProjects(house.clock, allowed.credential, 'project_deploy_key:manage');

/** A page of the keys enabled in the project, by id. */
export async function listProjectDeployKeys(
  house: House,
  allowed: Listing,
  slice: Slice,
): Promise<{ rows: EnabledDeployKey[]; total: number }> {
  return listEnabledKeys(house.db.list, allowed.place.project.id, slice);
}

/** One key enabled in the project; 404 for any other. */
export async function getProjectDeployKey(house: House, allowed: Listing, id: number): Promise<EnabledDeployKey> {
  return (await findEnabledKey(house.db.read, allowed.place.project.id, { id })) ?? fail(NOT_HERE);
}

export interface DeployKeyWish extends SshKeyWish {
  readonly canPush: boolean;
  /** the local operator is nobody, so he names whose right a push will need; for others the owner is the caller */
  readonly ownerId?: number | null;
}

/**
 * Adds a key to the project. The same text enabled here already is given back as it is; one that the caller may enable is
 * enabled; else it is registered anew with the caller as its owner. 400 by field when it is unsound, or its body is taken.
 */
export async function addProjectDeployKey(
  house: House,
  actor: Actor,
  allowed: Managing,
  wish: DeployKeyWish,
): Promise<EnabledDeployKey> {
  const { project } = allowed.place;
  const key = parseSshKey(wish.key);
  const made = await unlessTaken(() =>
    house.db.tx(async (tx) => {
      // What is no key cannot be registered already; `register` says what is wrong with it.
      const here = key.ok ? await findEnabledKey(tx, project.id, key.value) : null;
      if (here) return here;
      const known = key.ok ? await findAccessibleKey(tx, key.value, managed(house, allowed)) : null;
      const id = known?.id ?? (await register(tx, house, actor, allowed, wish));
      if (known) await enable(tx, house, actor, allowed, known, wish.canPush);
      return (await findEnabledKey(tx, project.id, { id }))!;
    }),
  );
  return made || fail(addedErrors({ fingerprint_sha256: [TAKEN] }));
}

async function register(tx: Tx, house: House, actor: Actor, allowed: Managing, wish: DeployKeyWish): Promise<number> {
  const key = checkSshKeyWish(await readSettings(tx), wish);
  if (!key.ok) return fail(addedErrors(key.error));
  const { project } = allowed.place;
  const now = house.clock.now();
  const caller = actingUser(allowed.credential);
  const made = await insertSshKey(
    tx,
    {
      kind: 'deploy_key',
      key: key.value,
      title: wish.title,
      public: false,
      usageType: 'auth_and_signing',
      userId: allowed.credential.holder.type === 'operator' ? (wish.ownerId ?? null) : (caller?.id ?? null),
      expiresAt: wish.expiresAt ?? null,
      createdByUserId: caller?.id ?? null,
      createdByCredentialId: allowed.credential.id,
    },
    now,
  );
  await insertGrant(tx, { keyId: made.id, projectId: project.id, canPush: wish.canPush }, now);
  const details = { can_push: wish.canPush, fingerprint: `SHA256:${key.value.sha256}` };
  const message = `Added deploy key ${wish.title}`;
  await auditDeployKey(tx, house, actor, allowed.action, { project, key: made, message, details });
  return made.id;
}

async function enable(
  tx: Tx,
  house: House,
  actor: Actor,
  allowed: Managing,
  key: SshKeyRow,
  canPush: boolean,
): Promise<void> {
  const { project } = allowed.place;
  const grant = { keyId: key.id, projectId: project.id, canPush };
  if (!(await insertGrant(tx, grant, house.clock.now()))) return;
  const message = `Enabled deploy key ${key.title}`;
  await auditDeployKey(tx, house, actor, allowed.action, { project, key, message, details: { can_push: canPush } });
}

/** Enables a public key, or one of another project that the caller manages, without write access. Again is fine. */
export async function enableDeployKey(house: House, actor: Actor, allowed: Managing, id: number): Promise<SshKeyRow> {
  return house.db.tx(async (tx) => {
    const here = await findEnabledKey(tx, allowed.place.project.id, { id });
    if (here) return here;
    const key = (await findAccessibleKey(tx, { id }, managed(house, allowed))) ?? fail(NO_KEY);
    await enable(tx, house, actor, allowed, key, false);
    return key;
  });
}

/**
 * Changes write access in this project alone, and the title. The title is left as it is, silently, where others share the key:
 * a public one, or one enabled elsewhere too; administrators may always (reference git-and-deploy 6.3).
 */
export async function updateProjectDeployKey(
  house: House,
  actor: Actor,
  allowed: Managing,
  id: number,
  patch: { readonly title?: string | undefined; readonly canPush?: boolean | undefined },
): Promise<EnabledDeployKey> {
  const { project } = allowed.place;
  const { title, canPush } = patch;
  if (title === undefined && canPush === undefined)
    fail({
      code: 'invalid_parameters',
      texts: ['title, can_push are missing, at least one parameter must be provided'],
    });
  return house.db.tx(async (tx) => {
    const key = (await findEnabledKey(tx, project.id, { id })) ?? fail(NOT_HERE);
    const changes: Record<string, unknown> = {};
    if (title !== undefined && title !== key.title && (await mayRetitle(tx, allowed, key))) {
      const wrong = titleErrors(title);
      if (wrong.length > 0) fail(addedErrors({ title: wrong }));
      await setSshKeyTitle(tx, id, title);
      changes['title'] = title;
    }
    if (canPush !== undefined && canPush !== (key.can_push === 1)) {
      if (!(await setGrantPush(tx, id, project.id, canPush, house.clock.now()))) fail(NOT_HERE);
      changes['can_push'] = canPush;
    }
    if (Object.keys(changes).length > 0) {
      const message = `Changed deploy key ${key.title}`;
      await auditDeployKey(tx, house, actor, allowed.action, { project, key, message, details: changes });
    }
    return (await findEnabledKey(tx, project.id, { id }))!;
  });
}

async function mayRetitle(tx: Tx, allowed: Managing, key: EnabledDeployKey): Promise<boolean> {
  if (allowed.asAdmin) return true;
  if (key.public === 1) return false;
  return !(await isEnabledSomewhere(tx, key.id, { besides: allowed.place.project.id }));
}

/**
 * Makes the caller the owner, whose right pushes need from now on (reference git-and-deploy 6.3, 6.5). 403 unless he manages
 * every project in which the key is enabled; a public key is for administrators. `operatorNames`: the local operator is nobody,
 * so he says who the owner is.
 */
export async function takeDeployKey(
  house: House,
  actor: Actor,
  allowed: Managing,
  id: number,
  operatorNames: Pick<User, 'id'> | null = null,
): Promise<EnabledDeployKey> {
  const { project } = allowed.place;
  const named = allowed.credential.holder.type === 'operator' ? operatorNames : actingUser(allowed.credential);
  const owner = named ?? fail({ code: 'forbidden', reason: null });
  return house.db.tx(async (tx) => {
    const key = (await findEnabledKey(tx, project.id, { id })) ?? fail(NOT_HERE);
    const shared = key.public === 1 || (await isEnabledSomewhere(tx, id, { fails: managed(house, allowed) }));
    if (shared && !allowed.asAdmin) fail({ code: 'forbidden', reason: null });
    if (key.user_id === owner.id) return key;
    if (!(await setDeployKeyOwner(tx, id, key.user_id, owner.id))) fail({ code: 'conflict', reason: '409 Conflict' });
    const message = `Took over deploy key ${key.title}`;
    const details = { from_user_id: key.user_id, to_user_id: owner.id };
    await auditDeployKey(tx, house, actor, allowed.action, { project, key, message, details });
    return { ...key, user_id: owner.id };
  });
}

/**
 * Disables a key in the project and cuts what it holds open. A private key that no other project holds ends with it and is
 * forgotten. `unmodifiedSince`: 412 when it was changed here after that instant.
 */
export async function disableProjectDeployKey(
  house: House,
  actor: Actor,
  allowed: Managing,
  id: number,
  unmodifiedSince: number | null = null,
): Promise<void> {
  const { project } = allowed.place;
  await house.db.tx(async (tx) => {
    const key = (await findEnabledKey(tx, project.id, { id })) ?? fail(NO_KEY);
    const grant = (await findGrant(tx, id, project.id)) ?? fail(NO_KEY);
    // The header speaks of whole seconds.
    if (unmodifiedSince !== null && Math.floor(grant.updated_at / SECOND) * SECOND > unmodifiedSince)
      fail({ code: 'precondition_failed' });
    const { disabled, ended } = await disableDeployKeys(tx, house, { projectIds: [project.id], keyId: id }, 'revoked');
    if (disabled.length === 0) fail(NO_KEY);
    const message = `${ended.length > 0 ? 'Removed' : 'Disabled'} deploy key ${key.title}`;
    await auditDeployKey(tx, house, actor, allowed.action, { project, key, message });
  });
}

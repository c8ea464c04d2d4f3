// Deeds on deploy tokens: keys of one project or group that are no user (reference git-and-deploy 5). What is deleted over REST
// leaves every list; its row stays, revoked, for audit.
import type { Action } from '../access/actions.ts';
import type { Allowed } from '../access/allowed.ts';
import type { Actor } from '../credentials/actor.ts';
import { listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import type { CredentialRow } from '../credentials/credential-rows.ts';
import { findCredential, forgetCredentials } from '../credentials/credential-store.ts';
import { issueCredential } from '../credentials/issue.ts';
import { DEPLOY_TOKEN_SCOPES } from '../credentials/scopes.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { demandUnchanged, fail } from '../kernel/faults.ts';
import { err, ok, type Result } from '../kernel/result.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { revokeKey } from './end-key.ts';
import type { KeyPlace } from './holder-store.ts';
import { auditKey } from './key-audit.ts';
import { checkedScopes, type KeyWish, scopesFor } from './key-wish.ts';
import { holdPlace } from './live-place.ts';
import { fresh, type KeyMade, type RotateWish, rotateKey } from './rotate-key.ts';

/** The proof for a project, for a group, or for one of the two where a route serves both. */
type EitherPlace<P extends Action, G extends Action> = Allowed<P> | Allowed<G> | Allowed<P | G>;
type ListProof = EitherPlace<'project_deploy_token:list', 'group_deploy_token:list'>;
type ManageProof = EitherPlace<'project_deploy_token:manage', 'group_deploy_token:manage'>;

const USERNAME = /^[a-zA-Z0-9.+_-]+$/;
const TOO_LONG = 'is too long (maximum is 255 characters)';

/** The order in which answers list the scopes (reference git-and-deploy 5.1); ours comes last. */
const ORDER: readonly string[] = [...DEPLOY_TOKEN_SCOPES, 'write_repository'];

function placeOf(proof: ListProof | ManageProof): KeyPlace {
  const { place } = proof;
  return place.type === 'project' ? { type: 'project', id: place.project.id } : { type: 'group', id: place.group.id };
}

async function findIn(house: House, place: KeyPlace, id: number): Promise<CredentialRow> {
  const row = await findCredential(house.db.read, id);
  const here = row?.kind === 'deploy_token' && (place.type === 'project' ? row.project_id : row.group_id) === place.id;
  return here ? row : fail({ code: 'not_found', thing: null });
}

/** A page of the deploy tokens of all places. `active`: only those that may authenticate. */
export async function listAllDeployTokens(
  house: House,
  _allowed: Allowed<'deploy_token:list_all'>,
  active: boolean,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const filter = { kinds: ['deploy_token'], state: active ? 'active' : undefined } as const;
  return listCredentials(house.db.list, filter, slice, house.clock.now());
}

/** A page of the deploy tokens directly on a project or group. */
export async function listDeployTokens(
  house: House,
  allowed: ListProof,
  active: boolean,
  slice: Slice,
): Promise<{ rows: CredentialRow[]; total: number }> {
  const place = placeOf(allowed);
  const here = place.type === 'project' ? { projectId: place.id } : { groupId: place.id };
  const filter = { ...here, kinds: ['deploy_token'], state: active ? 'active' : undefined } as const;
  return listCredentials(house.db.list, filter, slice, house.clock.now());
}

/** One deploy token of the place. */
export async function getDeployToken(house: House, allowed: ListProof, id: number): Promise<CredentialRow> {
  return findIn(house, placeOf(allowed), id);
}

/** Makes a deploy token. The error is a whole sentence, sent without a frame (reference git-and-deploy 5.5). */
export async function createDeployToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  wish: Omit<KeyWish, 'description'> & { readonly username?: string | null },
): Promise<Result<KeyMade, string>> {
  const place = placeOf(allowed);
  const settings = await readSettings(house.db.read);
  const chosen = checkedScopes(wish, scopesFor('deploy_token', settings));
  const scopes = ORDER.filter((scope) => (chosen as string[]).includes(scope));
  if (scopes.length === 0) return err("Scopes can't be blank");
  if (wish.name.trim() === '') return err("Name can't be blank");
  if ([...wish.name].length > 255) return err(`Name ${TOO_LONG}`);
  const username = wish.username === undefined || wish.username === '' ? null : wish.username;
  if (username !== null && !USERNAME.test(username))
    return err("Username can contain only letters, digits, '_', '-', '+', and '.'");
  if (username !== null && username.length > 255) return err(`Username ${TOO_LONG}`);
  const made = await house.db.tx(async (tx) => {
    await holdPlace(tx, allowed.place);
    const issued = await issueCredential(tx, house, {
      kind: 'deploy_token',
      name: wish.name,
      scopes,
      expiresAt: wish.expiresAt ?? null,
      projectId: place.type === 'project' ? place.id : null,
      groupId: place.type === 'group' ? place.id : null,
      username,
      createdByUserId: actingUser(actor.credential)?.id ?? null,
      createdByCredentialId: actor.credential.id,
    });
    await auditKey(tx, house, actor, allowed.action, issued.credential, `Created deploy token ${wish.name}`);
    // Read back with the user name, which may carry the new id.
    return { credential: (await findCredential(tx, issued.credential.id))!, secret: issued.secret };
  });
  return ok(made);
}

/** Rotates a deploy token: name, scopes, reach and user name stay, also the date unless another is given. */
export async function rotateDeployToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  wish: RotateWish,
): Promise<KeyMade> {
  const row = await findIn(house, placeOf(allowed), id);
  const made = await rotateKey(house, actor, row, wish, {
    action: allowed.action,
    expiry: () => ok(wish.expiresAt ?? row.expires_at),
  });
  return fresh(made, row.username);
}

/** Deletes a deploy token: it ends now and leaves every list. */
export async function deleteDeployToken(
  house: House,
  actor: Actor,
  allowed: ManageProof,
  id: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const row = await findIn(house, placeOf(allowed), id);
  demandUnchanged(row.created_at, unchangedSince);
  await house.db.tx(async (tx) => {
    if (!(await revokeKey(tx, house, actor, allowed.action, row)))
      await auditKey(tx, house, actor, allowed.action, row, `Deleted deploy token ${row.name}`);
    await forgetCredentials(tx, [row.id], house.clock.now());
  });
}

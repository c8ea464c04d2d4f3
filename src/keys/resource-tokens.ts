// Deeds on project and group access tokens (reference access-tokens 4.4, 8): a bot for each, a role within what its maker holds,
// and only inside the place of the proof: an id of another place is not found (lessons R40).
import type { Action } from '../access/actions.ts';
import { type Allowed, capLevel } from '../access/allowed.ts';
import { loadNamespace, loadProject } from '../access/facts-store.ts';
import { isOpenTo } from '../access/judge.ts';
import type { PlaceRef } from '../access/place.ts';
import type { Actor } from '../credentials/actor.ts';
import { type CredentialFilter, listCredentials, type Slice } from '../credentials/credential-list-store.ts';
import { type CredentialRow, credentialState, isActive } from '../credentials/credential-rows.ts';
import { findCredential } from '../credentials/credential-store.ts';
import { issueCredential } from '../credentials/issue.ts';
import { actingUser, holderName } from '../credentials/verified-credential.ts';
import { createBot } from '../identity/bots.ts';
import { lineageIds, type Namespace, type Project, type User } from '../identity/records.ts';
import { MAINTAINER } from '../identity/roles.ts';
import { findUser, updateUser } from '../identity/user-store.ts';
import { demandUnchanged, type Fault, fail } from '../kernel/faults.ts';
import { parseFullPath } from '../kernel/names.ts';
import { readSettings } from '../settings/settings.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { revokeKey } from './end-key.ts';
import { expiryPolicy } from './expiry-dates.ts';
import { directLevels, type KeyPlace, topGroupSettings } from './holder-store.ts';
import { auditKey, refuse } from './key-audit.ts';
import { checkWish, type KeyWish, type SoundWish, scopesFor, wishSentence } from './key-wish.ts';
import { holdPlace } from './live-place.ts';
import { rotateAccessToken } from './personal-tokens.ts';
import { fresh, type KeyMade, type RotateWish } from './rotate-key.ts';

/** The proof for a project, for a group, or for one of the two where a route serves both. */
type EitherPlace<P extends Action, G extends Action> = Allowed<P> | Allowed<G> | Allowed<P | G>;
type ListProof = EitherPlace<'project_access_token:list', 'group_access_token:list'>;
type CreateProof = EitherPlace<'project_access_token:create', 'group_access_token:create'>;
type RotateProof = EitherPlace<'project_access_token:rotate', 'group_access_token:rotate'>;
type RevokeProof = EitherPlace<'project_access_token:revoke', 'group_access_token:revoke'>;

/** A token with the role that it was given, and whether its bot still holds one here. */
export interface ResourceToken {
  readonly row: CredentialRow;
  readonly level: number;
  readonly held: boolean;
}

/** A token that was just made, with its role. */
export interface ResourceTokenMade extends KeyMade {
  readonly level: number;
}

/** The role of a new token when the caller names none. */
const DEFAULT_LEVEL = MAINTAINER;

function placeOf(proof: { readonly place: ListProof['place'] }): KeyPlace {
  const { place } = proof;
  return place.type === 'project' ? { type: 'project', id: place.project.id } : { type: 'group', id: place.group.id };
}

function kindOf(place: KeyPlace) {
  return place.type === 'project' ? 'project_access_token' : 'group_access_token';
}

/** What the token routes of a place say to somebody who may not make tokens there (reference access-tokens 4.4). */
export function mayNotCreate(type: KeyPlace['type']): Fault {
  return { code: 'bad_request', reason: `User does not have permission to create ${type} access token` };
}

async function withLevels(house: House, place: KeyPlace, rows: readonly CredentialRow[]): Promise<ResourceToken[]> {
  const ids = rows.map((row) => row.user_id).filter((id): id is number => id !== null);
  const levels = await directLevels(house.db.read, place, ids);
  return rows.map((row) => {
    const held = levels.get(row.user_id ?? 0);
    return { row, level: row.access_level ?? held ?? 0, held: held !== undefined };
  });
}

async function findIn(house: House, place: KeyPlace, id: number): Promise<CredentialRow | null> {
  const row = await findCredential(house.db.read, id);
  if (row?.kind !== kindOf(place)) return null;
  return (place.type === 'project' ? row.project_id : row.group_id) === place.id ? row : null;
}

/** A page of the place's own tokens, alive and dead. */
export async function listResourceTokens(
  house: House,
  allowed: ListProof,
  filter: CredentialFilter,
  slice: Slice,
): Promise<{ tokens: ResourceToken[]; total: number }> {
  const place = placeOf(allowed);
  const here = place.type === 'project' ? { projectId: place.id } : { groupId: place.id };
  const own = { ...filter, ...here, kinds: [kindOf(place)] } as const;
  const { rows, total } = await listCredentials(house.db.list, own, slice, house.clock.now());
  return { tokens: await withLevels(house, place, rows), total };
}

/** One token of the place. */
export async function getResourceToken(house: House, allowed: ListProof, id: number): Promise<ResourceToken> {
  const place = placeOf(allowed);
  const row = await findIn(house, place, id);
  if (!row) return fail({ code: 'not_found', thing: `${place.type} Access Token` });
  return (await withLevels(house, place, [row]))[0]!;
}

/**
 * Whether the outermost group lets its people make and rotate project and group access tokens. The switch is
 * `resource_access_token_creation_allowed`, on unless the group turned it off.
 */
async function isMakingOpen(house: House, proof: CreateProof | RotateProof): Promise<boolean> {
  const { place } = proof;
  const lineage = place.type === 'project' ? place.namespace.lineage : place.group.lineage;
  const settings = await topGroupSettings(house.db.read, lineageIds(lineage)[0]!);
  if (settings === null) return true;
  const stored: { resource_access_token_creation_allowed?: unknown } = JSON.parse(settings);
  return stored.resource_access_token_creation_allowed !== false;
}

/** Makes a token and the bot behind it. `level` null for the default; never above what the caller holds here. */
export async function createResourceToken(
  house: House,
  actor: Actor,
  allowed: CreateProof,
  wish: KeyWish & { readonly level: number | null },
): Promise<ResourceTokenMade> {
  const place = placeOf(allowed);
  const settings = await readSettings(house.db.read);
  const policy = expiryPolicy(settings, 'project_bot');
  const sound = checkWish(wish, scopesFor(kindOf(place), settings), policy, house.clock.now());
  const no = (fault: Fault) => refuse(house, actor, allowed.action, { place }, fault);
  if (!sound.ok) return no({ code: 'bad_request', reason: wishSentence(sound.error) });
  if (!(await isMakingOpen(house, allowed))) return no(mayNotCreate(place.type));
  const level = wish.level ?? DEFAULT_LEVEL;
  if (level > capLevel(allowed))
    return no({
      code: 'bad_request',
      reason: 'Access level of the token contains permissions not held by the creating user',
    });
  return house.db.tx((tx) => issueWithBot(tx, house, actor, allowed, sound.value, level));
}

async function issueWithBot(
  tx: Tx,
  house: House,
  actor: Actor,
  allowed: CreateProof,
  wish: SoundWish,
  level: number,
): Promise<ResourceTokenMade> {
  const place = placeOf(allowed);
  const creator = actingUser(actor.credential);
  await holdPlace(tx, allowed.place);
  const bot = await createBot(tx, house, {
    place: allowed.place,
    name: wish.name,
    level,
    external: creator?.external === 1,
    createdByUserId: creator?.id ?? null,
  });
  const issued = await issueCredential(tx, house, {
    kind: kindOf(place),
    ...wish,
    userId: bot.id,
    accessLevel: level,
    projectId: place.type === 'project' ? place.id : null,
    groupId: place.type === 'group' ? place.id : null,
    createdByUserId: creator?.id ?? null,
    createdByCredentialId: actor.credential.id,
  });
  await auditKey(
    tx,
    house,
    actor,
    allowed.action,
    issued.credential,
    `Created ${place.type} access token ${wish.name}`,
    { access_level: level },
  );
  return { ...fresh(issued), level };
}

/** Rotates a token of the place. It keeps its bot, whose role must be within what the caller holds. */
export async function rotateResourceToken(
  house: House,
  actor: Actor,
  allowed: RotateProof,
  id: number,
  wish: RotateWish,
): Promise<ResourceTokenMade> {
  const place = placeOf(allowed);
  const row = await findIn(house, place, id);
  if (!row) return fail(allowed.asAdmin ? { code: 'not_found', thing: '' } : { code: 'unauthorized' });
  const no = (fault: Fault) => refuse(house, actor, allowed.action, { key: row }, fault);
  if (!(await isMakingOpen(house, allowed))) return no({ code: 'unauthorized' });
  const level = (await withLevels(house, place, [row]))[0]!.level;
  if (level > capLevel(allowed))
    return no({
      code: 'bad_request',
      reason: 'Not eligible to rotate tokens with permissions not held by the user',
    });
  const made = await rotateAccessToken(house, actor, row, wish, allowed.action, (tx) =>
    followRotator(tx, house, row, actingUser(actor.credential)),
  );
  return { ...made, level };
}

/**
 * Rotates the calling token through the routes of its place. `ref` is an id or path from outside. A place that is missing or
 * hidden from the bot is `not_found`, another one `unauthorized`, and a person's token has no place at all.
 */
export async function rotateOwnResourceToken(
  house: House,
  actor: Actor,
  allowed: Allowed<'own_token:rotate'>,
  type: KeyPlace['type'],
  ref: PlaceRef,
  wish: RotateWish,
): Promise<ResourceTokenMade> {
  const { credential } = allowed;
  if (credential.id === null || credential.kind === 'personal_access_token')
    return fail({ code: 'method_not_allowed', reason: null });
  const place = await placeSeenBy(house, credential, type, ref);
  const row = await findIn(house, place, credential.id);
  if (!row) return fail({ code: 'unauthorized' });
  const level = (await withLevels(house, place, [row]))[0]!.level;
  const made = await rotateAccessToken(house, actor, row, wish, allowed.action);
  return { ...made, level };
}

/** The place of a reference. No role is asked: a bot without `api` may rotate itself, and its own place it may know. */
async function placeSeenBy(
  house: House,
  credential: Actor['credential'],
  type: KeyPlace['type'],
  ref: PlaceRef,
): Promise<KeyPlace> {
  const record = await recordOf(house, type, ref);
  const { reach } = credential;
  const own =
    record && reach.type === type && (reach.type === 'project' ? reach.projectId : reach.groupId) === record.id;
  if (!record || !(own || isOpenTo(credential, record.visibility)))
    return fail({ code: 'not_found', thing: type === 'project' ? 'Project' : 'Group' });
  return { type, id: record.id };
}

async function recordOf(house: House, type: KeyPlace['type'], ref: PlaceRef): Promise<Project | Namespace | null> {
  const sound = typeof ref === 'number' ? ref : parseFullPath(ref);
  if (sound === null) return null;
  if (type === 'group') return loadNamespace(house.db.read, sound, 'group');
  return (await loadProject(house.db.read, sound))?.project ?? null;
}

/** The bot is as external as the user who rotates its token (reference access-tokens 6.2, 7.2). */
async function followRotator(tx: Tx, house: House, row: CredentialRow, rotator: User | null): Promise<void> {
  if (rotator === null || row.user_id === null) return;
  await updateUser(tx, row.user_id, { external: rotator.external, updated_at: house.clock.now() });
}

/**
 * Revokes a token of the place and deletes its bot; again is fine. A token whose bot was taken out is refused.
 * `precondition_failed` when it was made after `unchangedSince` (milliseconds; null to not ask).
 */
export async function revokeResourceToken(
  house: House,
  actor: Actor,
  allowed: RevokeProof,
  id: number,
  unchangedSince: number | null = null,
): Promise<void> {
  const place = placeOf(allowed);
  const row = await findIn(house, place, id);
  if (!row) return fail({ code: 'not_found', thing: `${place.type} Access Token` });
  demandUnchanged(row.created_at, unchangedSince);
  const now = house.clock.now();
  if (credentialState(row, now) === 'revoked') return;
  const { held } = (await withLevels(house, place, [row]))[0]!;
  if (!held && isActive(row, now))
    return refuse(
      house,
      actor,
      allowed.action,
      { key: row },
      { code: 'bad_request', reason: 'Failed to find bot user' },
    );
  await house.db.tx((tx) => revokeKey(tx, house, actor, allowed.action, row));
}

/**
 * What a caller without the role is told who wants to revoke a token: names both (reference access-tokens 4.4). Only a token of
 * the place that the caller asked about is named: any other id might be the key of somebody whom he may not see.
 */
export async function mayNotRevoke(
  house: House,
  credential: Actor['credential'],
  type: KeyPlace['type'],
  ref: PlaceRef,
  id: number | null,
): Promise<Fault> {
  const place = await recordOf(house, type, ref);
  const row = place === null || id === null ? null : await findIn(house, { type, id: place.id }, id);
  const bot = row?.user_id == null ? null : await findUser(house.db.read, row.user_id);
  const caller = actingUser(credential)?.name ?? holderName(credential);
  return { code: 'bad_request', reason: `${caller} cannot delete ${bot?.name ?? 'this access token'}` };
}

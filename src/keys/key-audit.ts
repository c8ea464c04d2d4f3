// The audit row of a deed on a key: which place it belongs to, which key was its target. Also the refusals by rule, which are
// written in a transaction of their own because the deed's is rolled back.
import type { Action } from '../access/actions.ts';
import { type Actor, auditDeed, type Deed } from '../credentials/actor.ts';
import type { Credential } from '../credentials/credential-rows.ts';
import { findUser } from '../identity/user-store.ts';
import { type Fault, fail } from '../kernel/faults.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { type KeyPlace, placeNames, placeOfKey } from './holder-store.ts';

type Entity = Pick<Deed, 'entityType' | 'entityId' | 'entityPath'>;

async function entityOfPlace(q: Queryable, place: KeyPlace): Promise<Entity> {
  const names = await placeNames(q, place);
  const entityType = place.type === 'project' ? 'Project' : 'Group';
  return { entityType, entityId: place.id, entityPath: names?.path ?? null };
}

async function entityOfUser(q: Queryable, userId: number | null): Promise<Entity> {
  if (userId === null) return { entityType: 'Gitlab::Audit::InstanceScope', entityId: null, entityPath: null };
  const user = await findUser(q, userId);
  return { entityType: 'User', entityId: userId, entityPath: user?.username ?? null };
}

/** Writes what was done to a key: at its project or group, else at its user. */
export async function auditKey(
  tx: Tx,
  house: House,
  actor: Actor,
  action: Action,
  key: Credential,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const place = placeOfKey(key);
  const entity = place ? await entityOfPlace(tx, place) : await entityOfUser(tx, key.user_id);
  await auditDeed(tx, house, actor, {
    action,
    ...entity,
    targetType: key.kind,
    targetId: key.id,
    targetDetails: key.name,
    message,
    details: { family_id: key.family_id, scopes: JSON.parse(key.scopes), ...details },
  });
}

/** Where a deed that a rule refused would have happened. */
export type RefusedWhere =
  | { readonly place: KeyPlace }
  | { readonly userId: number | null }
  | { readonly key: Credential };

/** Records that a rule refused the deed, then ends it with `fault`. Never inside a transaction. */
export async function refuse(
  house: House,
  actor: Actor,
  action: Action,
  where: RefusedWhere,
  fault: Fault,
): Promise<never> {
  await house.db.tx(async (tx) => {
    const place = 'place' in where ? where.place : 'key' in where ? placeOfKey(where.key) : null;
    const userId = 'userId' in where ? where.userId : 'key' in where ? where.key.user_id : null;
    await auditDeed(tx, house, actor, {
      action,
      result: 'refused',
      ...(place ? await entityOfPlace(tx, place) : await entityOfUser(tx, userId)),
      ...('key' in where && { targetType: where.key.kind, targetId: where.key.id, targetDetails: where.key.name }),
      message: sentenceOf(fault),
    });
  });
  return fail(fault);
}

function sentenceOf(fault: Fault): string {
  switch (fault.code) {
    case 'bad_request':
    case 'unprocessable':
    case 'conflict':
      return `Refused: ${fault.reason}`;
    case 'invalid_parameters':
      return `Refused: ${fault.texts.join(', ')}`;
    case 'insufficient_scope':
      return `Refused: needs the scope ${fault.scopes.join(' ')}`;
    default:
      return `Refused: ${fault.code.replaceAll('_', ' ')}`;
  }
}

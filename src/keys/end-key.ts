// Ending a key by any route: the key ends, the bot behind it goes with its last key, the deed is recorded and the owner told,
// all in one transaction (reference access-tokens 7.4).
import type { Action } from '../access/actions.ts';
import type { Actor } from '../credentials/actor.ts';
import { deleteBot } from '../credentials/bots.ts';
import type { Credential } from '../credentials/credential-rows.ts';
import { endCredential } from '../credentials/end.ts';
import { describeKind } from '../credentials/kinds.ts';
import { findUser } from '../identity/user-store.ts';
import type { Tx } from '../storage/database.ts';
import type { House } from '../storage/house.ts';
import { hasLiveKey } from './holder-store.ts';
import { auditKey } from './key-audit.ts';
import { kindWords, tellOwner } from './notices.ts';

/**
 * Revokes a key now. True when this call did it; false, and nothing else happens, when it was ended before. A bot stays while
 * another of its keys is alive: revoking the old key of a rotation's overlap must not take the new one with it.
 */
export async function revokeKey(tx: Tx, house: House, actor: Actor, action: Action, key: Credential): Promise<boolean> {
  if (!(await endCredential(tx, house, key.id, 'revoked'))) return false;
  await auditKey(tx, house, actor, action, key, `Revoked ${kindWords(key.kind)} ${key.name}`);
  await tellOwner(tx, house, key, 'revoked');
  await deleteIdleBot(tx, house, key);
  return true;
}

/** Deletes the bot behind a key, unless it has another key that is alive or is gone already. True when it was deleted. */
export async function deleteIdleBot(tx: Tx, house: House, key: Pick<Credential, 'kind' | 'user_id'>): Promise<boolean> {
  if (!describeKind(key.kind).bot || key.user_id === null) return false;
  if (await hasLiveKey(tx, key.user_id, house.clock.now())) return false;
  const bot = await findUser(tx, key.user_id);
  if (bot?.type !== 'project_bot') return false;
  return deleteBot(tx, house, bot.id, 'revoked');
}

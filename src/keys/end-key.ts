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
 * Revokes a key now. True when this call did it; false, and nothing else happens, when it was ended before. The bot behind it
 * goes too, and with it the old key of a rotation's overlap; revoking only that old key leaves the new one and the bot.
 */
export async function revokeKey(tx: Tx, house: House, actor: Actor, action: Action, key: Credential): Promise<boolean> {
  if (!(await endCredential(tx, house, key.id, 'revoked'))) return false;
  await auditKey(tx, house, actor, action, key, `Revoked ${kindWords(key.kind)} ${key.name}`);
  await tellOwner(tx, house, key, 'revoked');
  if (key.successor_id === null) await deleteBotOf(tx, house, key);
  else await deleteIdleBot(tx, house, key);
  return true;
}

/** Deletes the bot behind a key unless another of its keys is alive. True when it was deleted. */
export async function deleteIdleBot(tx: Tx, house: House, key: BotKey): Promise<boolean> {
  if (key.user_id === null || (await hasLiveKey(tx, key.user_id, house.clock.now()))) return false;
  return deleteBotOf(tx, house, key);
}

type BotKey = Pick<Credential, 'kind' | 'user_id'>;

/** Deletes the bot behind a key with all its keys. False when the key has none, or it is gone already. */
async function deleteBotOf(tx: Tx, house: House, key: BotKey): Promise<boolean> {
  if (!describeKind(key.kind).bot || key.user_id === null) return false;
  const bot = await findUser(tx, key.user_id);
  return bot?.type === 'project_bot' && deleteBot(tx, house, bot.id, 'revoked');
}

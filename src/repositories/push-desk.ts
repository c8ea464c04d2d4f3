// Where a running push waits for its pre-receive hook. A push is named by a random nonce that only its own git child was told;
// what the hook asks is answered by the function that the push left here. It decides nothing itself.
import { randomHex } from '../kernel/random.ts';
import type { Database } from '../storage/database.ts';
import type { Quarantine } from './ancestry.ts';
import type { MovedRef } from './push-store.ts';
import { isZeroId, parseObjectId, parseRefName } from './ref-names.ts';

export interface HookQuestion {
  readonly updates: readonly MovedRef[];
  readonly options: readonly string[];
  readonly quarantine: Quarantine;
}

export interface HookVerdict {
  readonly allowed: boolean;
  /** lines for the person who pushes, printed as they are */
  readonly messages: readonly string[];
}

export type HookAnswerer = (question: HookQuestion) => Promise<HookVerdict>;

const REFUSED: HookVerdict = { allowed: false, messages: ['GitLab: The server could not check this push.'] };

export class PushDesk {
  readonly #waiting = new Map<string, HookAnswerer>();
  /** the local socket that hooks ask at; null until the local door is open */
  socketPath: string | null = null;

  /** Leaves the function that answers a push's hook. Call `close` when git has ended. */
  open(answer: HookAnswerer): { readonly nonce: string; close(): void } {
    const nonce = randomHex(16);
    this.#waiting.set(nonce, answer);
    return { nonce, close: () => void this.#waiting.delete(nonce) };
  }

  /** Answers one question of a hook as it came over the socket. A push is asked about once; anything unsound is refused. */
  async answer(message: Readonly<Record<string, unknown>>): Promise<HookVerdict> {
    const nonce = typeof message['nonce'] === 'string' ? message['nonce'] : '';
    const answer = this.#waiting.get(nonce);
    const question = readQuestion(message);
    if (!answer || !question) return REFUSED;
    this.#waiting.delete(nonce);
    return answer(question);
  }
}

function readQuestion(message: Readonly<Record<string, unknown>>): HookQuestion | null {
  const { lines, options, quarantine } = message;
  if (!isTexts(lines) || !isTexts(options) || typeof quarantine !== 'object' || quarantine === null) return null;
  const { path, objectDirectory, alternates } = quarantine as Record<string, unknown>;
  if (typeof path !== 'string' || typeof objectDirectory !== 'string' || typeof alternates !== 'string') return null;
  const updates: MovedRef[] = [];
  for (const line of lines) {
    const [oldId = '', newId = '', ref = '', ...rest] = line.split(' ');
    if (rest.length > 0 || !parseObjectId(oldId) || !parseObjectId(newId) || !parseRefName(ref)) return null;
    // From nothing to nothing: git would delete whatever is there, and we would judge a creation.
    if (isZeroId(oldId) && isZeroId(newId)) return null;
    updates.push({ ref, oldId: isZeroId(oldId) ? null : oldId, newId: isZeroId(newId) ? null : newId });
  }
  return { updates, options, quarantine: { path, objectDirectory, alternates } };
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

const byDatabase = new WeakMap<Database, PushDesk>();

/** The desk of the process that works on this database: one for all doors. */
export function pushDeskOf(house: { readonly db: Database }): PushDesk {
  let desk = byDatabase.get(house.db);
  if (!desk) {
    desk = new PushDesk();
    byDatabase.set(house.db, desk);
  }
  return desk;
}

// "Why was I refused?" and "what could this key do?": the verdict of the same judge, lock by lock, for a key that need not be
// the caller's. It changes nothing and lets nobody in.
import type { DeadCredential } from '../credentials/dead.ts';
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { Result } from '../kernel/result.ts';
import type { House } from '../storage/house.ts';
import type { Action } from './actions.ts';
import { weigh } from './decide.ts';
import type { Facts } from './judge.ts';
import type { UnresolvedPlace } from './place.ts';
import { judgePushTo } from './push.ts';
import { deadRefusal, LOCKS, type Lock, type LockResult } from './refusal.ts';

export interface ExplainQuestion {
  readonly action: Action;
  readonly place?: UnresolvedPlace;
  /** a branch or tag, full (`refs/heads/main`) or short, where the action moves one */
  readonly ref?: string;
}

export interface Explanation {
  readonly allowed: boolean;
  readonly refusedBy: Lock | null;
  /** the four locks, in order */
  readonly locks: readonly LockResult[];
}

/** What `decide` would answer, with every lock's word. A dead key is refused by `alive`. */
export async function explain(
  house: House,
  presented: Result<VerifiedCredential, DeadCredential>,
  question: ExplainQuestion,
): Promise<Explanation> {
  if (!presented.ok) {
    const refusal = deadRefusal(presented.error);
    const locks = LOCKS.map(
      (name): LockResult =>
        name === 'alive'
          ? { name, passed: false, reason: refusal.detail, row: refusal.row }
          : { name, passed: null, reason: 'not reached', row: question.action },
    );
    return { allowed: false, refusedBy: 'alive', locks };
  }
  const { facts, verdict } = await weigh(house.db.read, house.clock, presented.value, question);
  if (verdict.refusal) return { allowed: false, refusedBy: verdict.refusal.lock, locks: verdict.locks };
  const protection = await protectionOf(house, presented.value, question, facts);
  if (protection) {
    const locks = verdict.locks.map((lock) =>
      lock.name === 'role' ? { name: lock.name, passed: false, reason: protection.message, row: protection.row } : lock,
    );
    return { allowed: false, refusedBy: 'role', locks };
  }
  return { allowed: true, refusedBy: null, locks: verdict.locks };
}

const MOVES_REF: Partial<Record<Action, 'update' | 'create' | 'delete'>> = {
  'repository:push': 'update',
  'repository:commit': 'update',
  'branch:create': 'create',
  'branch:delete': 'delete',
  'tag:create': 'create',
  'tag:delete': 'delete',
};

async function protectionOf(
  house: House,
  credential: VerifiedCredential,
  question: ExplainQuestion,
  facts: Facts,
): Promise<{ row: string; message: string } | null> {
  const kind = MOVES_REF[question.action];
  if (kind === undefined || question.ref === undefined || facts.place?.type !== 'project') return null;
  const type = question.action.startsWith('tag:') ? 'tags' : 'heads';
  const ref = question.ref.startsWith('refs/') ? question.ref : `refs/${type}/${question.ref}`;
  return judgePushTo(house, credential, facts.place, {
    ref,
    kind,
    forced: false,
    door: question.action === 'repository:push' ? 'git' : 'web',
  });
}

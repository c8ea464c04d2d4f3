// Whether one ref may move, asked without a push: for `explain`, and for whoever wants to know before he tries. The same facts
// and the same rules as the push itself; only what the repository knows is taken from the project's row.
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { House } from '../storage/house.ts';
import type { ProjectPlace } from './place.ts';
import { gatherRefFacts } from './ref-facts.ts';
import { judgeRefUpdate, type RefRefusal } from './ref-rules.ts';

/** Null when the move would be allowed. The caller must have passed `decide` for it; an empty repository has no default branch. */
export async function judgePushTo(
  house: House,
  credential: VerifiedCredential,
  place: ProjectPlace,
  update: { ref: string; kind: 'create' | 'update' | 'delete'; forced: boolean; door: 'git' | 'web' },
): Promise<RefRefusal | null> {
  const facts = await gatherRefFacts(house.db.read, house.clock, {
    credential,
    place,
    mayPush: true,
    empty: place.project.default_branch === null,
    door: update.door,
    url: house.url,
  });
  return judgeRefUpdate(facts, { ...update, inProtectedBranch: false });
}

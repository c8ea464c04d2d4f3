// Whether a key of this holder could see a project at all, whatever its scopes: git asks that of bots and deploy tokens before
// anything else, and calls a key that is not at home there a wrong one (reference git-and-deploy 8.2, 8.4).
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import { actingUser } from '../credentials/verified-credential.ts';
import { featureLevels } from '../identity/features.ts';
import { isTokenBot } from '../identity/records.ts';
import { type Clock, isoDate } from '../kernel/clock.ts';
import { parseFullPath } from '../kernel/names.ts';
import type { Queryable } from '../storage/database.ts';
import { heldLevel, loadProject } from './facts-store.ts';
import { isAdministrator, isInReach, isOpenTo } from './judge.ts';

/** Whether the key belongs to something that is no person: a token's bot, a service account, a deploy token. */
export function isMachine(credential: VerifiedCredential): boolean {
  if (credential.holder.type === 'user') return credential.holder.user.type !== 'human';
  return credential.holder.type === 'deploy_token';
}

/** Missing and out of reach are both false. A deploy token sees nothing where the repository is switched off. */
export async function seesProject(
  q: Queryable,
  clock: Clock,
  credential: VerifiedCredential,
  path: string,
): Promise<boolean> {
  const ref = parseFullPath(path);
  const found = ref === null ? null : await loadProject(q, ref);
  if (!found) return false;
  const inReach = isInReach(credential, { place: { type: 'project', ...found, level: 0 } });
  if (credential.holder.type === 'deploy_token')
    return inReach && featureLevels(found.project).repository !== 'disabled';
  if (isOpenTo(credential, found.project.visibility)) return true;
  const user = actingUser(credential);
  if (user === null || !inReach) return false;
  if (isAdministrator(credential)) return true;
  const at = { projectId: found.project.id, namespace: found.namespace };
  return (await heldLevel(q, user.id, at, isoDate(clock.now()), !isTokenBot(user))) >= 10;
}

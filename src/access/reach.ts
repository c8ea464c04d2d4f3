// "What can this key open now?": a paged list of the groups and projects at which it may do anything, with what it may do
// there. The list comes from the SQL form of the rules, each row's actions from the judge.
import type { VerifiedCredential } from '../credentials/verified-credential.ts';
import type { House } from '../storage/house.ts';
import { type Action, ALL_ACTIONS, ruleOf } from './actions.ts';
import { gatherAt } from './decide.ts';
import { judge } from './judge.ts';
import { atGroup, atProject } from './place.ts';
import { reachableGroups, reachableProjects } from './reach-store.ts';

export interface ReachItem {
  readonly type: 'group' | 'project';
  readonly id: number;
  readonly full_path: string;
  readonly actions: readonly Action[];
}

/**
 * One page of what the key opens now: groups first, then projects, each by id. Who asks about another's key is told only of
 * places that he may see himself: a deploy key leads to projects of people who do not know each other.
 */
export async function reachOf(
  house: House,
  credential: VerifiedCredential,
  slice: { readonly offset: number; readonly perPage: number },
  seenBy: VerifiedCredential = credential,
): Promise<{ items: ReachItem[]; total: number }> {
  const groups = await reachableGroups(house.db.list, house.clock, credential, seenBy, slice);
  const left = slice.perPage - groups.rows.length;
  const projects = await reachableProjects(house.db.list, house.clock, credential, seenBy, {
    offset: Math.max(0, slice.offset - groups.total),
    perPage: left,
  });
  const items: ReachItem[] = [];
  for (const row of groups.rows)
    items.push({ type: 'group', ...row, actions: await actionsAt(house, credential, 'group', row.id) });
  for (const row of projects.rows)
    items.push({ type: 'project', ...row, actions: await actionsAt(house, credential, 'project', row.id) });
  return { items, total: groups.total + projects.total };
}

async function actionsAt(
  house: House,
  credential: VerifiedCredential,
  type: 'group' | 'project',
  id: number,
): Promise<Action[]> {
  const place = type === 'group' ? atGroup(id) : atProject(id);
  const facts = await gatherAt(house.db.read, house.clock, credential, type, place);
  return ALL_ACTIONS.filter(
    (action) => ruleOf(action).place === type && judge(credential, action, facts).refusal === null,
  );
}

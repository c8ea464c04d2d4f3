// One group, or a page of them, as JSON; and how GitLab words that a group cannot be saved.

import { visibleGroups } from '../../../access/visible-store.ts';
import type { VerifiedCredential } from '../../../credentials/verified-credential.ts';
import { groupsAmong } from '../../../directory/group-list-store.ts';
import { namespacesById } from '../../../identity/namespace-store.ts';
import { type Group, lineageIds } from '../../../identity/records.ts';
import { sharesOfGroup } from '../../../identity/share-store.ts';
import { FaultError } from '../../../kernel/faults.ts';
import { readSettings } from '../../../settings/settings.ts';
import type { Services } from '../../services.ts';
import { presentGroup } from '../present/group.ts';
import { json, type RestReply } from '../route.ts';

/** A page of groups with the names of the groups above them. */
export async function groupPage(services: Services, groups: readonly Group[]) {
  const above = await namespacesById(
    services.db.list,
    groups.flatMap((group) => lineageIds(group.lineage)),
  );
  const { default_branch_protection: defaultBranchProtection } = await readSettings(services.db.read);
  return groups.map((group) => {
    const names = lineageIds(group.lineage).map((id) => above.get(id)?.name ?? '');
    return presentGroup(services, group, { fullName: names.join(' / '), defaultBranchProtection });
  });
}

/** A group on its own route: with the invited groups that the caller may see, and `projects` when given. */
export async function oneGroup(
  services: Services,
  credential: VerifiedCredential,
  group: Group,
  projects?: readonly unknown[],
) {
  const [short] = await groupPage(services, [group]);
  const shares = await sharesOfGroup(services.db.read, group.id);
  const shown = await groupsAmong(
    services.db.list,
    visibleGroups(services.clock, credential),
    shares.map((share) => share.group_id),
  );
  const full = presentGroup(services, group, {
    fullName: short!.full_name,
    defaultBranchProtection: short!.default_branch_protection,
    shares: shares.filter((share) => shown.has(share.group_id)),
    ...(projects ? { projects } : {}),
  });
  return full;
}

/** Runs a deed that saves a group; what is wrong by field is said in one sentence, as GitLab does on these routes (12.2). */
export async function saving(work: () => Promise<RestReply>): Promise<RestReply> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FaultError) || error.fault.code !== 'invalid_record') throw error;
    const fields = Object.entries(error.fault.fields).map(
      ([field, texts]) => `:${field}=>[${texts.map((text) => JSON.stringify(text)).join(', ')}]`,
    );
    return json({ message: `Failed to save group {${fields.join(', ')}}` }, 400);
  }
}

// How much there is on this instance (reference git-and-deploy 12.10); what Keyward does not have counts as none.
import { readStatistics } from '../../../directory/statistics-store.ts';
import { json, type Route, route } from '../route.ts';
import { none } from '../schema.ts';

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/application/statistics',
    action: 'statistics:read',
    params: none,
    summary: 'Counts of the instance, as texts',
    async handler({ services }) {
      const counts = await readStatistics(services.db.list);
      return json({
        forks: String(counts.forks),
        issues: '0',
        merge_requests: '0',
        notes: '0',
        snippets: '0',
        ssh_keys: String(counts.ssh_keys),
        milestones: '0',
        users: String(counts.users),
        groups: String(counts.groups),
        projects: String(counts.projects),
        active_users: String(counts.active_users),
      });
    },
  }),
];

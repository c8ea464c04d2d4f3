// The mails that wait because no mail server is set, or because it does not take them. A route of ours, for administrators.
import { listWaitingMails } from '../../../directory/waiting-mails.ts';
import { isoTime } from '../../../kernel/clock.ts';
import { paged, type Route, route } from '../route.ts';
import { none } from '../schema.ts';

export const routes: Route[] = [
  route({
    method: 'GET',
    path: '/keyward/mails',
    action: 'mail:list',
    params: none,
    paged: true,
    summary: 'Mails that were not sent yet, oldest first',
    async handler({ services, allowed, page }) {
      const { mails, total } = await listWaitingMails(services, allowed, page);
      return paged(
        mails.map(({ createdAt, lastError, ...mail }) => ({
          ...mail,
          created_at: isoTime(createdAt),
          last_error: lastError,
        })),
        total,
      );
    },
  }),
];

// Sends the link for a new password that somebody asked for, when the address is confirmed and its account may sign in. It runs
// without a proof: whoever can read the mail box proves himself with the link.
import { auditDeed } from '../credentials/actor.ts';
import { anonymous } from '../credentials/verified-credential.ts';
import { findEmail } from '../identity/user-email-store.ts';
import { findUser } from '../identity/user-store.ts';
import type { House } from '../storage/house.ts';
import type { TaskHandler } from '../tasks/runner.ts';
import { ofUser } from './entities.ts';
import { mayReset, sendLink } from './mail-links.ts';

/** The handler of `password_reset`. The mail goes to the address as it is stored, never as it was asked for. */
export function passwordResetTask(house: House): TaskHandler {
  return async (payload, context) => {
    const { email } = (payload ?? {}) as { email?: unknown };
    await house.db.tx(async (tx) => {
      const row = typeof email === 'string' ? await findEmail(tx, email) : null;
      const user = row && (await findUser(tx, row.user_id));
      if (row && mayReset(user, row) && (await sendLink(tx, house, user, row, 'reset_password')))
        await auditDeed(
          tx,
          house,
          { credential: anonymous(), door: 'task', ip: null },
          { action: 'account:recover', ...ofUser(user), message: 'A link for a new password was asked for and sent' },
        );
      await context.complete(tx);
    });
  };
}

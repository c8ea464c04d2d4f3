// Members as JSON (reference git-and-deploy 12.4), the same for projects and groups.
import type { Member, User } from '../../../identity/records.ts';
import { isoTime } from '../../../kernel/clock.ts';
import type { House } from '../../../storage/house.ts';
import { presentBasicUser } from './user.ts';

/** A membership with the user behind it and, when known, who gave it. */
export function presentMember(
  house: Pick<House, 'url'>,
  member: Pick<Member, 'access_level' | 'created_at' | 'expires_at'>,
  user: User,
  creator: User | null,
) {
  return {
    ...presentBasicUser(house, user),
    access_level: member.access_level,
    created_at: isoTime(member.created_at),
    ...(creator ? { created_by: presentBasicUser(house, creator) } : {}),
    expires_at: member.expires_at,
    membership_state: 'active',
  };
}

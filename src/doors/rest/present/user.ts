// Users as JSON (reference git-and-deploy 12.5): the six basic fields that stand wherever a user is named, and the fuller forms
// for the user himself and for administrators. Deleted users come here as the Ghost User already (usersToShow).
import type { User } from '../../../identity/records.ts';
import type { UserEmail } from '../../../identity/user-email-store.ts';
import { isoTime } from '../../../kernel/clock.ts';
import type { House } from '../../../storage/house.ts';

type Address = Pick<House, 'url'>;

/** Where the picture of a user is served; null without one. */
export function avatarUrl(house: Address, user: Pick<User, 'avatar_key'>): string | null {
  return user.avatar_key === null ? null : `${house.url}/api/v4/keyward/avatars/${user.avatar_key}`;
}

/** `id` `username` `name` `state` `locked` `avatar_url` `web_url`. */
export function presentBasicUser(house: Address, user: User) {
  return {
    id: user.id,
    username: user.username,
    name: user.name,
    state: user.state,
    locked: false,
    avatar_url: avatarUrl(house, user),
    web_url: `${house.url}/${user.username}`,
  };
}

/** What signed-in callers see of somebody else. */
export function presentUser(house: Address, user: User) {
  return {
    ...presentBasicUser(house, user),
    created_at: isoTime(user.created_at),
    bio: user.bio ?? '',
    location: null,
    public_email: '',
    bot: user.type === 'project_bot' || user.type === 'service_account',
    external: user.external === 1,
  };
}

/** `GET /user`, and what administrators see and get back from their own deeds on users. */
export function presentFullUser(
  house: Address,
  user: User,
  extras: { readonly namespaceId: number | null; readonly forAdmin: boolean },
) {
  return {
    ...presentUser(house, user),
    email: user.email,
    commit_email: user.email,
    two_factor_enabled: false,
    can_create_group: user.can_create_group === 1,
    can_create_project: user.projects_limit > 0,
    projects_limit: user.projects_limit,
    identities: [],
    private_profile: false,
    namespace_id: extras.namespaceId,
    last_sign_in_at: isoTime(user.last_sign_in_at),
    current_sign_in_at: isoTime(user.current_sign_in_at),
    confirmed_at: isoTime(user.confirmed_at),
    last_activity_on: null,
    ...(extras.forAdmin ? { is_admin: user.admin === 1, note: user.note } : {}),
  };
}

/** `{id,email,confirmed_at}`. */
export function presentEmail(email: UserEmail) {
  return { id: email.id, email: email.email, confirmed_at: isoTime(email.confirmed_at) };
}
